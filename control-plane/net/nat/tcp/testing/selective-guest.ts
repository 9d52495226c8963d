/**
 * A guest's end for tests that knows SACK, time stamps and window scaling, and may be in a bad mood: its window opens and
 * closes, it sends its segments in any order, and it may reset. It shares nothing with the engine, and keeps all it gets.
 */
import type { SeededRandom } from "../../../../util/index.js";
import { ACK, ackOf, FIN, flagsOf, payloadOf, RST, type Simulation, SYN, segment, seqOf, view } from "./simulation.js";

const TICK_MS = 40;
const SEGMENT = 900;
const SCALE = 3;

export interface Mood {
  readonly sacks: boolean;
  readonly stamps: boolean;
  /** Its window closes now and then. */
  readonly windows: boolean;
}

export class SelectiveGuest {
  /** By number, from the first byte on. */
  readonly #bytes = new Map<number, number>();
  #inOrder = 0;
  #finAt = -1;
  #una = 0;
  #state: "new" | "open" | "reset" | "done" = "new";
  #theirIss = 0;
  #theirStamp = 0;
  #window = 0;
  #hasStamps = false;
  #cancel: (() => void) | null = null;
  /** Bytes that came twice with different contents. */
  contradictions = 0;

  constructor(
    private readonly time: Simulation,
    private readonly random: SeededRandom,
    private readonly send: (bytes: Uint8Array) => void,
    private readonly data: Uint8Array,
    private readonly iss: number,
    private readonly mood: Mood,
  ) {}

  get isReset(): boolean {
    return this.#state === "reset";
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  get hasEnd(): boolean {
    return this.#finAt >= 0 && this.#inOrder === this.#finAt;
  }

  /** What came in order. */
  get got(): number[] {
    const got: number[] = [];
    for (let at = 0; this.#bytes.has(at); at++) got.push(this.#bytes.get(at)!);
    return got;
  }

  connect(): void {
    const { sacks } = this.mood;
    const options = [2, 4, 3, 232, 1, 3, 3, SCALE, ...(sacks ? [1, 1, 4, 2] : []), ...this.#stamps()];
    this.send(segment({ seq: this.iss, flags: SYN, options }));
    this.#later();
  }

  /** Wants no more of it. */
  reset(): void {
    if (this.#state !== "open") return;
    this.#state = "reset";
    this.#cancel?.();
    this.send(this.#segment({ seq: this.#seq(this.#una), flags: RST | ACK }));
  }

  receive(bytes: Uint8Array): void {
    const flags = flagsOf(bytes);
    if (flags & RST) {
      if (this.#state === "open" || this.#state === "new") this.#state = "reset";
      this.#cancel?.();
      return;
    }
    if (this.#state === "reset") {
      if (flags & ACK) this.send(segment({ seq: ackOf(bytes), flags: RST }));
      return;
    }
    if (flags & SYN) this.#open(bytes);
    else if (this.#state !== "new") this.#take(bytes);
  }

  #open(bytes: Uint8Array): void {
    if (this.#state === "new") {
      this.#state = "open";
      this.#theirIss = seqOf(bytes);
      this.#hasStamps = this.mood.stamps;
    }
    if (seqOf(bytes) !== this.#theirIss) return;
    this.#window = view(bytes).getUint16(14);
    this.#acknowledge();
  }

  #take(bytes: Uint8Array): void {
    const payload = payloadOf(bytes);
    const at = (seqOf(bytes) - this.#theirIss - 1) | 0;
    const acked = (ackOf(bytes) - this.iss - 1) | 0;
    if (acked > this.#una) this.#una = Math.min(acked, this.data.length + 1);
    this.#window = view(bytes).getUint16(14) << SCALE_OF_ENGINE;
    if (this.#hasStamps) this.#theirStamp = view(bytes).getUint32(24);
    payload.forEach((byte, n) => {
      const known = this.#bytes.get(at + n);
      if (known !== undefined && known !== byte) this.contradictions++;
      else this.#bytes.set(at + n, byte);
    });
    while (this.#bytes.has(this.#inOrder)) this.#inOrder++;
    if (flagsOf(bytes) & FIN) this.#finAt = at + payload.length;
    if (payload.length > 0 || flagsOf(bytes) & FIN) this.#acknowledge();
    if (this.#una === this.data.length + 1 && this.hasEnd) this.#state = "done";
    if (this.#state === "done") this.#cancel?.();
  }

  /** The number of a byte that it sends. */
  #seq(at: number): number {
    return (this.iss + 1 + at) >>> 0;
  }

  #acknowledge(): void {
    this.send(this.#segment({ seq: this.#seq(this.#una), flags: ACK }));
  }

  #segment(fields: { seq: number; flags: number; data?: Uint8Array }): Uint8Array {
    const ack = (this.#theirIss + 1 + this.#inOrder + (this.hasEnd ? 1 : 0)) >>> 0;
    const isClosed = this.mood.windows && this.random.u32() % 4 === 0;
    const window = isClosed ? this.random.u32() % 40 : 2000;
    return segment({ ack, window, options: [...this.#stamps(), ...this.#sacks()], ...fields });
  }

  #stamps(): number[] {
    if (!this.mood.stamps) return [];
    const now = Math.floor(this.time.nowMs) + 1;
    return [1, 1, 8, 10, ...word(now), ...word(this.#theirStamp)];
  }

  /** Up to three ranges behind what is in order. */
  #sacks(): number[] {
    if (!this.mood.sacks) return [];
    const ranges: number[] = [];
    const far = [...this.#bytes.keys()].filter((at) => at > this.#inOrder).sort((a, b) => a - b);
    for (const [n, at] of far.entries()) {
      if (at !== far[n - 1]! + 1) ranges.push(at, at);
      ranges[ranges.length - 1] = at + 1;
    }
    const told = ranges.slice(0, 6);
    if (told.length === 0) return [];
    return [1, 1, 5, 2 + told.length * 4, ...told.flatMap((at) => word(this.#theirIss + 1 + at))];
  }

  /** Sends some of what was not acknowledged, in any order. */
  #push(): void {
    const most = Math.min(this.data.length, this.#una + Math.max(1, this.#window));
    const starts: number[] = [];
    for (let at = this.#una; at < most && starts.length < 4; at += SEGMENT) starts.push(at);
    starts.sort(() => (this.random.u32() & 1) - 0.5);
    for (const at of starts) {
      const data = this.data.subarray(at, Math.min(at + SEGMENT, most));
      this.send(this.#segment({ seq: this.#seq(at), flags: ACK, data }));
    }
    if (this.#una + 4 * SEGMENT >= this.data.length && most === this.data.length)
      this.send(this.#segment({ seq: this.#seq(this.data.length), flags: ACK | FIN }));
  }

  #later(): void {
    this.#cancel = this.time.at(TICK_MS, () => {
      if (this.#state === "new") this.connect();
      else {
        if (this.#una <= this.data.length) this.#push();
        else this.#acknowledge();
        this.#later();
      }
    });
  }
}

/** What the engine says in its SYN for the windows that these tests give it. */
const SCALE_OF_ENGINE = 0;

const word = (value: number): number[] => [
  (value >>> 24) & 255,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
