/**
 * The shared ring of PV devices: one page (or several) with four indices and slots that requests and responses share.
 * Back and Front are its two ends; each says whether the other side asked to be notified. [XEN] io/ring.h
 *
 *   0         4          8         12         64
 *   | req_prod | req_event | rsp_prod | rsp_event | pad | slots ...
 *
 * The other end is hostile: an index that claims more than the ring holds breaks the ring, and slots are copied out
 * before they are looked at, because they may change at any time.
 */
import { type MachineMemory, PAGE_BYTES } from "../core-link/index.js";

const REQ_PROD_OFFSET = 0;
const REQ_EVENT_OFFSET = 4;
const RSP_PROD_OFFSET = 8;
const RSP_EVENT_OFFSET = 12;
const SLOTS_OFFSET = 64;

export interface SharedRingGeometry {
  readonly memory: MachineMemory;
  /** Machine address. */
  readonly address: number;
  readonly bytes: number;
  /** Machine addresses of the pages of a ring of several, the first being `address`: they lie apart. */
  readonly pages?: readonly number[];
  /** Size of the larger of request and response. */
  readonly slotBytes: number;
}

/** Slots that fit, rounded down to a power of two. */
export function slotCount(bytes: number, slotBytes: number): number {
  const fit = Math.floor((bytes - SLOTS_OFFSET) / slotBytes);
  return fit < 1 ? 0 : 2 ** Math.floor(Math.log2(fit));
}

/** Whether the consumer's event index lies in what was produced from `old` to `next`. */
const passes = (event: number, old: number, next: number): boolean => (next - event) >>> 0 < (next - old) >>> 0;

class End {
  readonly slots: number;

  constructor(protected readonly geometry: SharedRingGeometry) {
    this.slots = slotCount(geometry.bytes, geometry.slotBytes);
  }

  protected load(offset: number): number {
    return this.geometry.memory.load32(this.geometry.address + offset);
  }

  protected store(offset: number, value: number): void {
    this.geometry.memory.store32(this.geometry.address + offset, value);
  }

