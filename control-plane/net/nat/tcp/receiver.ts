/** What a guest sends on one connection: in order, once, and no more than the world has room for. [RFC 9293] 3.10.7.4 */
import type { Packet } from "../../packet.js";
import { Flag, type Segment } from "./header.js";
import { WINDOW_SCALE } from "./limits.js";
import { Reassembly } from "./reassembly.js";
import { distance, isBefore, plus } from "./sequence.js";

const MOST_UNSCALED = 0xffff;

export interface ReceiverParts {
  /** Bytes that may wait and be on their way, at the moment. */
  window(): number;
  /** Hands bytes on; false: the world takes no more for now. */
  deliver(bytes: Uint8Array): boolean;
  /** Bytes that are kept have changed by so many. */
  held(bytes: number): void;
}

export class Receiver {
  /** The number that is expected next. */
  next = 0;
  /** Its FIN has been taken. */
  isEnded = false;
  /** The guest knows of our scale. */
  isScaled = false;
  /** Bytes that were taken and not acknowledged. */
  unacknowledged = 0;
  /** Behind the last number that the guest may send. It never moves back. */
  #edge = 0;
  /** Where its FIN is, when it came before what goes before it. */
  #finSeq: number | null = null;
  #isFull = false;
  readonly #kept = new Reassembly();

  constructor(private readonly parts: ReceiverParts) {}

  get keptBytes(): number {
    return this.#kept.bytes;
  }

  get hasHoles(): boolean {
    return !this.#kept.isEmpty;
  }

  get isClosed(): boolean {
    return distance(this.#edge, this.next) === 0;
  }

  /** What came out of order, as SACK tells it. */
  get ranges(): [number, number][] {
    return this.#kept.ranges();
  }

  begin({ seq, scale }: Segment): void {
    this.next = plus(seq, 1);
    this.isScaled = scale >= 0;
    this.#edge = plus(this.next, Math.min(this.parts.window(), MOST_UNSCALED));
  }

  /** Whether nothing of a segment lies in the window. */
  isOutside(segment: Segment): boolean {
    const room = distance(this.#edge, this.next);
    const begin = distance(segment.seq, this.next);
    const { span } = segment;
    if (span === 0) return room === 0 ? begin !== 0 : begin < 0 || begin >= room;
    const end = begin + span - 1;
    return room === 0 || ((begin < 0 || begin >= room) && (end < 0 || end >= room));
  }

  /**
   * Takes what is new of a segment's data. True: the guest is to hear of it at once, as something is missing, or was until
   * now. [RFC 5681] 4.2
   */
  take(segment: Segment, packet: Packet): boolean {
    const skip = Math.max(0, distance(this.next, segment.seq));
    const end = Math.min(segment.length, distance(this.#edge, segment.seq));
    if (end <= skip) return false;
    const bytes = new Uint8Array(end - skip);
    packet.copyTo(bytes, 0, segment.at + skip, bytes.length);
    const seq = plus(segment.seq, skip);
    if (seq !== this.next) {
      this.#keep(seq, bytes);
      return true;
    }
    const hadHoles = this.hasHoles;
    this.#deliver(bytes);
    for (let more = this.#takeKept(); more !== null; more = this.#takeKept()) this.#deliver(more);
    return hadHoles;
  }

  /** Takes note of a FIN. True when it is its turn now, once. */
  takeFin(segment: Segment): boolean {
    if (segment.has(Flag.FIN)) this.#finSeq ??= plus(segment.seq, segment.length);
    if (this.isEnded || this.#finSeq !== this.next) return false;
    this.isEnded = true;
    this.next = plus(this.next, 1);
    if (isBefore(this.#edge, this.next)) this.#edge = this.next;
    return true;
  }

  /** The world takes more again. Answers by how much the window can grow. */
  drained(): number {
    this.#isFull = false;
    return this.#free() - distance(this.#edge, this.next);
  }

  /** Moves the window's end as far as there is room; the window as it is told, in a SYN or another segment. */
  advertise(isSyn: boolean): number {
    const scale = isSyn || !this.isScaled ? 0 : WINDOW_SCALE;
    const room = Math.min(MOST_UNSCALED << scale, this.#free());
    const wanted = plus(this.next, (room >>> scale) << scale);
    if (isBefore(this.#edge, wanted)) this.#edge = wanted;
    return Math.min(MOST_UNSCALED, distance(this.#edge, this.next) >>> scale);
  }

  clear(): void {
    this.parts.held(-this.#kept.bytes);
    this.#kept.clear();
  }

  #free(): number {
    if (this.#isFull || this.isEnded) return 0;
    return Math.max(0, this.parts.window() - this.#kept.bytes);
  }

  #deliver(bytes: Uint8Array): void {
    this.next = plus(this.next, bytes.length);
    this.unacknowledged += bytes.length;
    if (!this.parts.deliver(bytes)) this.#isFull = true;
  }

  #keep(seq: number, bytes: Uint8Array): void {
    const before = this.#kept.bytes;
    this.#kept.add(seq, bytes);
    this.parts.held(this.#kept.bytes - before);
  }

  #takeKept(): Uint8Array | null {
    if (this.#kept.isEmpty) return null;
    const before = this.#kept.bytes;
    const bytes = this.#kept.take(this.next);
    this.parts.held(this.#kept.bytes - before);
    return bytes;
  }
}
