/** A TCP segment as it came: header and options, read into the same object again and again. [RFC 9293] 3.1, 3.2 */
import { HEADER_BYTES, type Packet } from "../../packet.js";

export const Flag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
export const Option = { END: 0, NOP: 1, MSS: 2, SCALE: 3, SACK_PERMITTED: 4, SACK: 5, TIMESTAMPS: 8 } as const;

export const PLAIN_BYTES = 20;
export const MOST_HEADER_BYTES = 60;
/** The largest shift that means anything. [RFC 7323] 2.3 */
const MOST_SCALE = 14;
/** What fits into the options. */
const MOST_SACKS = 4;

export class Segment {
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  /** Unscaled. */
  window = 0;
  /** Of a SYN: 0 when it is not there. */
  mss = 0;
  /** Of a SYN: -1 when it is not there. */
  scale = -1;
  sackPermitted = false;
  hasStamps = false;
  stamp = 0;
  echo = 0;
  sacks = 0;
  readonly sackFrom = new Int32Array(MOST_SACKS);
  readonly sackTo = new Int32Array(MOST_SACKS);
  /** Where the payload is in the packet. */
  at = 0;
  length = 0;
  /** For headers that the packet has not at hand. */
  readonly #far = new DataView(new ArrayBuffer(MOST_HEADER_BYTES));

  /** Reads the segment in `[at, end)` of a packet; false when it is none. */
  read(packet: Packet, at: number, end: number): boolean {
    if (end - at < PLAIN_BYTES || end > packet.length) return false;
    let view = packet.headerView;
    let from = at;
    if (Math.min(at + MOST_HEADER_BYTES, end) > Math.min(packet.headerLength, HEADER_BYTES)) {
      view = this.#far;
      from = 0;
      packet.copyTo(new Uint8Array(view.buffer), 0, at, Math.min(MOST_HEADER_BYTES, end - at));
    }
    const bytes = (view.getUint8(from + 12) >>> 4) * 4;
    if (bytes < PLAIN_BYTES || bytes > end - at) return false;
    this.sourcePort = view.getUint16(from);
    this.destinationPort = view.getUint16(from + 2);
    this.seq = view.getInt32(from + 4);
    this.ack = view.getInt32(from + 8);
    this.flags = view.getUint8(from + 13);
    this.window = view.getUint16(from + 14);
    this.at = at + bytes;
    this.length = end - this.at;
    this.mss = 0;
    this.scale = -1;
    this.sackPermitted = false;
    this.hasStamps = false;
    this.sacks = 0;
    this.#readOptions(view, from + PLAIN_BYTES, from + bytes);
    return this.sourcePort !== 0 && this.destinationPort !== 0;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Whether it begins a connection, whatever it says of congestion. [RFC 3168] 6.1.1 */
  get isFirst(): boolean {
    return (this.flags & (Flag.SYN | Flag.ACK | Flag.RST | Flag.FIN)) === Flag.SYN;
  }

  /** Numbers that the segment takes: a SYN and a FIN count as bytes. */
  get span(): number {
    return this.length + (this.flags & Flag.FIN) + ((this.flags & Flag.SYN) >>> 1);
  }

  /** What follows an option that lies about its length is not looked at. */
  #readOptions(view: DataView, from: number, end: number): void {
    for (let at = from; at < end; ) {
      const kind = view.getUint8(at);
      if (kind === Option.END) return;
      if (kind === Option.NOP) {
        at++;
        continue;
      }
      const length = at + 1 < end ? view.getUint8(at + 1) : 0;
      if (length < 2 || at + length > end) return;
      this.#readOption(view, kind, at, length);
      at += length;
    }
  }

  #readOption(view: DataView, kind: number, at: number, length: number): void {
    if (kind === Option.TIMESTAMPS && length === 10) {
      this.hasStamps = true;
      this.stamp = view.getInt32(at + 2);
      this.echo = view.getInt32(at + 6);
    } else if (kind === Option.SACK && length >= 10 && length % 8 === 2) {
      for (let n = at + 2; n < at + length && this.sacks < MOST_SACKS; n += 8) {
        this.sackFrom[this.sacks] = view.getInt32(n);
        this.sackTo[this.sacks++] = view.getInt32(n + 4);
      }
    } else if (this.has(Flag.SYN)) {
      if (kind === Option.MSS && length === 4) this.mss = view.getUint16(at + 2);
      else if (kind === Option.SCALE && length === 3) this.scale = Math.min(MOST_SCALE, view.getUint8(at + 2));
      else if (kind === Option.SACK_PERMITTED && length === 2) this.sackPermitted = true;
    }
  }
}
