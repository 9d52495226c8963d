/** Messages of ICMP and ICMPv6 other than those of neighbour discovery. [RFC 792], [RFC 4443] */
import { IpProtocol } from "../../offload/index.js";
import { IPV4_BYTES, IPV6_BYTES, putU16, putU32, u16 } from "./numbers.js";

export const Icmp = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO: 8, TIME_EXCEEDED: 11 } as const;
export const Icmpv6 = {
  UNREACHABLE: 1,
  TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
  ECHO: 128,
  ECHO_REPLY: 129,
} as const;

/** Header of every message that we make: type, code, checksum, four bytes of the message's own. */
export const ICMP_BYTES = 8;
/** An error quotes no more than keeps its packet within what every host takes: [RFC 1812] 4.3.2.3, [RFC 4443] 2.4. */
export const MOST_QUOTED_IPV4 = 576 - 20 - ICMP_BYTES;
export const MOST_QUOTED_IPV6 = 1280 - 40 - ICMP_BYTES;

/** Why a packet comes back. */
export type Reason = "host" | "port" | "protocol" | "denied" | "too-big" | "expired";

const IPV4: Readonly<Record<Reason, readonly [type: number, code: number]>> = {
  host: [Icmp.UNREACHABLE, 1],
  protocol: [Icmp.UNREACHABLE, 2],
  port: [Icmp.UNREACHABLE, 3],
  "too-big": [Icmp.UNREACHABLE, 4],
  denied: [Icmp.UNREACHABLE, 13],
  expired: [Icmp.TIME_EXCEEDED, 0],
};
const IPV6: Readonly<Record<Reason, readonly [type: number, code: number]>> = {
  denied: [Icmpv6.UNREACHABLE, 1],
  host: [Icmpv6.UNREACHABLE, 3],
  port: [Icmpv6.UNREACHABLE, 4],
  "too-big": [Icmpv6.TOO_BIG, 0],
  expired: [Icmpv6.TIME_EXCEEDED, 0],
  protocol: [Icmpv6.PARAMETER_PROBLEM, 1],
};

/**
 * An error with its checksum still 0, as much of the packet that caused it behind it as fits. `detail` is the next
 * hop's MTU of "too-big", and where the protocol is named (from IPv6's header on) of "protocol".
 */
export function icmpError(family: 4 | 6, reason: Reason, quoted: Uint8Array, detail = 0): Uint8Array {
  const [type, code] = family === 4 ? IPV4[reason] : IPV6[reason];
  const most = family === 4 ? MOST_QUOTED_IPV4 : MOST_QUOTED_IPV6;
  const message = new Uint8Array(ICMP_BYTES + Math.min(most, quoted.length));
  message[0] = type;
  message[1] = code;
  if (family === 4) putU16(message, 6, detail);
  else putU32(message, 4, detail);
  message.set(quoted.subarray(0, most), ICMP_BYTES);
  return message;
}

/** The connection that "unreachable" is about: addresses and ports of the packet that it quotes. */
export interface Quoted {
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
}

/** What an "unreachable" quotes, when that is TCP without fragments; else null. */
export function readUnreachable(family: 4 | 6, message: Uint8Array): Quoted | null {
  const isUnreachable = message[0] === (family === 4 ? Icmp.UNREACHABLE : Icmpv6.UNREACHABLE);
  const quoted = message.subarray(ICMP_BYTES);
  const at = family === 4 ? (quoted[0]! & 15) * 4 : IPV6_BYTES;
  const isThere = at >= IPV4_BYTES && at + 4 <= quoted.length;
  if (!isUnreachable || !isThere || quoted[0]! >>> 4 !== family) return null;
  if (quoted[family === 4 ? 9 : 6] !== IpProtocol.TCP) return null;
  const [addresses, length] = family === 4 ? [12, 4] : [8, 16];
  return {
    source: quoted.slice(addresses, addresses + length),
    sourcePort: u16(quoted, at),
    destination: quoted.slice(addresses + length, addresses + 2 * length),
    destinationPort: u16(quoted, at + 2),
  };
}
