/**
 * A ring of bytes in a shared page, as the xenstore and console pages have two of each: free-running 32-bit indices,
 * masked with the size. The other end is a guest: its index is read once per step and checked, never trusted again.
 * [XEN] io/xs_wire.h, io/console.h
 */
import type { MachineMemory } from "../core-link/index.js";

export interface ByteRingLayout {
  readonly data: number;
  readonly size: number;
  readonly cons: number;
  readonly prod: number;
}

export class ByteRing {
  constructor(
    private readonly memory: MachineMemory,
    private readonly page: number,
    private readonly layout: ByteRingLayout,
  ) {}

  /** Bytes in the ring; null when the indices contradict each other. */
  used(): number | null {
    const count = (this.#index(this.layout.prod) - this.#index(this.layout.cons)) >>> 0;
    return count <= this.layout.size ? count : null;
  }

  /** Takes up to `max` bytes out; null when the ring is broken. */
  read(max: number): Uint8Array | null {
    const used = this.used();
    if (used === null) return null;
    const cons = this.#index(this.layout.cons);
    const bytes = new Uint8Array(Math.min(used, max));
    this.#chunks(cons, bytes.length, (address, at, count) => {
      bytes.set(this.memory.bytes(address, count), at);
    });
    if (bytes.length > 0) this.#setIndex(this.layout.cons, cons + bytes.length);
    return bytes;
  }

  /** Puts in as many of `bytes` as there is room for and says how many; null when the ring is broken. */
  write(bytes: Uint8Array): number | null {
    const used = this.used();
    if (used === null) return null;
    const prod = this.#index(this.layout.prod);
    const count = Math.min(bytes.length, this.layout.size - used);
    this.#chunks(prod, count, (address, at, part) => {
      this.memory.write(address, bytes.subarray(at, at + part));
    });
    if (count > 0) this.#setIndex(this.layout.prod, prod + count);
    return count;
  }

  reset(): void {
    this.#setIndex(this.layout.cons, 0);
    this.#setIndex(this.layout.prod, 0);
  }

  #index(offset: number): number {
    return this.memory.load32(this.page + offset);
  }

  #setIndex(offset: number, value: number): void {
    this.memory.store32(this.page + offset, value);
  }

  /** Calls `visit` for the one or two runs that `count` bytes from index `from` occupy. */
  #chunks(from: number, count: number, visit: (address: number, at: number, count: number) => void): void {
    const { data, size } = this.layout;
    for (let at = 0; at < count; ) {
      const start = ((from + at) >>> 0) % size;
      const part = Math.min(count - at, size - start);
      visit(this.page + data + start, at, part);
      at += part;
    }
  }
}
