/** What packets of IPv4 and of IPv6 have in common on their way in. */

import { IpProtocol } from "../offload/index.js";
import type { Packet } from "../packet.js";
import { fold } from "../sum.js";
import { sumPseudoHeader } from "./codec/checksum.js";
import type { Reason } from "./codec/icmp.js";
import { type Core, sendError } from "./core.js";
import type { Guest, GuestAddress } from "./guests.js";
import { ANY, ANY6, BROADCAST, isGuestAddress, sameAddress } from "./network.js";

/** A packet within a frame: its addresses, where the header and the one of the transport begin, where the packet ends. */
export interface IpPacket {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly at: number;
  readonly payload: number;
  readonly end: number;
}

/**
 * Null for a sender that has no address yet, which may speak only the protocol by which it gets one; undefined for one that
 * may not use the address that it uses.
 */
export function senderOf(
  core: Core,
  guest: Guest,
  { source, protocol }: IpPacket,
  protocolOfNone: number,
): GuestAddress | null | undefined {
  if (sameAddress(source, source.length === 4 ? ANY : ANY6)) return protocol === protocolOfNone ? null : undefined;
  if (!isGuestAddress(source)) return undefined;
  const sender = core.guests.learn(guest, source);
  if (sender === null) return undefined;
  core.neighbours.heard(sender.bytes, guest.mac);
  return sender;
}

export const isGroup = (a: Uint8Array): boolean =>
  a.length === 4 ? a[0]! >= 224 || sameAddress(a, BROADCAST) : a[0] === 0xff;

/** Whether the checksum in the transport header is right, or vouched for. */
export function isChecksumGood(packet: Packet, ip: IpPacket, length = ip.end - ip.payload): boolean {
  if (packet.partialChecksum || packet.dataValidated) return true;
  const { source, destination, protocol } = ip;
  const pseudo = protocol === IpProtocol.ICMP ? 0 : sumPseudoHeader(source, destination, protocol, length);
  return fold(pseudo + packet.sum(ip.payload, ip.payload + length)) === 0xffff;
}

export function tcpInput(core: Core, packet: Packet, ip: IpPacket): void {
  if (isChecksumGood(packet, ip)) {
    core.tcp.input(ip.source, ip.destination, packet, ip.payload, ip.end);
  } else core.counters.badChecksum++;
}

/** Sends an error about a packet to the guest that it is from. */
export function sendErrorAbout(
  core: Core,
  packet: Packet,
  ip: IpPacket,
  sender: GuestAddress,
  reason: Reason,
  detail = 0,
): void {
  sendError(core, sender, reason, core.scratch.copy(packet).subarray(ip.at, ip.end), detail);
}