  protected readSlot(index: number, into: Uint8Array): void {
    const { memory, address, slotBytes } = this.geometry;
    const at = SLOTS_OFFSET + ((index >>> 0) % this.slots) * slotBytes;
    if (!this.#isSplit(at, slotBytes)) {
      memory.read(this.#place(at) ?? address + at, into, slotBytes);
      return;
    }
    const first = PAGE_BYTES - (at % PAGE_BYTES);
    into.set(memory.bytes(this.#place(at)!, first));
    into.set(memory.bytes(this.#place(at + first)!, slotBytes - first), first);
  }

  protected writeSlot(index: number, bytes: Uint8Array): void {
    const { memory, address, slotBytes } = this.geometry;
    const at = SLOTS_OFFSET + ((index >>> 0) % this.slots) * slotBytes;
    if (!this.#isSplit(at, bytes.length)) {
      memory.write(this.#place(at) ?? address + at, bytes);
      return;
    }
    const first = PAGE_BYTES - (at % PAGE_BYTES);
    memory.write(this.#place(at)!, bytes.subarray(0, first));
    memory.write(this.#place(at + first)!, bytes.subarray(first));
  }

  /** Whether so many bytes from there on lie in two pages. */
  #isSplit(at: number, length: number): boolean {
    return this.geometry.pages !== undefined && (at % PAGE_BYTES) + length > PAGE_BYTES;
  }

  /** Machine address of a byte of the ring; undefined when the ring lies in one piece. */
  #place(at: number): number | undefined {
    const page = this.geometry.pages?.[Math.floor(at / PAGE_BYTES)];
    return page === undefined ? undefined : page + (at % PAGE_BYTES);
  }
}

/** A back end's end: takes requests, gives responses. */
export class BackRing extends End {
  #reqCons = 0;
  #rspProd = 0;
  /** What the guest has been told of #rspProd. */
  #published = 0;

  /**
   * A copy of the next request; undefined when there is none, null when the guest's index is impossible. At most as many
   * as the ring has slots are ever outstanding.
   */
  takeRequest(): Uint8Array | undefined | null {
    const request = new Uint8Array(this.geometry.slotBytes);
    const taken = this.takeInto(request);
    return taken ? request : taken === null ? null : undefined;
  }

  /** As takeRequest, into the caller's buffer of a slot's size: true when there was one. */
  takeInto(request: Uint8Array): boolean | null {
    const waiting = (this.load(REQ_PROD_OFFSET) - this.#reqCons) >>> 0;
    const outstanding = (this.#reqCons - this.#rspProd) >>> 0;
    if (waiting > this.slots) return null;
    if (waiting === 0 || outstanding >= this.slots) return false;
    this.readSlot(this.#reqCons, request);
    this.#reqCons = (this.#reqCons + 1) >>> 0;
    return true;
  }

  /** Requests that may be taken now; -1 when the guest's index is impossible. */
  waiting(): number {
    const waiting = (this.load(REQ_PROD_OFFSET) - this.#reqCons) >>> 0;
    if (waiting > this.slots) return -1;
    return Math.min(waiting, this.slots - ((this.#reqCons - this.#rspProd) >>> 0));
  }

  /** Takes the next request of which `waiting` told, into the caller's buffer of a slot's size. */
  take(request: Uint8Array): void {
    this.readSlot(this.#reqCons, request);
    this.#reqCons = (this.#reqCons + 1) >>> 0;
  }

  /** Puts so many requests back that were taken last and have no response. */
  untake(count: number): void {
    this.#reqCons = (this.#reqCons - count) >>> 0;
  }

  /**
   * Goes on where an earlier back end stopped, which left nothing unanswered: at the responses that the page tells of.
   * False when the page cannot be right.
   */
  attach(): boolean {
    this.#rspProd = this.load(RSP_PROD_OFFSET);
    this.#reqCons = this.#rspProd;
    this.#published = this.#rspProd;
    return (this.load(REQ_PROD_OFFSET) - this.#rspProd) >>> 0 <= this.slots;
  }

  /** Asks to be notified of the next request. True when one came in meanwhile: take again instead of sleeping. */
  finalCheck(): boolean {
    this.store(REQ_EVENT_OFFSET, this.#reqCons + 1);
    return this.load(REQ_PROD_OFFSET) !== this.#reqCons;
  }

  /** Asks to be notified when `count` requests are waiting. True when they are there already. */
  wakeAt(count: number): boolean {
    this.store(REQ_EVENT_OFFSET, this.#reqCons + count);
    return this.waiting() >= count;
  }

  /** Writes responses and makes them visible. True when the guest wants to be notified. */
  pushResponses(responses: readonly Uint8Array[]): boolean {
    for (const response of responses) this.putResponse(response.subarray(0, this.geometry.slotBytes));
    return this.publish();
  }

  /** Writes a response that is not visible yet. */
  putResponse(response: Uint8Array): void {
    this.writeSlot(this.#rspProd, response);
    this.#rspProd = (this.#rspProd + 1) >>> 0;
  }

  /** Makes what was put visible. True when the guest wants to be notified. */
  publish(): boolean {
    const old = this.#published;
    if (old === this.#rspProd) return false;
    this.#published = this.#rspProd;
    this.store(RSP_PROD_OFFSET, this.#rspProd);
    return passes(this.load(RSP_EVENT_OFFSET), old, this.#rspProd);
  }
}

/** A front end's end: what a guest does; Domain0 has one only in tests. */
export class FrontRing extends End {
  #reqProd = 0;
  #rspCons = 0;

  /** Empties the page, as the side that allocates it does. */
  initialise(): void {
    this.store(REQ_PROD_OFFSET, 0);
    this.store(RSP_PROD_OFFSET, 0);
    this.store(REQ_EVENT_OFFSET, 1);
    this.store(RSP_EVENT_OFFSET, 1);
  }

  get free(): number {
    return this.slots - ((this.#reqProd - this.#rspCons) >>> 0);
  }

  /** Writes requests and makes them visible. True when the back end wants to be notified. The caller checks `free`. */
  pushRequests(requests: readonly Uint8Array[]): boolean {
    const old = this.#reqProd;
    for (const request of requests) {
      this.writeSlot(this.#reqProd, request);
      this.#reqProd = (this.#reqProd + 1) >>> 0;
    }
    this.store(REQ_PROD_OFFSET, this.#reqProd);
    return passes(this.load(REQ_EVENT_OFFSET), old, this.#reqProd);
  }

  takeResponse(): Uint8Array | undefined {
    if (this.load(RSP_PROD_OFFSET) === this.#rspCons) return undefined;
    const response = new Uint8Array(this.geometry.slotBytes);
    this.readSlot(this.#rspCons, response);
    this.#rspCons = (this.#rspCons + 1) >>> 0;
    return response;
  }

  /** Asks to be notified of the next response. True when one came in meanwhile. */
  finalCheck(): boolean {
    this.store(RSP_EVENT_OFFSET, this.#rspCons + 1);
    return this.load(RSP_PROD_OFFSET) !== this.#rspCons;
  }
}
