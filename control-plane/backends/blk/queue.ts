/**
 * One ring of a disk: takes requests, carries them out on the disk, answers them as they end. Several are under way at
 * once and end in any order. Data moves between the guest's pages and the disk without a copy in between.
 */

import type { EventChannel } from "../../evtchn/index.js";
import type { BackRing } from "../../ring/index.js";
import type { Asker, Disk, Pending } from "../../storage/index.js";
import type { BackendIo } from "../backend.js";
import { NextTurn } from "../next-turn.js";
import {
  type Abi,
  BlkOp,
  BlkRequest,
  BlkStatus,
  MOST_SEGMENTS,
  RESPONSE_BYTES,
  readRequest,
  readSegments,
  SEGMENTS_PER_PAGE,
  writeResponse,
} from "./codec.js";
import { INITIAL_QUEUE, mayTake, type QueueEvent, type QueueState, step } from "./machine.js";
import { GuestPages, Mapping } from "./pages.js";
import type { BlkCounters } from "./saved.js";

/** Requests carried out before others get their turn. */
const REQUESTS_PER_TURN = 64;
/** A discard of more than this counts as several: a disk looks through the table of all of it. */
const DISCARD_SECTORS = 2 ** 21;
/** The guest is told of answers after so many bytes were moved: it goes on while we do. */
const BYTES_PER_PUBLISH = 256 * 1024;
const SECTOR_SHIFT = 9;

/** A request that is under way. */
interface Work {
  readonly request: BlkRequest;
  readonly mapping: Mapping;
}

/** What the rings of a disk share. */
export interface QueueParts {
  readonly io: BackendIo;
  readonly abi: Abi;
  readonly persistent: boolean;
  readonly counters: BlkCounters;
  /** Whether the guest was told that it may free what it no longer needs. */
  readonly discard: boolean;
  /** The disk may be another one after a change of the medium. */
  disk(): Disk;
  /** The guest, as one who reads. */
  guest(): Asker;
  /** The front end broke the ring. */
  broken(why: string): void;
}

export class BlkQueue {
  #state: QueueState = INITIAL_QUEUE;
  #channel: EventChannel | null = null;
  /** A barrier that waits for its turn. */
  #barrier: Work | null = null;
  readonly #nextTurn: NextTurn;
  #looking = false;
  readonly #idle = new Set<() => void>();
  readonly #free: Work[] = [];
  readonly #pages: GuestPages;
  readonly #slot: Uint8Array;
  readonly #slotView: DataView;
  readonly #response = new Uint8Array(RESPONSE_BYTES);
  readonly #responseView = new DataView(this.#response.buffer);

  constructor(
    private readonly parts: QueueParts,
    private readonly ring: BackRing,
  ) {
    this.#nextTurn = new NextTurn(parts.io, () => this.look());
    this.#pages = new GuestPages(parts.io, parts.persistent);
    this.#slot = new Uint8Array(parts.abi.slotBytes);
    this.#slotView = new DataView(this.#slot.buffer);
  }

  set channel(channel: EventChannel) {
    this.#channel = channel;
  }

  get inFlight(): number {
    return this.#state.inFlight;
  }

