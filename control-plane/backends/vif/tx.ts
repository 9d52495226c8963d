/**
 * What a guest sends over one queue: frames are taken out of the ring, sent on from the guest's own pages, and answered
 * when they have been. One that is refused stays in the ring until there is room for it.
 */
import type { EventChannel } from "../../evtchn/index.js";
import { GsoType, Headers, isSegmentable, Packet, parseHeaders, pseudoSum, type Wire } from "../../net/index.js";
import type { BackRing } from "../../ring/index.js";
import type { BackendIo } from "../backend.js";
import { NextTurn } from "../next-turn.js";
import { Chain, FATAL_PIECES } from "./chain.js";
import { NetifStatus, TX_RESPONSE_BYTES, TxFlag, writeTxResponse } from "./codec.js";
import type { Credit } from "./credit.js";
import type { Groups } from "./groups.js";
import { INITIAL_TX, mayTake, stepTx, type TxEvent, type TxState } from "./machine.js";
import type { QueueCounters } from "./saved.js";

/** Frames that are sent before others get their turn. */
const FRAMES_PER_TURN = 64;

export interface TxParts {
  readonly io: BackendIo;
  readonly ring: BackRing;
  readonly counters: QueueCounters;
  readonly groups: Groups;
  /** What all queues may send together. */
  readonly credit: Credit;
  readonly wire: () => Wire;
  /** The front end broke the ring. */
  readonly broken: (why: string) => void;
}

export class TxQueue {
  channel: EventChannel | null = null;
  #state: TxState = INITIAL_TX;
  #looking = false;
  readonly #nextTurn: NextTurn;
  /** How often the wire said that there is room. */
  #resumes = 0;
  readonly #chain = new Chain();
  readonly #packet: Packet;
  readonly #headers = new Headers();
  /** Addresses of the pages that are mapped for the chain; -1 for a piece without bytes. */
  readonly #pages = new Float64Array(FATAL_PIECES);
  readonly #response = new Uint8Array(TX_RESPONSE_BYTES);
  readonly #responseView = new DataView(this.#response.buffer);

  constructor(private readonly parts: TxParts) {
    this.#nextTurn = new NextTurn(parts.io, () => this.look());
    this.#packet = new Packet(parts.io.memory);
  }

