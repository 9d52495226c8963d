/**
 * A limit to what a guest sends, in windows: what may go in one is the rate times its length, and bytes that are not used
 * may be later, up to a burst. [XEN] xl-network-configuration(5), rate
 */
import type { Clock } from "../../util/index.js";

/** Of a rate that names none. [XEN] libxlu_vif.c */
export const DEFAULT_RATE_WINDOW_US = 50_000;
const US_PER_SECOND = 1e6;
const NS_PER_US = 1e3;
const NS_PER_MS = 1e6;
/** The largest frame and then some: with less it would never go out. Linux's own back end has the same. */
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
  #windowNs = DEFAULT_RATE_WINDOW_US * NS_PER_US;
  #windowStart = 0;
  #cancel: (() => void) | null = null;

  constructor(private readonly parts: CreditParts) {}

  /** Another limit from now on, null is none; who waits for credit tries again. */
  limit(bytesPerSecond: number | null, windowUs = DEFAULT_RATE_WINDOW_US): void {
    this.#windowNs = windowUs * NS_PER_US;
    this.#bytesPerWindow = ((bytesPerSecond ?? Number.POSITIVE_INFINITY) * windowUs) / US_PER_SECOND;
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
    const windows = Math.floor((this.parts.clock.now() - this.#windowStart) / this.#windowNs);
    if (windows <= 0) return;
    this.#windowStart += windows * this.#windowNs;
    this.#left = Math.min(this.#left + windows * this.#bytesPerWindow, this.#burst);
  }

  #wait(): void {
    if (this.#cancel !== null) return;
    const ns = this.#windowStart + this.#windowNs - this.parts.clock.now();
    this.#cancel = this.parts.timer(Math.ceil(ns / NS_PER_MS), () => {
      this.#cancel = null;
      this.parts.ready();
    });
  }
}