  /** Takes what is in the ring, for one turn. */
  look(): void {
    // A disk that ends a request at once may bring us back here.
    if (this.#looking) return;
    this.#looking = true;
    let budget = REQUESTS_PER_TURN;
    while (mayTake(this.#state) && budget > 0) {
      const before = budget;
      budget = this.#takeAll(budget);
      this.#publish();
      if (budget === before && !this.ring.finalCheck()) break;
    }
    this.#looking = false;
    if (budget <= 0) this.#nextTurn.ask();
  }

  pause(): Promise<void> {
    return this.#whenIdle({ kind: "pause" });
  }

  resume(): void {
    this.#step({ kind: "resume" });
  }

  /** Nothing is taken or answered from here on. Resolves when nothing is under way. */
  stop(): Promise<void> {
    this.#channel?.close();
    this.#channel = null;
    if (this.#barrier !== null && this.#state.phase === "draining") this.#barrier = null;
    const idle = this.#whenIdle({ kind: "stop" });
    return idle.then(() => this.#pages.close());
  }

  #takeAll(most: number): number {
    let budget = most;
    let moved = 0;
    while (budget > 0 && mayTake(this.#state)) {
      const taken = this.ring.takeInto(this.#slot);
      if (taken === null) {
        this.parts.broken("the request index is beyond the ring");
        return 0;
      }
      if (!taken) break;
      const { operation, segments, discardSectors } = this.#begin();
      budget -= operation === BlkOp.DISCARD ? 1 + Math.floor(discardSectors / DISCARD_SECTORS) : 1;
      moved += segments << 12;
      if (moved < BYTES_PER_PUBLISH) continue;
      this.#publish();
      moved = 0;
    }
    return budget;
  }

  /** Begins the request in the slot, and answers it. */
  #begin(): BlkRequest {
    const work = this.#free.pop() ?? { request: new BlkRequest(), mapping: new Mapping(MOST_SEGMENTS) };
    const { request } = work;
    const wrong = readRequest(this.parts.abi, this.#slotView, request) ?? this.#readIndirect(request);
    if (wrong === null && request.operation === BlkOp.WRITE_BARRIER) {
      this.#barrier = work;
      this.#step({ kind: "barrier" });
      return request;
    }
    this.#step({ kind: "began" });
    if (wrong !== null) this.#refuse(work, wrong);
    else this.#run(work, () => this.#perform(work));
    return request;
  }

  /** Fetches the segments of an indirect request, once, into our memory. */
  #readIndirect(request: BlkRequest): string | null {
    const { io } = this.parts;
    for (let page = 0; page < request.indirectPages; page++) {
      const ref = request.indirectRefs[page]!;
      const address = io.mapPage(ref, true);
      if (address < 0) {
        request.segments = 0;
        return `grant ${ref} of indirect segments cannot be mapped (${address})`;
      }
      const from = page * SEGMENTS_PER_PAGE;
      const count = Math.min(SEGMENTS_PER_PAGE, request.segments - from);
      readSegments(io.memory.view(address + 4096), address, from, count, request);
      io.unmapPage(ref, true);
    }
    return null;
  }

  /** Runs the work of a request, at once or for as long as it takes, and answers. */
  #run(work: Work, perform: () => Pending): void {
    try {
      const pending = perform();
      if (pending === undefined) this.#finish(work, BlkStatus.OKAY);
      else
        pending.then(
          () => this.#finishLater(work, null),
          (error: unknown) => this.#finishLater(work, error),
        );
    } catch (error) {
      this.#fail(work, error);
    }
  }

  #perform(work: Work): Pending {
    const { request } = work;
    const { counters } = this.parts;
    const disk = this.parts.disk();
    switch (request.operation) {
      case BlkOp.READ:
        counters.reads++;
        return this.#transfer(work, (buffers) => disk.read(request.sector, buffers, this.parts.guest()));
      case BlkOp.WRITE:
        counters.writes++;
        return this.#transfer(work, (buffers) => disk.write(request.sector, buffers));
      case BlkOp.FLUSH:
        counters.flushes++;
        return this.#writeAndFlush(work, disk);
      case BlkOp.DISCARD:
        counters.discards++;
        // Once offered it is carried out, if need be as nothing: after a refusal Linux asks never again.
        if (request.isSecure || !this.parts.discard) throw new Refusal(BlkStatus.UNSUPPORTED, "discard");
        return disk.discard(request.sector, request.discardSectors);
      default:
        throw new Refusal(BlkStatus.UNSUPPORTED, `operation ${request.operation}`);
    }
  }

  /** All before it is done: makes that durable, then its own data too. */
  async #performBarrier(work: Work): Promise<void> {
    const disk = this.parts.disk();
    this.parts.counters.barriers++;
    await disk.flush();
    await this.#writeAndFlush(work, disk);
  }

  #writeAndFlush(work: Work, disk: Disk): Pending {
    const { request } = work;
    if (request.segments === 0) return disk.flush();
    const written = this.#transfer(work, (buffers) => disk.write(request.sector, buffers));
    return written === undefined ? disk.flush() : written.then(() => disk.flush());
  }

