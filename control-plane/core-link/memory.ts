/**
 * The machine's memory as Domain0 reads and writes it. The core may grow it from any thread, after which older views no
 * longer reach its end, or reach nothing when it is not shared: every access checks and renews them, and nobody keeps
 * one. Single words that a guest or a pCPU may change meanwhile go through atomics.
 */
import { isShared } from "../../wasm-core/abi/shared.js";

/** What we need of a WebAssembly.Memory; tests put a plain buffer behind it. */
export interface MemorySource {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

export const PAGE_BYTES = 4096;
export const PAGE_SHIFT = 12;
/** What is copied byte by byte sooner than through a view. */
const FEW_BYTES = 32;

export class MachineMemory {
  #bytes: Uint8Array;
  #words: Int32Array;
  #view: DataView;

  constructor(private readonly source: MemorySource) {
    this.#bytes = new Uint8Array(source.buffer);
    this.#words = new Int32Array(source.buffer);
    this.#view = new DataView(source.buffer);
  }

  /** A view of `[address, address + length)`; not copied, so others may be changing it. */
  bytes(address: number, length: number): Uint8Array {
    this.#reach(address + length);
    return this.#bytes.subarray(address, address + length);
  }

  /** A copy of `[address, address + length)`. */
  copy(address: number, length: number): Uint8Array {
    this.#reach(address + length);
    return this.#bytes.slice(address, address + length);
  }

  /** Copies into `target` from its start, without a view in between when there is little. */
  read(address: number, target: Uint8Array, length: number): void {
    this.#reach(address + length);
    if (length > FEW_BYTES) target.set(this.#bytes.subarray(address, address + length));
    else for (let i = 0; i < length; i++) target[i] = this.#bytes[address + i]!;
  }

  /** Copies a short run into `target` at `at`, a word at a time: no object is made. */
  fetch(address: number, target: DataView, at: number, length: number): void {
    this.#reach(address + length);
    const whole = length & ~3;
    for (let i = 0; i < whole; i += 4) target.setInt32(at + i, this.#view.getInt32(address + i));
    for (let i = whole; i < length; i++) target.setUint8(at + i, this.#bytes[address + i]!);
  }

  /** The reverse of `fetch`. */
  put(address: number, source: DataView, at: number, length: number): void {
    this.#reach(address + length);
    const whole = length & ~3;
    for (let i = 0; i < whole; i += 4) this.#view.setInt32(address + i, source.getInt32(at + i));
    for (let i = whole; i < length; i++) this.#bytes[address + i] = source.getUint8(at + i);
  }

  /** Copies within the memory, once. */
  move(to: number, from: number, length: number): void {
    this.#reach(Math.max(to, from) + length);
    this.#bytes.copyWithin(to, from, from + length);
  }

  write(address: number, bytes: Uint8Array): void {
    this.#reach(address + bytes.length);
    this.#bytes.set(bytes, address);
  }

  fill(address: number, length: number, value: number): void {
    this.#reach(address + length);
    this.#bytes.fill(value, address, address + length);
  }

  /** Atomic 32-bit load, unsigned. The address is a multiple of four. */
  load32(address: number): number {
    this.#reach(address + 4);
    return Atomics.load(this.#words, address >>> 2) >>> 0;
  }

  store32(address: number, value: number): void {
    this.#reach(address + 4);
    Atomics.store(this.#words, address >>> 2, value | 0);
  }

  /** Adds to a word and wakes whoever waits on it. */
  ring(address: number): void {
    this.#reach(address + 4);
    Atomics.add(this.#words, address >>> 2, 1);
    Atomics.notify(this.#words, address >>> 2);
  }

  /** The word array and index for Atomics.wait and its kin. */
  wordAt(address: number): { readonly words: Int32Array; readonly index: number } {
    this.#reach(address + 4);
    return { words: this.#words, index: address >>> 2 };
  }

  u8(address: number): number {
    this.#reach(address + 1);
    return this.#bytes[address]!;
  }

  /** For plain fields of any scalar type. */
  view(end: number): DataView {
    this.#reach(end);
    return this.#view;
  }

  /** False when one thread has the machine to itself. */
  get isShared(): boolean {
    return isShared(this.source);
  }

  get byteLength(): number {
    this.#renew();
    return this.#bytes.length;
  }

  #reach(end: number): void {
    if (end > this.#bytes.length) this.#renew();
  }

  #renew(): void {
    // Growing by nothing makes this thread see what others have grown; one thread sees it anyway.
    if (this.isShared) this.source.grow(0);
    const { buffer } = this.source;
    if (buffer.byteLength === this.#bytes.length) return;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#view = new DataView(buffer);
  }
}
