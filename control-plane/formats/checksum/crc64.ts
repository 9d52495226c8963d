// CRC-64 (ECMA-182, reflected polynomial 0xc96c5795d7870f42), as xz uses it.
//
// JavaScript has no fast 64-bit integer, so the register and the tables are kept as two 32-bit halves; slicing by eight.

const POLYNOMIAL_LOW = 0xd7870f42 | 0;
const POLYNOMIAL_HIGH = 0xc96c5795 | 0;

const LOW = new Int32Array(8 * 256);
const HIGH = new Int32Array(8 * 256);
fillTables();

function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const carry = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (carry) {
        low ^= POLYNOMIAL_LOW;
        high ^= POLYNOMIAL_HIGH;
      }
    }
    LOW[byte] = low;
    HIGH[byte] = high;
  }
  for (let i = 256; i < LOW.length; i++) {
    const low = LOW[i - 256]!;
    const high = HIGH[i - 256]!;
    LOW[i] = ((low >>> 8) | (high << 24)) ^ LOW[low & 255]!;
    HIGH[i] = (high >>> 8) ^ HIGH[low & 255]!;
  }
}

/** CRC-64 of `bytes` as [low half, high half], both unsigned. */
export function crc64(bytes: Uint8Array): [low: number, high: number] {
  const tl = LOW;
  const th = HIGH;
  let low = -1;
  let high = -1;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const a = low ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    const b = high ^ (bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24));
    const i0 = 1792 + (a & 255);
    const i1 = 1536 + ((a >>> 8) & 255);
    const i2 = 1280 + ((a >>> 16) & 255);
    const i3 = 1024 + (a >>> 24);
    const i4 = 768 + (b & 255);
    const i5 = 512 + ((b >>> 8) & 255);
    const i6 = 256 + ((b >>> 16) & 255);
    const i7 = b >>> 24;
    low = tl[i0]! ^ tl[i1]! ^ tl[i2]! ^ tl[i3]! ^ tl[i4]! ^ tl[i5]! ^ tl[i6]! ^ tl[i7]!;
    high = th[i0]! ^ th[i1]! ^ th[i2]! ^ th[i3]! ^ th[i4]! ^ th[i5]! ^ th[i6]! ^ th[i7]!;
  }
  for (; i < bytes.length; i++) {
    const index = (low ^ bytes[i]!) & 255;
    low = ((low >>> 8) | (high << 24)) ^ tl[index]!;
    high = (high >>> 8) ^ th[index]!;
  }
  return [~low >>> 0, ~high >>> 0];
}
