/** Numbers that the protocols of the user-mode network share. */

export const IPV4_BYTES = 20;
export const IPV6_BYTES = 40;
export const UDP_BYTES = 8;
/** Most bytes of a packet: IPv6's length does not count its header. Fragments make it up; no frame is as long. */
export const MOST_PACKET_BYTES = IPV6_BYTES + 65_535;
/** Most bytes of a datagram's payload that IPv4 can carry. */
export const MOST_UDP_PAYLOAD = 65535 - IPV4_BYTES - UDP_BYTES;

/** Whether `[at, at + expected.length)` of `bytes` is `expected`. */
export function holds(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

export const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
export const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x10000 + u16(bytes, at + 2);

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  putU16(bytes, at, value >>> 16);
  putU16(bytes, at + 2, value);
}
