// Text fields inside binary formats.

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The bytes as Latin-1: what a fixed ASCII field holds, without surprises for other bytes. */
export function readAscii(bytes: Uint8Array, off: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(off, off + length));
}

/** A UTF-8 field that ends at its first NUL or at its full length. */
export function readCString(bytes: Uint8Array, off: number, length: number): string {
  const field = bytes.subarray(off, off + length);
  const nul = field.indexOf(0);
  return decoder.decode(nul < 0 ? field : field.subarray(0, nul));
}

/** UTF-8 bytes to a string; malformed sequences become U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A string to UTF-8 bytes. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}
