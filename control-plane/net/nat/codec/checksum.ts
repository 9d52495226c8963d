/** The Internet checksum. [RFC 1071] */

/** The folded one's complement sum of `[at, at + count)`, going on from `sum`; an odd byte counts as the high one. */
export function sumBytes(bytes: Uint8Array, at: number, count: number, sum = 0): number {
  const even = at + (count & ~1);
  let total = sum;
  for (let i = at; i < even; i += 2) total += (bytes[i]! << 8) | bytes[i + 1]!;
  if ((count & 1) !== 0) total += bytes[even]! << 8;
  return fold(total);
}

/** The sum of the pseudo header: addresses of 4 or 16 bytes, the upper layer's protocol and length. */
export function sumPseudoHeader(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  const addresses = sumBytes(destination, 0, destination.length, sumBytes(source, 0, source.length));
  return fold(addresses + protocol + (length >>> 16) + (length & 0xffff));
}

/** What goes into the field: the complement. */
export function checksumOf(sum: number): number {
  return ~sum & 0xffff;
}

function fold(total: number): number {
  let sum = total;
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum & 0xffff);
  return sum;
}
