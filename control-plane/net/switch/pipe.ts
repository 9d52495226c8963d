/**
 * One direction of a bad line: delay, jitter, loss, duplication, reordering, corruption, a rate. Frames that take time
 * are copied into a bounded queue. All chance comes from `random`, drawn in the order of the frames, so that a seed
 * gives the same line again.
 */
import type { Clock, Random } from "../../util/index.js";
import type { Timer } from "../capture/index.js";
import { Headers, parseHeaders } from "../offload/index.js";
import { type FrameNotes, Packet } from "../packet.js";
import { corrupt } from "./corrupt.js";
import { Drop } from "./counters.js";

/** Probabilities are from 0 to 1. */
export interface Impairment {
  readonly delayMs?: number;
  /** The delay is up to this much longer or shorter; the order stays. */
  readonly jitterMs?: number;
  readonly loss?: number;
  readonly duplicate?: number;
  /** Of a frame not to be delayed, and so to overtake those that are. */
  readonly reorder?: number;
  /** Of one bit to be wrong. A large segment is lost instead: its receiver would refuse all of it. */
  readonly corrupt?: number;
  readonly rateBytesPerSecond?: number;
  /** Most frames in the queue. */
  readonly limit?: number;
}

export interface ImpairmentStats {
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupted: number;
  readonly queued: number;
}

export interface PipeParts {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  /** Passes a frame on. False: it stays first in the queue until `resume`. */
  readonly deliver: (packet: Packet) => boolean;
  /** Some frames were delivered by a timer. */
  readonly settle: () => void;
  readonly drop: (reason: Drop) => void;
}

interface Held extends FrameNotes {
  readonly bytes: Uint8Array;
  readonly due: number;
}

