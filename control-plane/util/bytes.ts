/**
 * Little-endian bytes: a bounds-checked view for reading what others wrote, and a growing writer for what we make.
 * Reads outside the data return 0 and set nothing: ask `has()` first where that matters. "Byte strings" are JavaScript
 * strings whose characters are bytes (latin1); xenstore keeps its values so, because they may hold anything.
 */

/** Reads little-endian numbers at offsets of a byte array. 64-bit values above 2^53 lose low bits and so fail every bounds check. */
export class ByteView {
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Whether `[at, at + count)` lies inside. */
  has(at: number, count: number): boolean {
    return at >= 0 && count >= 0 && at + count <= this.bytes.length;
  }

  u8(at: number): number {
    return this.has(at, 1) ? this.#view.getUint8(at) : 0;
  }

  u16(at: number): number {
    return this.has(at, 2) ? this.#view.getUint16(at, true) : 0;
  }

  u32(at: number): number {
    return this.has(at, 4) ? this.#view.getUint32(at, true) : 0;
  }

  u64(at: number): number {
    return this.u32(at) + this.u32(at + 4) * 0x1_0000_0000;
  }

  /** A part of the data, not copied; cut at the end. */
  slice(at: number, count: number): Uint8Array {
    return this.bytes.subarray(at, at + count);
  }
}

/** Appends little-endian values to a growing array. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    return this;
  }

  append(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A byte string, padded with zeros (or cut) to `width` when one is given. */
  text(text: string, width = text.length): this {
    const at = this.#reserve(width);
    for (let i = 0; i < width; i++) this.#bytes[at + i] = i < text.length ? text.charCodeAt(i) : 0;
    return this;
  }

  zeros(count: number): this {
    this.#reserve(Math.max(0, count));
    return this;
  }

  alignTo(bytes: number): this {
    return this.zeros((bytes - (this.#length % bytes)) % bytes);
  }

  /** Overwrites a byte that was written before. */
  patchU8(at: number, value: number): this {
    if (at < this.#length) this.#bytes[at] = value;
    return this;
  }

  /** The bytes so far, as a copy. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/** Bytes of a byte string; characters above 255 are cut to their low byte. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** A byte string of some bytes; accepts shared memory, which TextDecoder refuses. */
export function byteString(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

/** UTF-8 of a text, as a byte string: how a person's words enter xenstore. */
export function utf8ByteString(text: string): string {
  return byteString(new TextEncoder().encode(text));
}

/** The text of a byte string that holds UTF-8; bytes that are none become U+FFFD. */
export function textOfByteString(text: string): string {
  return new TextDecoder().decode(bytesOf(text));
}

/** Joins arrays into one. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
