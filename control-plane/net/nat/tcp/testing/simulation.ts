/** Time, a bad line and a guest for tests of the engine. The guest is a TCP of its own: simple, and knows nothing of ours. */
import { ManualClock, SeededRandom } from "../../../../util/index.js";
import { Packet } from "../../../index.js";
import type { Outside, StreamEvents } from "../../../outside/index.js";
import { FarStream } from "../../../outside/testing/far-stream.js";
import { Tcp, type TcpLimits, type TcpParts } from "../index.js";

export const GUEST = Uint8Array.of(10, 0, 2, 15);
export const SERVER = Uint8Array.of(192, 0, 2, 1);
const NS_PER_MS = 1e6;
export const [FIN, SYN, RST, PSH, ACK] = [1, 2, 4, 8, 16];

/** Events by time, each at its turn. */
export class Simulation {
  readonly clock = new ManualClock();
  #events: { at: number; n: number; work: () => void }[] = [];
  #n = 0;

  get nowMs(): number {
    return this.clock.now() / NS_PER_MS;
  }

  get isIdle(): boolean {
    return this.#events.length === 0;
  }

  at(ms: number, work: () => void): () => void {
    const event = { at: this.nowMs + ms, n: this.#n++, work };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  /** Runs until nothing is left to happen, or for so long. */
  run(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.#events.reduce<{ at: number; n: number; work: () => void } | null>(
        (first, each) =>
          first === null || each.at < first.at || (each.at === first.at && each.n < first.n) ? each : first,
        null,
      );
      if (next === null || next.at > end) break;
      this.#events = this.#events.filter((event) => event !== next);
      this.clock.advance(Math.max(0, next.at - this.nowMs) * NS_PER_MS);
      next.work();
    }
    this.clock.advance(Math.max(0, end - this.nowMs) * NS_PER_MS);
  }
}

/** A segment as it lies on the line: header and payload. */
export interface Line {
  readonly bytes: Uint8Array;
}

export const flagsOf = (bytes: Uint8Array): number => bytes[13]!;
export const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
export const seqOf = (bytes: Uint8Array): number => view(bytes).getUint32(4);
export const ackOf = (bytes: Uint8Array): number => view(bytes).getUint32(8);
export const windowOf = (bytes: Uint8Array): number => view(bytes).getUint16(14);
export const payloadOf = (bytes: Uint8Array): Uint8Array => bytes.subarray((bytes[12]! >>> 4) * 4);

/** A segment by hand. */
export function segment(fields: {
  readonly from?: number;
  readonly to?: number;
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly window?: number;
  readonly options?: readonly number[];
  readonly data?: Uint8Array;
}): Uint8Array {
  const { from = 4000, to = 80, seq, ack = 0, flags, window = 65_535, options = [], data = new Uint8Array(0) } = fields;
  const header = 20 + Math.ceil(options.length / 4) * 4;
  const bytes = new Uint8Array(header + data.length);
  const out = view(bytes);
  out.setUint16(0, from);
  out.setUint16(2, to);
  out.setUint32(4, seq);
  out.setUint32(8, ack);
  out.setUint8(12, (header / 4) << 4);
  out.setUint8(13, flags);
  out.setUint16(14, window);
  bytes.set(options, 20);
  bytes.set(data, header);
  return bytes;
}

/** The engine with a world that the test plays; what it sends goes to `toGuest`. */
export class Rig {
  readonly time = new Simulation();
  readonly streams: FarStream[] = [];
  readonly sent: Uint8Array[] = [];
  /** False: no room. */
  toGuest: (bytes: Uint8Array, gsoSize: number) => boolean = (bytes) => {
    this.sent.push(bytes);
    return true;
  };
  refuses = false;
  /** A stream was asked for. */
  onStream: (stream: FarStream) => void = () => {};
  readonly tcp: Tcp;
  readonly parts: TcpParts;
  readonly #packet = new Packet(null);
  payerOf = (address: Uint8Array): string => address.join(".");

  constructor(limits: Partial<TcpLimits> = {}) {
    const outside = {
      openStream: (address: string, port: number, events: StreamEvents) => {
        const stream = new FarStream(address, port, events);
        this.streams.push(stream);
        this.onStream(stream);
        return stream;
      },
    } as unknown as Outside;
    const { time } = this;
    this.parts = {
      clock: time.clock,
      random: new SeededRandom(3),
      timer: (ms, work) => time.at(ms, work),
      outside,
      payerOf: (address) => this.payerOf(address),
      outsideAddress: (address) => (this.refuses ? null : address.join(".")),
      send: (_source, _destination, header, payload, gsoSize) => {
        const bytes = new Uint8Array(header.length + (payload?.length ?? 0));
        bytes.set(header);
        if (payload !== null) bytes.set(payload, header.length);
        return this.toGuest(bytes, gsoSize);
      },
    };
    this.tcp = new Tcp(this.parts, limits);
  }

