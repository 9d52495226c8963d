/** Checksums of TCP and UDP: the part that senders with offload fill in, and the rest. [RFC 9293] 3.1, [RFC 8200] 8.1 */
import type { Packet } from "../packet.js";
import { fold } from "../sum.js";
import type { Headers } from "./headers.js";

/** Bytes of both addresses, which lie side by side. */
export const addressBytes = (headers: Headers): number => (headers.family === 4 ? 8 : 32);

/** The pseudo header's sum with the transport's header and `payloadBytes`: what a partial checksum is. */
export function pseudoSum(packet: Packet, headers: Headers, payloadBytes: number): number {
  const addresses = packet.sum(headers.source, headers.source + addressBytes(headers));
  return fold(addresses + headers.protocol + (headers.payload - headers.l4) + payloadBytes);
}

/**
 * The checksum of a frame whose field holds the pseudo header's sum. Zero would say that there is none: its other form, all
 * ones, stands for it.
 */
export function completedChecksum(packet: Packet, headers: Headers): number {
  return ~packet.sum(headers.l4, headers.end) & 0xffff || 0xffff;
}
