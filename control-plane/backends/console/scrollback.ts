/** The last bytes of a stream, up to a capacity: what a person sees who attaches late. */
export class Scrollback {
  readonly #ring: Uint8Array;
  #total = 0;

  constructor(readonly capacity: number) {
    this.#ring = new Uint8Array(capacity);
  }

  /** Bytes ever added. */
  get total(): number {
    return this.#total;
  }

  add(bytes: Uint8Array): void {
    const kept = bytes.length > this.capacity ? bytes.subarray(bytes.length - this.capacity) : bytes;
    const at = (this.#total + bytes.length - kept.length) % this.capacity;
    const first = Math.min(kept.length, this.capacity - at);
    this.#ring.set(kept.subarray(0, first), at);
    this.#ring.set(kept.subarray(first), 0);
    this.#total += bytes.length;
  }

  /** What is kept, oldest first. */
  read(): Uint8Array {
    if (this.#total <= this.capacity) return this.#ring.slice(0, this.#total);
    const at = this.#total % this.capacity;
    const whole = new Uint8Array(this.capacity);
    whole.set(this.#ring.subarray(at));
    whole.set(this.#ring.subarray(0, at), this.capacity - at);
    return whole;
  }
}
