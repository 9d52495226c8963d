/** The addresses of the user-mode network: those of QEMU's, so that what people know of it holds here. */
import { parseIp } from "../addresses.js";
import { holds } from "./codec/numbers.js";

const ip = (text: string): Uint8Array => parseIp(text)!;

/** Of everything that the network itself answers for. 52:55 and the gateway's address. */
export const ROUTER_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
export const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

export const NETWORK = ip("10.0.2.0");
export const MASK = ip("255.255.255.0");
export const BROADCAST = ip("10.0.2.255");
export const LIMITED_BROADCAST = ip("255.255.255.255");
export const ANY = new Uint8Array(4);
/** The router, and the host's loopback. */
export const GATEWAY = ip("10.0.2.2");
export const DNS = ip("10.0.2.3");
/** The last byte of the first and the last address of guests. */
export const FIRST_GUEST = 15;
export const LAST_GUEST = 254;

export const PREFIX6 = ip("fec0::");
export const PREFIX6_BITS = 64;
export const GATEWAY6 = ip("fec0::2");
export const DNS6 = ip("fec0::3");
export const ROUTER6 = ip("fe80::2");
export const ANY6 = new Uint8Array(16);
export const ALL_NODES = ip("ff02::1");
export const ALL_ROUTERS = ip("ff02::2");
export const ALL_DHCP = ip("ff02::1:2");

const LINK_LOCAL_PREFIX = ip("fe80::").subarray(0, 8);
const PREFIX6_BYTES = PREFIX6.subarray(0, 8);
const IPV4_IN_IPV6 = [ip("::ffff:0:0").subarray(0, 12), ip("::").subarray(0, 12)];

export const sameAddress = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && holds(a, 0, b);
/** In the network of guests. */
export const isInside = (a: Uint8Array): boolean =>
  a.length === 4 ? a[0] === 10 && a[1] === 0 && a[2] === 2 : holds(a, 0, PREFIX6_BYTES);
export const isLinkLocal6 = (a: Uint8Array): boolean => a.length === 16 && holds(a, 0, LINK_LOCAL_PREFIX);

/** An address that a guest may have: in the network, and none of those that mean something else. */
export function isGuestAddress(a: Uint8Array): boolean {
  if (a.length === 4) return isInside(a) && a[3]! > 3 && a[3]! < 255;
  if (!isInside(a) && !isLinkLocal6(a)) return false;
  return (
    !sameAddress(a, GATEWAY6) &&
    !sameAddress(a, DNS6) &&
    !sameAddress(a, ROUTER6) &&
    !a.subarray(8).every((byte) => byte === 0)
  );
}

/** Ours. */
export function isRouter(a: Uint8Array): boolean {
  return a.length === 4
    ? isInside(a) && (a[3] === 2 || a[3] === 3)
    : sameAddress(a, GATEWAY6) || sameAddress(a, DNS6) || sameAddress(a, ROUTER6);
}

export const isGateway = (a: Uint8Array): boolean => sameAddress(a, a.length === 4 ? GATEWAY : GATEWAY6);
export const isDns = (a: Uint8Array): boolean => sameAddress(a, a.length === 4 ? DNS : DNS6);

/**
 * A single host of the world outside. Not the guests' network, nothing that is never on the way through a router
 * ([RFC 6890]: loopback, link-local, unspecified, groups, reserved), and no IPv4 address that hides in an IPv6 one.
 */
export function isOutside(a: Uint8Array): boolean {
  if (isInside(a)) return false;
  if (a.length === 4) return a[0] !== 0 && a[0] !== 127 && !(a[0] === 169 && a[1] === 254) && a[0]! < 224;
  if (a[0] === 0xff || (a[0] === 0xfe && (a[1]! & 0xc0) === 0x80)) return false;
  return !IPV4_IN_IPV6.some((prefix) => holds(a, 0, prefix));
}