  /** Sends what is in the ring, for one turn. */
  look(): void {
    if (this.#looking || !mayTake(this.#state)) return;
    this.#looking = true;
    let budget = FRAMES_PER_TURN;
    while (budget > 0 && mayTake(this.#state)) {
      const left = this.#sendAll(budget);
      if (left < budget) this.#endBatch();
      else if (this.#nextTurn.isDue || !mayTake(this.#state) || !this.parts.ring.finalCheck()) break;
      budget = left;
    }
    this.#looking = false;
    if (budget === 0) this.#nextTurn.ask();
  }

  /** The wire has room again. */
  resumed(): void {
    this.#resumes++;
    this.#step("resumed");
  }

  credited(): void {
    this.#step("credited");
  }

  pause(): void {
    this.#step("pause");
  }

  resume(): void {
    this.#step("resume");
  }

  /** Nothing is taken or answered from here on. */
  stop(): void {
    this.#step("stop");
    this.channel?.close();
    this.channel = null;
  }

  /** Sends up to `most` frames; answers how many more it could have been. */
  #sendAll(most: number): number {
    const { ring } = this.parts;
    let budget = most;
    let waiting = ring.waiting();
    while (budget > 0 && waiting > 0 && mayTake(this.#state)) {
      if (!this.#next(waiting)) return budget;
      budget--;
      waiting -= this.#chain.taken;
      // Whether there is more is asked when all that was seen is done.
      if (waiting === 0) waiting = ring.waiting();
    }
    if (waiting < 0) this.#broken("the request index is beyond the ring");
    return budget;
  }

  /** Carries out the next chain of requests. False when it has to wait, or was the last there will be. */
  #next(waiting: number): boolean {
    const chain = this.#chain;
    switch (chain.take(this.parts.ring, waiting)) {
      case "frame":
        return this.#send();
      case "groups":
        this.#changeGroups();
        return true;
      case "refused":
        this.#refuse(chain.why);
        return true;
      case "broken":
        this.#broken(chain.why);
        return false;
    }
  }

  #send(): boolean {
    const { io, ring, counters, credit } = this.parts;
    const chain = this.#chain;
    if (!credit.take(chain.size)) {
      counters.txLimited++;
      ring.untake(chain.taken);
      this.#step("spent");
      return false;
    }
    const wrong = this.#map() ?? this.#describe();
    const resumes = this.#resumes;
    const sent = wrong === null && this.parts.wire().send(this.#packet);
    for (let i = 0; i < chain.pieces; i++) if (this.#pages[i]! >= 0) io.unmapPage(chain.refs[i]!, true);
    // Whoever got the frame may have had the device closed.
    if (this.#state.stopped) return false;
    if (wrong !== null) {
      this.#refuse(wrong);
    } else if (sent) {
      counters.txFrames++;
      counters.txBytes += chain.size;
      if (this.#packet.gsoSize > 0) counters.txLarge++;
      this.#answer(NetifStatus.OKAY);
    } else {
      counters.txHeld++;
      credit.giveBack(chain.size);
      ring.untake(chain.taken);
      this.#step("refused");
      // It may have said so while it was being asked.
      if (resumes !== this.#resumes) this.#step("resumed");
      return false;
    }
    return true;
  }

  /** Maps the chain's pages into the packet. What is wrong, or null. */
  #map(): string | null {
    const { io } = this.parts;
    const { pieces, refs, offsets, sizes } = this.#chain;
    const packet = this.#packet;
    this.#pages.fill(-1);
    packet.begin();
    for (let i = 0; i < pieces; i++) {
      if (sizes[i] === 0) continue;
      const page = io.mapPage(refs[i]!, true);
      if (page < 0) return `grant ${refs[i]} cannot be mapped (${page})`;
      this.#pages[i] = page;
      packet.add(page + offsets[i]!, sizes[i]!);
    }
    packet.seal();
    return null;
  }

  /** Says what the chain's flags and extras do. What is wrong, or null. */
  #describe(): string | null {
    const { flags, gsoSize, gsoType } = this.#chain;
    const packet = this.#packet;
    packet.partialChecksum = (flags & TxFlag.CSUM_BLANK) !== 0;
    packet.dataValidated = (flags & (TxFlag.CSUM_BLANK | TxFlag.DATA_VALIDATED)) !== 0;
    if (!packet.partialChecksum && gsoSize === 0) return null;
    packet.gsoSize = gsoSize;
    packet.gsoType = gsoType;
    const headers = this.#headers;
    parseHeaders(packet, headers);
    if (headers.l4 === 0) return "a partial checksum in what is neither TCP nor UDP";
    if (gsoSize === 0) return null;
    if (!isSegmentable(packet, headers)) return `segments of type ${gsoType} in something else`;
    const payload = headers.end - headers.payload;
    if (!packet.partialChecksum) {
      // Segments have checksums of their own: front ends that forget the flag mean it, as Linux's back end knows.
      packet.partialChecksum = true;
      packet.dataValidated = true;
      packet.headerView.setUint16(headers.checksum, pseudoSum(packet, headers, payload));
    }
    if (payload <= gsoSize) {
      packet.gsoSize = 0;
      packet.gsoType = GsoType.NONE;
    }
    return null;
  }

  #changeGroups(): void {
    const { groups } = this.parts;
    const { joins, leaves } = this.#chain;
    const done = joins < 0 || groups.add(joins);
    if (leaves >= 0) groups.remove(leaves);
    if (!done) this.parts.counters.txErrors++;
    this.#answer(done ? NetifStatus.OKAY : NetifStatus.ERROR);
  }

  #refuse(why: string): void {
    this.parts.counters.txErrors++;
    this.parts.io.log(`frame refused: ${why}`);
    this.#answer(NetifStatus.ERROR);
  }

  #broken(why: string): void {
    this.#step("stop");
    this.parts.broken(why);
  }

  #answer(status: number): void {
    const { pieces, extras, ids } = this.#chain;
    this.#put(ids[0]!, status);
    for (let i = 0; i < extras; i++) this.#put(0, NetifStatus.NULL);
    for (let i = 1; i < pieces; i++) this.#put(ids[i]!, status);
  }

  #put(id: number, status: number): void {
    writeTxResponse(this.#responseView, id, status);
    this.parts.ring.putResponse(this.#response);
  }

  #endBatch(): void {
    this.parts.wire().settle();
    if (!this.#state.stopped && this.parts.ring.publish()) this.channel?.notify();
  }

  #step(event: TxEvent): void {
    const [next, effects] = stepTx(this.#state, event);
    this.#state = next;
    if (effects.length === 0) return;
    if (this.#looking) this.#nextTurn.ask();
    else this.look();
  }
}
