/**
 * The two streams of messages between us and a guest, which owns the memory: a control page with the indices of both, and
 * pages of payload for either. Indices count bytes and run free; a message is a multiple of 8 bytes long and lies in one
 * piece, after padding where need be, though its pages lie apart.
 *
 *   0        4        8            12            64
 *   | prod   | cons   | prod_event | cons_event  | the same for what we write
 *
 * The guest is hostile: a size or an index that cannot be breaks the ring.
 */
import { type MachineMemory, PAGE_BYTES, PAGE_SHIFT } from "../../core-link/index.js";
import { HEADER_BYTES, Message, occupied, writeHeader } from "./codec.js";

const PROD = 0;
const CONS = 4;
const PROD_EVENT = 8;
const CONS_EVENT = 12;
/** Where the indices of what we write lie. */
const OUT = 64;

export interface RingPlaces {
  readonly memory: MachineMemory;
  /** Machine addresses: of the control page, of what the guest writes, of what we write. */
  readonly control: number;
  readonly inPages: readonly number[];
  readonly outPages: readonly number[];
}

/** Whether an event index lies in what an index has moved over. */
const passes = (event: number, old: number, next: number): boolean => (next - event) >>> 0 < (next - old) >>> 0;

export class MessageRing {
  /** Of the message that `peek` has found. */
  type = 0;
  readonly inBytes: number;
  readonly outBytes: number;
  #inCons = 0;
  /** What the guest knows of #inCons. */
  #inShown = 0;
  #inProd = 0;
  #size = 0;
  #outProd = 0;
  #outShown = 0;
  readonly #scratch = new Uint8Array(HEADER_BYTES);
  readonly #scratchView = new DataView(this.#scratch.buffer);

  constructor(private readonly places: RingPlaces) {
    this.inBytes = places.inPages.length * PAGE_BYTES;
    this.outBytes = places.outPages.length * PAGE_BYTES;
  }

  /** Goes on where the pages say that an earlier back end stopped. False when they cannot be right. */
  attach(): boolean {
    this.#inCons = this.#inShown = this.#inProd = this.#load(CONS);
    this.#outProd = this.#outShown = this.#load(OUT + PROD);
    const waiting = (this.#load(PROD) - this.#inCons) >>> 0;
    const sent = (this.#outProd - this.#load(OUT + CONS)) >>> 0;
    return (this.#inCons | this.#outProd) % 8 === 0 && waiting <= this.inBytes && sent <= this.outBytes;
  }

  // --- what comes in

  /** Size of the next message, whose type is in `type`; 0 when there is none, -1 when the ring is broken. */
  peek(): number {
    if (this.#inProd === this.#inCons) this.#inProd = this.#load(PROD);
    const waiting = (this.#inProd - this.#inCons) >>> 0;
    if (waiting === 0) return 0;
    if (waiting > this.inBytes) return -1;
    const left = this.inBytes - (this.#inCons & (this.inBytes - 1));
    if (waiting < HEADER_BYTES) return -1;
    const word = this.places.memory.load32(this.#inPlace(0));
    this.type = word & 0xff;
    this.#size = word >>> 16;
    return this.#size < HEADER_BYTES || occupied(this.#size) > Math.min(waiting, left) ? -1 : this.#size;
  }

  /** Copies bytes of the message out, from `from` on. */
  copyOut(into: Uint8Array, from: number, count: number): void {
    for (let done = 0; done < count; ) {
      const part = Math.min(count - done, this.inRun(from + done));
      into.set(this.places.memory.bytes(this.#inPlace(from + done), part), done);
      done += part;
    }
  }

  /** Machine address of a byte of the message, and how many follow it in the same page. */
  inAddress(from: number): number {
    return this.#inPlace(from);
  }

  inRun(from: number): number {
    return PAGE_BYTES - ((this.#inCons + from) & (PAGE_BYTES - 1));
  }

  /** The message is done with. */
  consume(): void {
    this.#inCons = (this.#inCons + occupied(this.#size)) >>> 0;
  }

  /** Tells the guest what was consumed. True when it wants to be notified. */
  showConsumed(): boolean {
    const old = this.#inShown;
    if (old === this.#inCons) return false;
    this.#inShown = this.#inCons;
    this.#store(CONS, this.#inCons);
    return passes(this.#load(CONS_EVENT), old, this.#inCons);
  }

  /** Asks to be notified of the next message. True when one came in meanwhile. */
  sleep(): boolean {
    this.#store(PROD_EVENT, this.#inCons + 1);
    return this.#load(PROD) !== this.#inCons;
  }

  // --- what goes out

  /** Bytes that may be written; negative when the guest's index cannot be. */
  get free(): number {
    return this.outBytes - ((this.#outProd - this.#load(OUT + CONS)) >>> 0);
  }

  /** Makes room for a message and says whether there is, with `spare` bytes more; null when the ring is broken. */
  reserve(size: number, spare: number): boolean | null {
    const { free } = this;
    if (free < 0) return null;
    const left = this.outBytes - (this.#outProd & (this.outBytes - 1));
    const padding = occupied(size) > left ? left : 0;
    if (free < occupied(size) + padding + spare) return false;
    if (padding > 0) {
      writeHeader(this.#scratchView, Message.PAD, padding);
      this.write(this.#scratch, 0);
      this.commit(padding);
    }
    return true;
  }

  /** Writes bytes of the message that room was made for. */
  write(bytes: Uint8Array, to: number): void {
    for (let done = 0; done < bytes.length; ) {
      const part = Math.min(bytes.length - done, this.outRun(to + done));
      this.places.memory.write(this.outAddress(to + done), bytes.subarray(done, done + part));
      done += part;
    }
  }

  outAddress(to: number): number {
    const at = (this.#outProd + to) & (this.outBytes - 1);
    return this.places.outPages[at >>> PAGE_SHIFT]! + (at & (PAGE_BYTES - 1));
  }

  outRun(to: number): number {
    return PAGE_BYTES - ((this.#outProd + to) & (PAGE_BYTES - 1));
  }

  /** The message is whole. */
  commit(size: number): void {
    this.#outProd = (this.#outProd + occupied(size)) >>> 0;
  }

  /** Shows the guest what was committed. True when it wants to be notified. */
  show(): boolean {
    const old = this.#outShown;
    if (old === this.#outProd) return false;
    this.#outShown = this.#outProd;
    this.#store(OUT + PROD, this.#outProd);
    return passes(this.#load(OUT + PROD_EVENT), old, this.#outProd);
  }

  /** Asks to be notified when the guest consumes something. There may be room by then: the caller looks again. */
  wantRoom(): void {
    this.#store(OUT + CONS_EVENT, this.#load(OUT + CONS) + 1);
  }

  #inPlace(from: number): number {
    const at = (this.#inCons + from) & (this.inBytes - 1);
    return this.places.inPages[at >>> PAGE_SHIFT]! + (at & (PAGE_BYTES - 1));
  }

  #load(offset: number): number {
    return this.places.memory.load32(this.places.control + offset);
  }

  #store(offset: number, value: number): void {
    this.places.memory.store32(this.places.control + offset, value);
  }
}