  #transfer(work: Work, move: (buffers: Uint8Array[]) => Pending): Pending {
    const { request, mapping } = work;
    if (request.segments === 0) throw new Refusal(BlkStatus.ERROR, "no segments");
    const isRead = request.operation === BlkOp.READ;
    const wrong = this.#pages.map(request, mapping, !isRead);
    if (wrong !== null) throw new Refusal(BlkStatus.ERROR, wrong);
    this.#count(isRead, mapping.buffers);
    return this.parts.io.memory.isShared ? move(mapping.buffers) : this.#bounce(work, isRead, move);
  }

  /** Memory of one thread may move when it grows, and a disk that waits would hold what is no more. */
  #bounce({ request, mapping }: Work, isRead: boolean, move: (buffers: Uint8Array[]) => Pending): Pending {
    const copies = mapping.buffers.map((view) => (isRead ? new Uint8Array(view.length) : view.slice()));
    const pending = move(copies);
    const giveBack = (): void => {
      if (!isRead) return;
      this.#pages.unmap(request, mapping);
      const wrong = this.#pages.map(request, mapping, false);
      if (wrong !== null) throw new Refusal(BlkStatus.ERROR, wrong);
      copies.forEach((copy, index) => {
        mapping.buffers[index]!.set(copy);
      });
    };
    return pending === undefined ? giveBack() : pending.then(giveBack);
  }

  #count(isRead: boolean, buffers: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const { length } of buffers) bytes += length;
    if (isRead) this.parts.counters.readSectors += bytes >> SECTOR_SHIFT;
    else this.parts.counters.writtenSectors += bytes >> SECTOR_SHIFT;
  }

  #finishLater(work: Work, error: unknown): void {
    if (error === null) this.#finish(work, BlkStatus.OKAY);
    else this.#fail(work, error);
    this.#publish();
  }

  #fail(work: Work, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#refuse(work, message, error instanceof Refusal ? error.status : BlkStatus.ERROR);
  }

  #refuse(work: Work, why: string, status: number = BlkStatus.ERROR): void {
    this.parts.counters.errors++;
    const { operation, sector } = work.request;
    if (this.#state.phase !== "stopped") this.parts.io.log(`request ${operation} at sector ${sector}: ${why}`);
    this.#finish(work, status);
  }

  #finish(work: Work, status: number): void {
    this.#pages.unmap(work.request, work.mapping);
    if (this.#state.phase !== "stopped") {
      writeResponse(this.#responseView, work.request, status);
      this.ring.putResponse(this.#response);
    }
    this.#free.push(work);
    this.#step({ kind: "ended" });
  }

  #publish(): void {
    if (this.#state.phase !== "stopped" && this.ring.publish()) this.#channel?.notify();
  }

  #whenIdle(event: QueueEvent): Promise<void> {
    const idle = new Promise<void>((resolve) => this.#idle.add(resolve));
    this.#step(event);
    return idle;
  }

  #step(event: QueueEvent): void {
    const [next, effects] = step(this.#state, event);
    this.#state = next;
    for (const effect of effects) {
      if (effect === "look") this.#nextTurn.ask();
      else if (effect === "run-barrier") this.#runBarrier();
      else this.#announceIdle();
    }
  }

  #runBarrier(): void {
    const work = this.#barrier!;
    this.#barrier = null;
    this.#run(work, () => this.#performBarrier(work));
  }

  #announceIdle(): void {
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }
}

/** A request that cannot be carried out. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}
