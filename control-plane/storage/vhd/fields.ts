/** Small things that footer and header share: UUIDs, times, texts in UTF-16. All numbers of the format are big-endian. */

/** Seconds from 1970 to 2000-01-01T00:00:00Z, where the format's time begins. [VHD] "Time Stamp" */
const EPOCH_SECONDS = 946_684_800;

export const toVhdTime = (milliseconds: number): number =>
  Math.max(0, Math.floor(milliseconds / 1000) - EPOCH_SECONDS) >>> 0;

export const fromVhdTime = (seconds: number): number => (seconds + EPOCH_SECONDS) * 1000;

const UUID_BYTES = 16;

/** The text of a UUID, byte by byte. */
export function readUuid(bytes: Uint8Array, at: number): string {
  const hex = [...bytes.subarray(at, at + UUID_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export function writeUuid(bytes: Uint8Array, at: number, uuid: string): void {
  const hex = uuid.replaceAll("-", "");
  for (let i = 0; i < UUID_BYTES; i++) bytes[at + i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
}

export const NO_UUID = "00000000-0000-0000-0000-000000000000";

/** A text up to its first zero character. */
export function readUtf16(bytes: Uint8Array, littleEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    const unit = view.getUint16(at, littleEndian);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

export function utf16Bytes(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), littleEndian);
  return bytes;
}

/** Four characters as they stand in a file; what is not printable as a dot. */
export function fourCharacters(code: number): string {
  return [24, 16, 8, 0]
    .map((shift) => (code >>> shift) & 0xff)
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."))
    .join("");
}
