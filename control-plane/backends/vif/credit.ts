/** A limit to what a guest sends, in windows: bytes that are not used in one may be in the next, up to a burst. */
import type { Clock } from "../../util/index.js";

const WINDOW_NS = 50e6;
const WINDOWS_PER_SECOND = 1e9 / WINDOW_NS;
const NS_PER_MS = 1e6;
/** The largest frame and then some: with less it would never go out. */
const LEAST_BURST_BYTES = 128 * 1024;

export interface CreditParts {
  readonly clock: Clock;
  readonly timer: (ms: number, work: () => void) => () => void;
  /** There is credit again after `take` had to say no. */
  readonly ready: () => void;
}

export class Credit {
  #bytesPerWindow = Number.POSITIVE_INFINITY;
  #burst = Number.POSITIVE_INFINITY;
  #left = Number.POSITIVE_INFINITY;
  #windowStart = 0;
  #cancel: (() => void) | null = null;

  /** `bytesPerSecond` is null for no limit. */
  constructor(
    bytesPerSecond: number | null,
    private readonly parts: CreditParts,
  ) {
    this.limit(bytesPerSecond);
  }

  /** Another limit from now on; who waits for credit tries again. */
  limit(bytesPerSecond: number | null): void {
    this.#bytesPerWindow = (bytesPerSecond ?? Number.POSITIVE_INFINITY) / WINDOWS_PER_SECOND;
    this.#burst = Math.max(this.#bytesPerWindow, LEAST_BURST_BYTES);
    this.#left = this.#bytesPerWindow;
    this.#windowStart = this.parts.clock.now();
    if (this.#cancel === null) return;
    this.stop();
    this.parts.ready();
  }

  /** Takes so many bytes from what may be sent; false when there are too few, and `ready` will be called. */
  take(bytes: number): boolean {
    if (bytes > this.#left) {
      this.#refill();
      if (bytes > this.#left) {
        this.#wait();
        return false;
      }
    }
    this.#left -= bytes;
    return true;
  }

  /** What was taken was not sent. */
  giveBack(bytes: number): void {
    this.#left += bytes;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #refill(): void {
    const windows = Math.floor((this.parts.clock.now() - this.#windowStart) / WINDOW_NS);
    if (windows <= 0) return;
    this.#windowStart += windows * WINDOW_NS;
    this.#left = Math.min(this.#left + windows * this.#bytesPerWindow, this.#burst);
  }

  #wait(): void {
    if (this.#cancel !== null) return;
    const ns = this.#windowStart + WINDOW_NS - this.parts.clock.now();
    this.#cancel = this.parts.timer(Math.ceil(ns / NS_PER_MS), () => {
      this.#cancel = null;
      this.parts.ready();
    });
  }
}