const NOTHING: Impairment = {};
const MS = 1e6;
const LIMIT = 1000;
const MOST_BYTES = 16 * 1024 * 1024;
const CHANCES = 2 ** 32;
/** Hosts take a longer timer for none at all: its time has 32 bits with a sign. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Pipe {
  #lost = 0;
  #duplicated = 0;
  #reordered = 0;
  #corrupted = 0;
  #config: Impairment = NOTHING;
  readonly #queue: Held[] = [];
  #queuedBytes = 0;
  /** When the last frame that keeps the order is due, and when the line has sent it. */
  #lastDue = 0;
  #free = 0;
  #isBlocked = false;
  #isPumping = false;
  #cancel: (() => void) | null = null;
  readonly #packet = new Packet(null);
  readonly #headers = new Headers();

  constructor(private readonly parts: PipeParts) {}

  /** From the next frame on. What is in the queue is delivered as it was going to be. Null: the line is good again. */
  set(config: Impairment | null): void {
    this.#config = config ?? NOTHING;
  }

  /** Whether it changes nothing any more, and can go. */
  get isOver(): boolean {
    return this.#config === NOTHING && this.#queue.length === 0 && !this.#isPumping;
  }

  get stats(): ImpairmentStats {
    return {
      lost: this.#lost,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      corrupted: this.#corrupted,
      queued: this.#queue.length,
    };
  }

  put(packet: Packet): void {
    const { loss, duplicate, corrupt: corruption } = this.#config;
    if (this.#happens(loss)) {
      this.#lost++;
      this.parts.drop(Drop.LOSS);
      return;
    }
    const isDouble = this.#happens(duplicate);
    const isCorrupt = this.#happens(corruption);
    this.#enter(packet, isCorrupt);
    if (isDouble) {
      this.#duplicated++;
      this.#enter(packet, false);
    }
  }

  /** There is room again behind the pipe. */
  resume(): void {
    this.#isBlocked = false;
    this.#pump();
  }

  /** Forgets the queue. */
  close(): void {
    for (const _ of this.#queue) this.parts.drop(Drop.DOWN);
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#lastDue = 0;
    this.#free = 0;
    this.#isBlocked = false;
    this.#cancel?.();
    this.#cancel = null;
  }

  #happens(probability: number | undefined): boolean {
    return probability !== undefined && probability > 0 && this.parts.random.u32() < probability * CHANCES;
  }

  #enter(packet: Packet, isCorrupt: boolean): void {
    const now = this.parts.clock.now();
    const [lastDue, free] = [this.#lastDue, this.#free];
    const due = this.#due(packet.length, now);
    const isDirect = due <= now && !isCorrupt && this.#queue.length === 0 && !this.#isPumping && !this.#isBlocked;
    if (isDirect) {
      if (this.parts.deliver(packet)) return;
      this.#isBlocked = true;
    }
    if (this.#queue.length >= (this.#config.limit ?? LIMIT) || this.#queuedBytes + packet.length > MOST_BYTES) {
      // The line never has it to send.
      this.#lastDue = lastDue;
      this.#free = free;
      this.parts.drop(Drop.QUEUE);
      return;
    }
    const bytes = new Uint8Array(packet.length);
    packet.copyTo(bytes, 0, 0, packet.length);
    if (isCorrupt && !this.#damage(packet, bytes)) return;
    this.#hold({
      bytes,
      due,
      // What was vouched for before is not so any more.
      partialChecksum: packet.partialChecksum && !isCorrupt,
      dataValidated: packet.dataValidated && !isCorrupt,
      gsoSize: packet.gsoSize,
      gsoType: packet.gsoType,
      payer: packet.payer,
    });
  }

  #damage(packet: Packet, bytes: Uint8Array): boolean {
    this.#corrupted++;
    parseHeaders(packet, this.#headers);
    if (corrupt(packet, this.#headers, bytes, this.parts.random)) return true;
    this.parts.drop(Drop.LOSS);
    return false;
  }

  /** When a frame that enters now comes out. */
  #due(bytes: number, now: number): number {
    const { delayMs = 0, jitterMs = 0, reorder, rateBytesPerSecond = 0 } = this.#config;
    let sent = now;
    if (rateBytesPerSecond > 0) {
      this.#free = Math.max(this.#free, now) + (bytes / rateBytesPerSecond) * 1e9;
      sent = this.#free;
    }
    const jitter = jitterMs > 0 ? ((this.parts.random.u32() / CHANCES) * 2 - 1) * jitterMs : 0;
    const due = Math.max(this.#lastDue, now, sent + (delayMs + jitter) * MS);
    if (this.#happens(reorder) && due > now) {
      this.#reordered++;
      return sent;
    }
    this.#lastDue = due;
    return due;
  }

  #hold(held: Held): void {
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.due > held.due) at--;
    this.#queue.splice(at, 0, held);
    this.#queuedBytes += held.bytes.length;
    if (at === 0) this.#arm();
  }

  /** Sets the timer for the first of the queue. */
  #arm(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#queue.length === 0 || this.#isBlocked || this.#isPumping) return;
    const ms = Math.max(0, Math.ceil((this.#queue[0]!.due - this.parts.clock.now()) / MS));
    this.#cancel = this.parts.timer(Math.min(ms, LONGEST_TIMER_MS), () => {
      this.#cancel = null;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const now = this.parts.clock.now();
    let count = 0;
    while (!this.#isBlocked && this.#queue.length > 0 && this.#queue[0]!.due <= now) {
      const held = this.#queue.shift()!;
      this.#queuedBytes -= held.bytes.length;
      if (this.#deliver(held)) {
        count++;
      } else {
        this.#queue.unshift(held);
        this.#queuedBytes += held.bytes.length;
        this.#isBlocked = true;
      }
    }
    this.#isPumping = false;
    this.#arm();
    if (count > 0) this.parts.settle();
  }

  #deliver(held: Held): boolean {
    this.#packet.wrapLike(held.bytes, held);
    return this.parts.deliver(this.#packet);
  }
}
