/** The header of IPv6 and the extension headers. [RFC 8200] 3 and 4 */
import { IpProtocol } from "../../offload/index.js";
import { IPV6_BYTES, putU16, u16, u32 } from "./numbers.js";

/** More of them than any sender has use for. */
const MOST_EXTENSIONS = 8;
export const FRAGMENT_HEADER_BYTES = 8;

/** Read anew for each packet. */
export class Ipv6Header {
  /** Where the header begins, where the upper layer begins, and where the packet ends. */
  at = 0;
  payload = 0;
  end = 0;
  hopLimit = 0;
  /** The upper layer's, or that of the first part of what is fragmented. */
  protocol = 0;
  isFragment = false;
  moreFragments = false;
  fragmentOffset = 0;
  identification = 0;
  readonly source = new Uint8Array(16);
  readonly destination = new Uint8Array(16);

  /** Reads the headers at `at`, of which the bytes below `known` are there; the frame ends at `end`. False: not good. */
  read(bytes: Uint8Array, at: number, known: number, end: number): boolean {
    if (at + IPV6_BYTES > known || bytes[at]! >>> 4 !== 6) return false;
    this.at = at;
    this.end = at + IPV6_BYTES + u16(bytes, at + 4);
    if (this.end > end) return false;
    this.hopLimit = bytes[at + 7]!;
    for (let i = 0; i < 16; i++) {
      this.source[i] = bytes[at + 8 + i]!;
      this.destination[i] = bytes[at + 24 + i]!;
    }
    this.isFragment = false;
    this.moreFragments = false;
    this.fragmentOffset = 0;
    return this.#readExtensions(bytes, Math.min(known, this.end));
  }

  #readExtensions(bytes: Uint8Array, known: number): boolean {
    let at = this.at + IPV6_BYTES;
    let next = bytes[this.at + 6]!;
    for (let count = 0; count < MOST_EXTENSIONS; count++) {
      const isFirst = at === this.at + IPV6_BYTES;
      if (next !== IpProtocol.FRAGMENT && !isExtension(next)) {
        this.protocol = next;
        this.payload = at;
        return at <= this.end;
      }
      if (at + 8 > known || (next === IpProtocol.HOP_BY_HOP && !isFirst)) return false;
      if (next === IpProtocol.FRAGMENT) return this.#readFragment(bytes, at);
      if (next === IpProtocol.ROUTING && bytes[at + 3] !== 0) return false;
      next = bytes[at]!;
      at += 8 * (bytes[at + 1]! + 1);
    }
    return false;
  }

  #readFragment(bytes: Uint8Array, at: number): boolean {
    const field = u16(bytes, at + 2);
    this.isFragment = true;
    this.fragmentOffset = field & 0xfff8;
    this.moreFragments = (field & 1) !== 0;
    this.identification = u32(bytes, at + 4);
    this.protocol = bytes[at]!;
    this.payload = at + FRAGMENT_HEADER_BYTES;
    return true;
  }
}

function isExtension(next: number): boolean {
  return next === IpProtocol.HOP_BY_HOP || next === IpProtocol.ROUTING || next === IpProtocol.DESTINATION;
}

/** A header without extensions in front of `payloadBytes`. */
export function writeIpv6(
  target: Uint8Array,
  at: number,
  fields: { readonly source: Uint8Array; readonly destination: Uint8Array; readonly protocol: number },
  payloadBytes: number,
  hopLimit = 64,
): void {
  target[at] = 0x60;
  target.fill(0, at + 1, at + 4);
  putU16(target, at + 4, payloadBytes);
  target[at + 6] = fields.protocol;
  target[at + 7] = hopLimit;
  target.set(fields.source, at + 8);
  target.set(fields.destination, at + 24);
}
