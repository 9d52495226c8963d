/** The header of IPv4. [RFC 791] 3.1 */
import { sumBytes } from "../../sum.js";
import { checksumOf } from "./checksum.js";
import { IPV4_BYTES, putU16, u16 } from "./numbers.js";

const MORE_FRAGMENTS = 0x2000;
const DONT_FRAGMENT = 0x4000;
const OFFSET_MASK = 0x1fff;
/** Units of the fragment offset. */
const OFFSET_UNIT = 8;

/** Read anew for each packet. */
export class Ipv4Header {
  /** Where the header begins, where its payload begins and ends. */
  at = 0;
  payload = 0;
  end = 0;
  identification = 0;
  dontFragment = false;
  moreFragments = false;
  /** Of this fragment in the datagram's payload, in bytes. */
  fragmentOffset = 0;
  timeToLive = 0;
  protocol = 0;
  readonly source = new Uint8Array(4);
  readonly destination = new Uint8Array(4);

  get isFragment(): boolean {
    return this.moreFragments || this.fragmentOffset !== 0;
  }

  /** Reads the header at `at`, of which `known` bytes are there; the frame ends at `end`. False: no good header. Options are skipped. */
  read(bytes: Uint8Array, at: number, known: number, end: number): boolean {
    if (at + IPV4_BYTES > known || bytes[at]! >>> 4 !== 4) return false;
    const headerBytes = (bytes[at]! & 15) * 4;
    const total = u16(bytes, at + 2);
    if (headerBytes < IPV4_BYTES || at + headerBytes > known || total < headerBytes || at + total > end) return false;
    if (sumBytes(bytes, at, at + headerBytes) !== 0xffff) return false;
    this.at = at;
    this.payload = at + headerBytes;
    this.end = at + total;
    this.identification = u16(bytes, at + 4);
    const fragment = u16(bytes, at + 6);
    this.dontFragment = (fragment & DONT_FRAGMENT) !== 0;
    this.moreFragments = (fragment & MORE_FRAGMENTS) !== 0;
    this.fragmentOffset = (fragment & OFFSET_MASK) * OFFSET_UNIT;
    this.timeToLive = bytes[at + 8]!;
    this.protocol = bytes[at + 9]!;
    for (let i = 0; i < 4; i++) {
      this.source[i] = bytes[at + 12 + i]!;
      this.destination[i] = bytes[at + 16 + i]!;
    }
    return true;
  }

  /** Is now of the whole that was put together, with a plain header at `at`; addresses and the rest stay. */
  adopt(at: number, end: number): void {
    this.at = at;
    this.payload = at + IPV4_BYTES;
    this.end = end;
    this.dontFragment = false;
    this.moreFragments = false;
    this.fragmentOffset = 0;
  }
}

export interface Ipv4Fields {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
}

/** A header without options in front of `payloadBytes`. `fragmentOffset` in bytes; an identification of 0 goes with "don't fragment". */
export function writeIpv4(
  target: Uint8Array,
  at: number,
  fields: Ipv4Fields,
  payloadBytes: number,
  identification = 0,
  fragmentOffset = 0,
  moreFragments = false,
): void {
  target[at] = 0x45;
  target[at + 1] = 0;
  putU16(target, at + 2, IPV4_BYTES + payloadBytes);
  putU16(target, at + 4, identification);
  const flags = identification === 0 ? DONT_FRAGMENT : moreFragments ? MORE_FRAGMENTS : 0;
  putU16(target, at + 6, flags | (fragmentOffset / OFFSET_UNIT));
  target[at + 8] = 64;
  target[at + 9] = fields.protocol;
  putU16(target, at + 10, 0);
  target.set(fields.source, at + 12);
  target.set(fields.destination, at + 16);
  putU16(target, at + 10, checksumOf(sumBytes(target, at, at + IPV4_BYTES)));
}
