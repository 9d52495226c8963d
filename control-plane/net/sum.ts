/**
 * The Internet checksum's sum: 16-bit words added with the carry brought round. Words are taken in the order that is quick;
 * the sum of swapped words is the swapped sum. [RFC 1071] 2
 */

/** Bytes that are added in one step. */
const STEP_BYTES = 16;

/** Brings the carries of a sum of 32 bits round, to 16 bits. */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

const swap = (sum: number): number => ((sum & 0xff) << 8) | (sum >>> 8);

/** A folded sum of what begins at `offset`: at an odd one its bytes are the other halves of words. */
export const aligned = (sum: number, offset: number): number => (offset & 1 ? swap(sum) : sum);

/** The folded sum of `[from, to)` as big-endian words; of 64 KiB and a bit at most. */
export function sumView(view: DataView, from: number, to: number): number {
  let total = 0;
  let at = from;
  for (; at + STEP_BYTES <= to; at += STEP_BYTES) {
    const a = view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    total +=
      (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) + (c & 0xffff) + (c >>> 16) + (d & 0xffff) + (d >>> 16);
  }
  for (; at + 1 < to; at += 2) total += view.getUint16(at, true);
  if (at < to) total += view.getUint8(at);
  return swap(fold(total));
}

/** As sumView; for bytes that have no view yet. */
export function sumBytes(bytes: Uint8Array, from: number, to: number): number {
  let total = 0;
  let at = from;
  for (; at + 7 < to; at += 8) {
    total +=
      ((bytes[at]! + bytes[at + 2]! + bytes[at + 4]! + bytes[at + 6]!) << 8) +
      bytes[at + 1]! +
      bytes[at + 3]! +
      bytes[at + 5]! +
      bytes[at + 7]!;
  }
  for (; at + 1 < to; at += 2) total += (bytes[at]! << 8) + bytes[at + 1]!;
  if (at < to) total += bytes[at]! << 8;
  return fold(total);
}
