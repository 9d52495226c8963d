/** Neighbour discovery and router advertisements of IPv6. [RFC 4861], [RFC 8106] (DNS options) */

import { encodeName } from "./names.js";
import { holds, putU16, putU32 } from "./numbers.js";

export const Ndp = {
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  SOLICITATION: 135,
  ADVERTISEMENT: 136,
} as const;
const Option = { SOURCE_LINK: 1, TARGET_LINK: 2, PREFIX: 3, MTU: 5, RDNSS: 25, DNSSL: 31 } as const;
const OPTION_UNIT = 8;
/** Flags of an advertisement of a neighbour: a router, asked for, to replace what was known. */
export const NeighbourFlag = { ROUTER: 0x80, SOLICITED: 0x40, OVERRIDE: 0x20 } as const;
/** There is more by DHCPv6, but no addresses. */
const OTHER_CONFIGURATION = 0x40;
const ON_LINK_AND_AUTONOMOUS = 0xc0;
const PREFERRED_SECONDS = 14_400;
const VALID_SECONDS = 86_400;
export const ROUTER_LIFETIME_SECONDS = 1800;

export interface NeighbourMessage {
  readonly target: Uint8Array;
  /** The link-layer address of the sender (in a solicitation) or the target (in an advertisement). */
  readonly mac: Uint8Array | null;
}

/** A solicitation or an advertisement, type and all; null when it is malformed. */
export function readNeighbour(message: Uint8Array): NeighbourMessage | null {
  if (message.length < 24 || message[1] !== 0) return null;
  const target = message.slice(8, 24);
  if (target[0] === 0xff) return null;
  const wanted = message[0] === Ndp.SOLICITATION ? Option.SOURCE_LINK : Option.TARGET_LINK;
  const mac = findMac(message, 24, wanted);
  return mac === undefined ? null : { target, mac };
}

/** The source's MAC in a router solicitation, null without one; undefined when the message is malformed. */
export function readRouterSolicitation(message: Uint8Array): Uint8Array | null | undefined {
  return message.length < 8 || message[1] !== 0 ? undefined : findMac(message, 8, Option.SOURCE_LINK);
}

/** The MAC in the option `wanted`; undefined when the options are malformed. */
function findMac(message: Uint8Array, from: number, wanted: number): Uint8Array | null | undefined {
  let mac: Uint8Array | null = null;
  for (let at = from; at < message.length; ) {
    const length = (message[at + 1] ?? 0) * OPTION_UNIT;
    if (length === 0 || at + length > message.length) return undefined;
    if (message[at] === wanted && length === OPTION_UNIT) mac = message.slice(at + 2, at + 8);
    at += length;
  }
  return mac;
}

/** An advertisement of `target` at `mac`; the checksum is still 0. */
export function neighbourAdvertisement(target: Uint8Array, mac: Uint8Array, flags: number): Uint8Array {
  const message = new Uint8Array(32);
  message[0] = Ndp.ADVERTISEMENT;
  message[4] = flags;
  message.set(target, 8);
  putLink(message, 24, Option.TARGET_LINK, mac);
  return message;
}

/** Asks for the MAC of `target`; the checksum is still 0. */
export function neighbourSolicitation(target: Uint8Array, mac: Uint8Array): Uint8Array {
  const message = new Uint8Array(32);
  message[0] = Ndp.SOLICITATION;
  message.set(target, 8);
  putLink(message, 24, Option.SOURCE_LINK, mac);
  return message;
}

export interface RouterAdvertisement {
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly prefix: Uint8Array;
  readonly prefixBits: number;
  readonly dns: Uint8Array;
  readonly searchDomains: readonly string[];
  /** 0: no longer a router. */
  readonly lifetimeSeconds: number;
}

/** The checksum is still 0. */
export function routerAdvertisement(ra: RouterAdvertisement): Uint8Array {
  const domains = searchList(ra.searchDomains);
  const message = new Uint8Array(16 + 8 + 8 + 32 + 24 + domains.length);
  message[0] = Ndp.ROUTER_ADVERTISEMENT;
  message[4] = 64;
  message[5] = OTHER_CONFIGURATION;
  putU16(message, 6, ra.lifetimeSeconds);
  putLink(message, 16, Option.SOURCE_LINK, ra.mac);
  putHead(message, 24, Option.MTU, 8);
  putU32(message, 28, ra.mtu);
  putHead(message, 32, Option.PREFIX, 32);
  message[34] = ra.prefixBits;
  message[35] = ON_LINK_AND_AUTONOMOUS;
  putU32(message, 36, VALID_SECONDS);
  putU32(message, 40, PREFERRED_SECONDS);
  message.set(ra.prefix, 48);
  putHead(message, 64, Option.RDNSS, 24);
  putU32(message, 68, ra.lifetimeSeconds);
  message.set(ra.dns, 72);
  if (domains.length > 0) {
    message.set(domains, 88);
    putU32(message, 92, ra.lifetimeSeconds);
  }
  return message;
}

/** The whole DNSSL option with its lifetime 0; empty without domains. */
function searchList(domains: readonly string[]): Uint8Array {
  const names = domains.map(encodeName).filter((name) => name !== null);
  const bytes = names.reduce((sum, name) => sum + name.length, 0);
  if (bytes === 0) return new Uint8Array(0);
  const option = new Uint8Array(Math.ceil((8 + bytes) / OPTION_UNIT) * OPTION_UNIT);
  putHead(option, 0, Option.DNSSL, option.length);
  let at = 8;
  for (const name of names) {
    option.set(name, at);
    at += name.length;
  }
  return option;
}

function putHead(message: Uint8Array, at: number, type: number, bytes: number): void {
  message[at] = type;
  message[at + 1] = bytes / OPTION_UNIT;
}

function putLink(message: Uint8Array, at: number, type: number, mac: Uint8Array): void {
  putHead(message, at, type, 8);
  message.set(mac, at + 2);
}

const SOLICITED_NODE = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff);

/** The group in which the owner of `address` is asked for. [RFC 4291] 2.7.1 */
export function solicitedNode(address: Uint8Array): Uint8Array {
  const group = new Uint8Array(16);
  group.set(SOLICITED_NODE);
  group.set(address.subarray(13), 13);
  return group;
}

export function isSolicitedNode(group: Uint8Array): boolean {
  return holds(group, 0, SOLICITED_NODE);
}
