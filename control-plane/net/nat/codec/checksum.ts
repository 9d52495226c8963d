/** The Internet checksum as IP's protocols use it. [RFC 1071] */
import { fold, sumBytes } from "../../sum.js";

/** The sum of the pseudo header: addresses of 4 or 16 bytes, the upper layer's protocol and length. */
export function sumPseudoHeader(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  const addresses = sumBytes(source, 0, source.length) + sumBytes(destination, 0, destination.length);
  return fold(addresses + protocol + (length >>> 16) + (length & 0xffff));
}

/** What goes into the field for the sum of all the rest, which may have carries: the complement. */
export function checksumOf(sum: number): number {
  return ~fold(sum) & 0xffff;
}
