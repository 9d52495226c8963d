/** Address resolution for IPv4 over Ethernet. [RFC 826] */
import { ETHERNET_BYTES, EtherType } from "../../offload/index.js";
import { holds, putU16, u16 } from "./numbers.js";

export const ARP_BYTES = 28;
export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;
const HARDWARE_AND_PROTOCOL = Uint8Array.of(0, 1, 8, 0, 6, 4);
const BROADCAST = new Uint8Array(6).fill(0xff);

export interface Arp {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderIp: Uint8Array;
  readonly targetIp: Uint8Array;
}

/** The message in a frame; null when it is not for IPv4 over Ethernet or too short. */
export function readArp(frame: Uint8Array): Arp | null {
  const at = ETHERNET_BYTES;
  if (frame.length < at + ARP_BYTES || !holds(frame, at, HARDWARE_AND_PROTOCOL)) return null;
  return {
    operation: u16(frame, at + 6),
    senderMac: frame.slice(at + 8, at + 14),
    senderIp: frame.slice(at + 14, at + 18),
    targetIp: frame.slice(at + 24, at + 28),
  };
}

/** A whole frame; a request goes to everybody. */
export function arpFrame(
  operation: number,
  sender: { readonly mac: Uint8Array; readonly ip: Uint8Array },
  target: { readonly mac: Uint8Array | null; readonly ip: Uint8Array },
): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + ARP_BYTES);
  frame.set(target.mac ?? BROADCAST, 0);
  frame.set(sender.mac, 6);
  putU16(frame, 12, EtherType.ARP);
  frame.set(HARDWARE_AND_PROTOCOL, 14);
  putU16(frame, 20, operation);
  frame.set(sender.mac, 22);
  frame.set(sender.ip, 28);
  if (target.mac !== null) frame.set(target.mac, 32);
  frame.set(target.ip, 38);
  return frame;
}
