/**
 * Reads the limits of the memory that a module imports from its bytes, since WebAssembly.Module does not tell them.
 * [WASM] binary format, "Import Section", "Limits"
 */
import type { MemoryLimits } from "./load.js";

const IMPORT_SECTION = 2;
const HEADER_BYTES = 8;
const EXTERNAL_FUNCTION = 0;
const EXTERNAL_TABLE = 1;
const EXTERNAL_MEMORY = 2;
const EXTERNAL_GLOBAL = 3;
const LIMITS_HAVE_MAXIMUM = 1;
const LIMITS_ARE_SHARED = 2;

class Cursor {
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
  ) {}

  get ended(): boolean {
    return this.at >= this.bytes.length;
  }

  skip(count: number): void {
    this.at += count;
  }

  u8(): number {
    return this.bytes[this.at++] ?? 0;
  }

  /** LEB128, unsigned. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) break;
    }
    return value;
  }

  limits(): MemoryLimits {
    const flags = this.u8();
    const initial = this.number();
    const maximum = flags & LIMITS_HAVE_MAXIMUM ? this.number() : 65536;
    return { initial, maximum, shared: (flags & LIMITS_ARE_SHARED) !== 0 };
  }
}

/** Null when the module imports no memory. */
export function readMemoryLimits(bytes: Uint8Array): MemoryLimits | null {
  const cursor = new Cursor(bytes, HEADER_BYTES);
  while (!cursor.ended) {
    const id = cursor.u8();
    const length = cursor.number();
    if (id === IMPORT_SECTION) return findMemory(cursor);
    cursor.skip(length);
  }
  return null;
}

function findMemory(cursor: Cursor): MemoryLimits | null {
  for (let count = cursor.number(); count > 0; count--) {
    // Module and field names.
    for (let name = 0; name < 2; name++) cursor.skip(cursor.number());
    switch (cursor.u8()) {
      case EXTERNAL_FUNCTION:
        cursor.number();
        break;
      case EXTERNAL_TABLE:
        cursor.u8();
        cursor.limits();
        break;
      case EXTERNAL_MEMORY:
        return cursor.limits();
      case EXTERNAL_GLOBAL:
        cursor.skip(2);
        break;
    }
  }
  return null;
}