  input(bytes: Uint8Array): void {
    this.#packet.wrap(bytes);
    this.tcp.input(GUEST, SERVER, this.#packet, 0, bytes.length);
  }

  /** The last segment that was sent to the guest. */
  get last(): Uint8Array {
    return this.sent.at(-1)!;
  }
}

export interface Bad {
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
}

/** A line that loses, doubles and overtakes. */
export function line(time: Simulation, random: SeededRandom, bad: Bad, deliver: (bytes: Uint8Array) => void) {
  const chance = (p: number): boolean => random.u32() / 2 ** 32 < p;
  return (bytes: Uint8Array): void => {
    if (chance(bad.loss)) return;
    for (let copies = chance(bad.duplicate) ? 2 : 1; copies > 0; copies--) {
      time.at(chance(bad.reorder) ? 1 + (random.u32() % 40) : 1, () => deliver(bytes.slice()));
    }
  };
}

/** A guest's end: takes only what comes next, sends a few segments at a time, and sends all again after a while. */
export class PlainGuest {
  readonly got: number[] = [];
  hasEnd = false;
  isReset = false;
  isOpen = false;
  #seq: number;
  #una: number;
  #rcv = 0;
  #window = 0;
  #finAcked = false;
  #cancel: (() => void) | null = null;
  readonly #iss: number;
  static readonly #MSS = 700;
  static readonly #IN_FLIGHT = 4 * 700;

  /** @param data what it sends, and then its FIN */
  constructor(
    private readonly time: Simulation,
    private readonly send: (bytes: Uint8Array) => void,
    private readonly data: Uint8Array,
    iss: number,
  ) {
    this.#iss = iss;
    this.#seq = iss;
    this.#una = iss;
  }

  get isDone(): boolean {
    return this.#finAcked && this.hasEnd;
  }

  connect(): void {
    this.send(segment({ seq: this.#iss, flags: SYN, options: [2, 4, 2, 188] }));
    this.#again(() => {
      if (!this.isOpen) this.connect();
    });
  }

  receive(bytes: Uint8Array): void {
    if (this.isReset) return;
    const flags = flagsOf(bytes);
    if (this.isDone) {
      // A SYN of ours that came late began something that nobody wants.
      if (flags & SYN) this.send(segment({ seq: ackOf(bytes), flags: RST }));
      // Its last ACK was lost.
      else if (flags & FIN || payloadOf(bytes).length > 0) this.#ack();
      return;
    }
    if (flags & RST) {
      this.isReset = true;
      this.#cancel?.();
      return;
    }
    if (flags & SYN) {
      if (!this.isOpen) {
        this.isOpen = true;
        this.#rcv = (seqOf(bytes) + 1) >>> 0;
        this.#una = (this.#iss + 1) >>> 0;
        this.#seq = this.#una;
      }
      this.#window = windowOf(bytes);
      this.#ack();
      this.#push();
      return;
    }
    if (!this.isOpen) return;
    const ack = ackOf(bytes);
    if (((ack - this.#una) | 0) > 0) this.#una = ack;
    if (((this.#seq - this.#una) | 0) < 0) this.#seq = this.#una;
    this.#window = windowOf(bytes);
    if (((this.#una - this.#iss - 2 - this.data.length) | 0) >= 0) this.#finAcked = true;
    this.#take(bytes);
    this.#push();
  }

  #take(bytes: Uint8Array): void {
    const payload = payloadOf(bytes);
    const hasFin = (flagsOf(bytes) & FIN) !== 0;
    const skip = (this.#rcv - seqOf(bytes)) | 0;
    if (payload.length > 0 || hasFin) {
      if (skip >= 0 && skip < payload.length && !this.hasEnd) {
        for (const byte of payload.subarray(skip)) this.got.push(byte);
        this.#rcv = (this.#rcv + payload.length - skip) >>> 0;
      }
      const finAt = (seqOf(bytes) + payload.length) >>> 0;
      if (hasFin && finAt === this.#rcv && !this.hasEnd) {
        this.hasEnd = true;
        this.#rcv = (this.#rcv + 1) >>> 0;
      }
      this.#ack();
    }
  }

  #ack(): void {
    this.send(segment({ seq: this.#seq, ack: this.#rcv, flags: ACK, window: 20_000 }));
  }

  #push(): void {
    const total = this.data.length;
    for (;;) {
      const at = (this.#seq - this.#iss - 1) >>> 0;
      const inFlight = (this.#seq - this.#una) >>> 0;
      if (at > total) break;
      if (at === total) {
        this.send(segment({ seq: this.#seq, ack: this.#rcv, flags: ACK | FIN, window: 20_000 }));
        this.#seq = (this.#seq + 1) >>> 0;
        break;
      }
      const room = Math.min(this.#window, PlainGuest.#IN_FLIGHT) - inFlight;
      const count = Math.min(PlainGuest.#MSS, total - at, room);
      if (count <= 0) break;
      const data = this.data.subarray(at, at + count);
      this.send(segment({ seq: this.#seq, ack: this.#rcv, flags: ACK | PSH, window: 20_000, data }));
      this.#seq = (this.#seq + count) >>> 0;
    }
    this.#again(() => {
      this.#seq = this.#una;
      if (!this.#finAcked) {
        // A closed window is asked about with a byte.
        const at = (this.#una - this.#iss - 1) >>> 0;
        if (this.#window === 0 && at < total) {
          const data = this.data.subarray(at, at + 1);
          this.send(segment({ seq: this.#una, ack: this.#rcv, flags: ACK, window: 20_000, data }));
        }
        this.#push();
      }
    });
  }

  #again(work: () => void): void {
    this.#cancel?.();
    this.#cancel = this.#finAcked ? null : this.time.at(250, work);
  }
}
