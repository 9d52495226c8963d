/** How much may be in flight, and how long to wait for it. [RFC 5681], [RFC 6582], [RFC 6298] */
import { FIRST_TIMEOUT_MS, FIRST_WINDOW_SEGMENTS, LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS } from "./limits.js";
import { isBefore, plus } from "./sequence.js";

const DUPLICATES = 3;

export class Congestion {
  window: number;
  timeoutMs = FIRST_TIMEOUT_MS;
  #threshold = Number.POSITIVE_INFINITY;
  #duplicates = 0;
  /** In fast recovery until this number is acknowledged. */
  #recover: number | null = null;
  #smoothed = -1;
  #variation = 0;

  constructor(private mss: number) {
    this.window = FIRST_WINDOW_SEGMENTS * mss;
  }

  setMss(mss: number): void {
    this.mss = mss;
    this.window = FIRST_WINDOW_SEGMENTS * mss;
  }

  /** A round trip took so long. */
  measured(ms: number): void {
    if (this.#smoothed < 0) {
      this.#smoothed = ms;
      this.#variation = ms / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - ms) - this.#variation) / 4;
      this.#smoothed += (ms - this.#smoothed) / 8;
    }
    this.#setTimeout();
  }

  #setTimeout(): void {
    const wanted = this.#smoothed < 0 ? FIRST_TIMEOUT_MS : this.#smoothed + Math.max(1, 4 * this.#variation);
    this.timeoutMs = Math.min(MOST_TIMEOUT_MS, Math.max(LEAST_TIMEOUT_MS, wanted));
  }

  /** New data are acknowledged. True: what is there is to be sent again, as more of it is lost. */
  acknowledged(count: number, ack: number): boolean {
    this.#duplicates = 0;
    // The way is open again: what was waited longer for each time is not any more.
    this.#setTimeout();
    if (this.#recover !== null) {
      if (isBefore(ack, this.#recover)) return true;
      this.#recover = null;
      this.window = this.#threshold;
    } else if (this.window < this.#threshold) this.window += count;
    else this.window += Math.max(1, Math.floor((this.mss * Math.min(count, this.mss)) / this.window));
    return false;
  }

  /** An ACK that says nothing new. True when it is the one that tells of a loss. */
  duplicate(inFlight: number, next: number): boolean {
    if (this.#recover !== null) {
      this.window += this.mss;
      return false;
    }
    if (++this.#duplicates !== DUPLICATES) return false;
    this.#threshold = Math.max(Math.floor(inFlight / 2), 2 * this.mss);
    this.window = this.#threshold + DUPLICATES * this.mss;
    this.#recover = plus(next, 0);
    return true;
  }

  /** Nothing was acknowledged in time. */
  timedOut(inFlight: number): void {
    this.#threshold = Math.max(Math.floor(inFlight / 2), 2 * this.mss);
    this.window = this.mss;
    this.#recover = null;
    this.#duplicates = 0;
    this.timeoutMs = Math.min(MOST_TIMEOUT_MS, this.timeoutMs * 2);
  }
}
