/**
 * The requests that make up one frame of the guest's: the first, extra information, and the further pieces. They are read
 * once, and checked as Linux's back end does. [XEN] io/netif.h "Guest transmit"
 */
import { PAGE_BYTES } from "../../core-link/index.js";
import { ETHERNET_BYTES, GsoType } from "../../net/index.js";
import type { BackRing } from "../../ring/index.js";
import { Extra, ExtraType, readExtra, readTxRequest, TX_SLOT_BYTES, TxFlag, TxRequest } from "./codec.js";

/** Pieces of one frame: what Linux's back end has always taken, the first and 18 others. */
const MOST_PIECES = 19;
/** Pieces from which on a guest is taken for malicious; with fewer, but too many, the frame alone is lost. */
export const FATAL_PIECES = 21;

/**
 * frame: to be sent. groups: it has only said which groups it wants. refused: an error is the answer. broken: the front end
 * does not keep to the protocol.
 */
export type Verdict = "frame" | "groups" | "refused" | "broken";

export class Chain {
  /** Pieces that there are, and slots of extra information. */
  pieces = 0;
  extras = 0;
  readonly refs = new Uint32Array(FATAL_PIECES);
  readonly offsets = new Uint16Array(FATAL_PIECES);
  readonly sizes = new Uint16Array(FATAL_PIECES);
  readonly ids = new Uint16Array(FATAL_PIECES);
  /** Bytes of the frame, and the flags of its first piece. */
  size = 0;
  flags = 0;
  gsoSize = 0;
  gsoType: GsoType = GsoType.NONE;
  /** The group to be joined or left, or -1. */
  joins = -1;
  leaves = -1;
  /** What is wrong. */
  why = "";
  readonly #slot = new Uint8Array(TX_SLOT_BYTES);
  readonly #view = new DataView(this.#slot.buffer);
  readonly #request = new TxRequest();
  readonly #extra = new Extra();

  /** Slots that were taken out of the ring. */
  get taken(): number {
    return this.pieces + this.extras;
  }

  /** Takes the next frame out of a ring in which so many requests are waiting, at least one. */
  take(ring: BackRing, waiting: number): Verdict {
    this.pieces = 0;
    this.extras = 0;
    this.gsoSize = 0;
    this.gsoType = GsoType.NONE;
    this.joins = -1;
    this.leaves = -1;
    this.#takePiece(ring);
    this.size = this.sizes[0]!;
    this.flags = this.#request.flags;
    if ((this.flags & TxFlag.EXTRA_INFO) !== 0 && !this.#takeExtras(ring, waiting)) return "broken";
    if (this.joins >= 0 || this.leaves >= 0) return "groups";
    return this.#takeRest(ring, waiting);
  }

  #takePiece(ring: BackRing): void {
    ring.take(this.#slot);
    readTxRequest(this.#view, this.#request);
    const at = this.pieces++;
    this.refs[at] = this.#request.ref;
    this.offsets[at] = this.#request.offset;
    this.sizes[at] = this.#request.size;
    this.ids[at] = this.#request.id;
  }

  #takeExtras(ring: BackRing, waiting: number): boolean {
    const extra = this.#extra;
    do {
      if (this.taken >= waiting) return this.#isBroken("extra information is missing");
      ring.take(this.#slot);
      readExtra(this.#view, extra);
      this.extras++;
      if (!this.#keepExtra(extra)) return false;
    } while (extra.more);
    return true;
  }

  #keepExtra({ type, gsoSize, gsoType, address }: Extra): boolean {
    switch (type) {
      case ExtraType.GSO:
        if (gsoSize === 0) return this.#isBroken("segments of no size");
        if (gsoType !== GsoType.TCPV4 && gsoType !== GsoType.TCPV6)
          return this.#isBroken(`segments of type ${gsoType}`);
        this.gsoSize = gsoSize;
        this.gsoType = gsoType;
        return true;
      case ExtraType.MCAST_ADD:
        this.joins = address;
        return true;
      case ExtraType.MCAST_DEL:
        this.leaves = address;
        return true;
      // What it has hashed says nothing to us, which trust no guest with others' queues.
      case ExtraType.HASH:
      case ExtraType.XDP:
        return true;
      default:
        return this.#isBroken(`extra information of type ${type}`);
    }
  }

  #takeRest(ring: BackRing, waiting: number): Verdict {
    let rest = this.size;
    let more = (this.flags & TxFlag.MORE_DATA) !== 0;
    while (more) {
      if (this.taken >= waiting) return this.#broken("a frame without an end");
      if (this.pieces === FATAL_PIECES) return this.#broken(`a frame of more than ${FATAL_PIECES} pieces`);
      this.#takePiece(ring);
      const { offset, size, flags } = this.#request;
      if (offset + size > PAGE_BYTES) return this.#broken(`${size} bytes from ${offset} on go beyond a page`);
      rest -= size;
      more = (flags & TxFlag.MORE_DATA) !== 0;
    }
    if (this.pieces > MOST_PIECES) return this.#refused(`a frame of ${this.pieces} pieces`);
    this.sizes[0] = rest;
    if (rest < ETHERNET_BYTES) return this.#refused(`a frame that begins with ${rest} bytes`);
    if (this.offsets[0]! + rest > PAGE_BYTES) {
      return this.#broken(`${rest} bytes from ${this.offsets[0]} on go beyond a page`);
    }
    return "frame";
  }

  #isBroken(why: string): false {
    this.why = why;
    return false;
  }

  #broken(why: string): Verdict {
    this.why = why;
    return "broken";
  }

  #refused(why: string): Verdict {
    this.why = why;
    return "refused";
  }
}
