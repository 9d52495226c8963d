/** TCP headers with the options that we know. [RFC 9293] 3.1, 3.2; [RFC 7323]; [RFC 2018] */
import { HEADER_BYTES, type Packet } from "../../packet.js";

export const Flag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

const Option = { END: 0, NOP: 1, MSS: 2, SCALE: 3, SACK_PERMITTED: 4, SACK: 5, TIMESTAMPS: 8 } as const;
const PLAIN_BYTES = 20;
export const MOST_HEADER_BYTES = 60;
/** The largest shift that means anything. [RFC 7323] 2.3 */
const MOST_SCALE = 14;

/** A segment as it came, read into the same object again and again. */
export class Segment {
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  window = 0;
  /** Of a SYN: 0 when it is not there. */
  mss = 0;
  /** Of a SYN: -1 when it is not there. */
  scale = -1;
  sackPermitted = false;
  hasTimestamps = false;
  tsValue = 0;
  tsEcho = 0;
  /** Where the payload is in the packet. */
  at = 0;
  length = 0;

  /** Reads the segment in `[at, end)` of a packet; false when it is none. */
  read(packet: Packet, at: number, end: number): boolean {
    const { headerView: view } = packet;
    const readable = Math.min(end, packet.headerLength, HEADER_BYTES);
    if (at + PLAIN_BYTES > readable) return false;
    const bytes = (view.getUint8(at + 12) >>> 4) * 4;
    if (bytes < PLAIN_BYTES || at + bytes > readable) return false;
    this.sourcePort = view.getUint16(at);
    this.destinationPort = view.getUint16(at + 2);
    this.seq = view.getUint32(at + 4);
    this.ack = view.getUint32(at + 8);
    this.flags = view.getUint8(at + 13);
    this.window = view.getUint16(at + 14);
    this.at = at + bytes;
    this.length = end - this.at;
    return this.sourcePort !== 0 && this.destinationPort !== 0 && this.#readOptions(view, at + PLAIN_BYTES, at + bytes);
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Numbers that the segment takes: a SYN and a FIN count as bytes. */
  get span(): number {
    return this.length + (this.has(Flag.SYN) ? 1 : 0) + (this.has(Flag.FIN) ? 1 : 0);
  }

  #readOptions(view: DataView, from: number, end: number): boolean {
    this.mss = 0;
    this.scale = -1;
    this.sackPermitted = false;
    this.hasTimestamps = false;
    for (let at = from; at < end; ) {
      const kind = view.getUint8(at);
      if (kind === Option.END) return true;
      if (kind === Option.NOP) {
        at++;
        continue;
      }
      const length = at + 1 < end ? view.getUint8(at + 1) : 0;
      if (length < 2 || at + length > end) return false;
      this.#readOption(view, kind, at, length);
      at += length;
    }
    return true;
  }

  #readOption(view: DataView, kind: number, at: number, length: number): void {
    if (kind === Option.MSS && length === 4) this.mss = view.getUint16(at + 2);
    else if (kind === Option.SCALE && length === 3) this.scale = Math.min(MOST_SCALE, view.getUint8(at + 2));
    else if (kind === Option.SACK_PERMITTED && length === 2) this.sackPermitted = true;
    else if (kind === Option.TIMESTAMPS && length === 10) {
      this.hasTimestamps = true;
      this.tsValue = view.getUint32(at + 2);
      this.tsEcho = view.getUint32(at + 6);
    }
  }
}

/** What a segment of ours says. */
export interface Outgoing {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** Of a SYN. */
  readonly mss?: number;
  readonly scale?: number;
  readonly sackPermitted?: boolean;
  readonly timestamps?: { readonly value: number; readonly echo: number };
  /** First and last-but-one numbers of what came out of order, the latest first. */
  readonly sacks?: readonly (readonly [number, number])[];
}

/** Writes headers into one buffer, whose used part `write` answers. */
export class HeaderWriter {
  readonly #bytes = new Uint8Array(MOST_HEADER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 0;

  write(out: Outgoing): Uint8Array {
    const view = this.#view;
    this.#bytes.fill(0);
    view.setUint16(0, out.sourcePort);
    view.setUint16(2, out.destinationPort);
    view.setUint32(4, out.seq);
    view.setUint32(8, out.ack);
    view.setUint8(13, out.flags);
    view.setUint16(14, out.window);
    this.#at = PLAIN_BYTES;
    if (out.mss !== undefined) this.#option(Option.MSS, [out.mss >>> 8, out.mss & 255]);
    if (out.scale !== undefined) this.#option(Option.SCALE, [out.scale]);
    if (out.sackPermitted) this.#option(Option.SACK_PERMITTED, []);
    if (out.timestamps !== undefined) this.#words(Option.TIMESTAMPS, [out.timestamps.value, out.timestamps.echo]);
    const sacks = (out.sacks ?? []).slice(0, Math.floor((MOST_HEADER_BYTES - this.#at - 4) / 8));
    if (sacks.length > 0) this.#words(Option.SACK, sacks.flat());
    while (this.#at % 4 !== 0) this.#bytes[this.#at++] = Option.NOP;
    view.setUint8(12, (this.#at / 4) << 4);
    return this.#bytes.subarray(0, this.#at);
  }

  #option(kind: number, values: readonly number[]): void {
    this.#bytes[this.#at++] = kind;
    this.#bytes[this.#at++] = values.length + 2;
    for (const value of values) this.#bytes[this.#at++] = value;
  }

  /** An option of words, which two NOPs put where words belong. */
  #words(kind: number, values: readonly number[]): void {
    while (this.#at % 4 !== 2) this.#bytes[this.#at++] = Option.NOP;
    this.#bytes[this.#at++] = kind;
    this.#bytes[this.#at++] = 2 + values.length * 4;
    for (const value of values) {
      this.#view.setUint32(this.#at, value);
      this.#at += 4;
    }
  }
}
