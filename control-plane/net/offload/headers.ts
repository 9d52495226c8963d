/** Where things are in a frame, as far as its header tells: Ethernet, VLAN tags, IPv4 and IPv6, TCP and UDP. */
import type { Packet } from "../packet.js";

export const EtherType = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 } as const;
export const IpProtocol = {
  HOP_BY_HOP: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ROUTING: 43,
  FRAGMENT: 44,
  ICMPV6: 58,
  NONE: 59,
  DESTINATION: 60,
} as const;

export const ETHERNET_BYTES = 14;
const VLAN_BYTES = 4;
const MOST_TAGS = 2;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP_BYTES = 8;
/** Of the field with flags and offset of an IPv4 packet: more fragments, and the offset. */
const FRAGMENT_MASK = 0x3fff;
/** Of IPv6's: the offset, and more fragments. */
const FRAGMENT6_MASK = 0xfff9;

/** What `parseHeaders` fills in, to be used again. Offsets are bytes of the frame. */
export class Headers {
  etherType = 0;
  /** The outermost VLAN's number; 0 without a tag. */
  vlan = 0;
  /** Where the network header begins. */
  l3 = 0;
  /** 4, 6, or 0 when it is no IP or its header is broken or not all there. */
  family: 0 | 4 | 6 = 0;
  /** The addresses, each as long as the family has them. */
  source = 0;
  destination = 0;
  /** Of what follows the IP headers; -1 when that is not known. */
  protocol = -1;
  /** One of the pieces of an IP packet: there may be no header of the transport in it. */
  isFragment = false;
  /** Where the transport header begins; 0 when there is none that is whole, TCP's or UDP's. */
  l4 = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** Where the transport's checksum field is; 0 without `l4`. */
  checksum = 0;
  /** Where the transport's payload begins; 0 without `l4`. */
  payload = 0;
  /** Where the IP packet ends: a short frame is filled up behind it. */
  end = 0;
}

/** Fills in what the packet's header tells. */
export function parseHeaders(packet: Packet, headers: Headers): void {
  const { headerView: view, headerLength } = packet;
  headers.vlan = 0;
  headers.family = 0;
  headers.protocol = -1;
  headers.isFragment = false;
  headers.l4 = 0;
  headers.sourcePort = 0;
  headers.destinationPort = 0;
  headers.checksum = 0;
  headers.payload = 0;
  headers.end = packet.length;
  headers.l3 = ETHERNET_BYTES;
  headers.etherType = headerLength < ETHERNET_BYTES ? 0 : view.getUint16(12);
  for (let tag = 0; tag < MOST_TAGS && isTag(headers.etherType); tag++) {
    if (headers.l3 + VLAN_BYTES > headerLength) return;
    if (tag === 0) headers.vlan = view.getUint16(headers.l3) & 0xfff;
    headers.etherType = view.getUint16(headers.l3 + 2);
    headers.l3 += VLAN_BYTES;
  }
  if (headers.etherType === EtherType.IPV4) parseIpv4(packet, headers);
  else if (headers.etherType === EtherType.IPV6) parseIpv6(packet, headers);
}

const isTag = (etherType: number): boolean => etherType === EtherType.VLAN || etherType === EtherType.QINQ;

function parseIpv4({ headerView: view, headerLength, length }: Packet, headers: Headers): void {
  const { l3 } = headers;
  if (l3 + IPV4_BYTES > headerLength) return;
  const versionAndLength = view.getUint8(l3);
  const headerBytes = (versionAndLength & 15) * 4;
  const total = view.getUint16(l3 + 2);
  if (versionAndLength >>> 4 !== 4 || headerBytes < IPV4_BYTES || total < headerBytes) return;
  if (l3 + headerBytes > headerLength || l3 + total > length) return;
  headers.family = 4;
  headers.source = l3 + 12;
  headers.destination = l3 + 16;
  headers.protocol = view.getUint8(l3 + 9);
  headers.isFragment = (view.getUint16(l3 + 6) & FRAGMENT_MASK) !== 0;
  headers.end = l3 + total;
  if (!headers.isFragment) parseTransport(view, headerLength, l3 + headerBytes, headers);
}

function parseIpv6({ headerView: view, headerLength, length }: Packet, headers: Headers): void {
  const { l3 } = headers;
  if (l3 + IPV6_BYTES > headerLength || view.getUint8(l3) >>> 4 !== 6) return;
  const end = l3 + IPV6_BYTES + view.getUint16(l3 + 4);
  if (end > length) return;
  headers.family = 6;
  headers.source = l3 + 8;
  headers.destination = l3 + 24;
  headers.end = end;
  let next = view.getUint8(l3 + 6);
  let at = l3 + IPV6_BYTES;
  while (isExtension(next)) {
    if (at + 8 > headerLength) return;
    if (next === IpProtocol.FRAGMENT) {
      headers.isFragment = (view.getUint16(at + 2) & FRAGMENT6_MASK) !== 0;
      next = view.getUint8(at);
      at += 8;
      if (headers.isFragment) break;
    } else {
      next = view.getUint8(at);
      at += 8 + view.getUint8(at + 1) * 8;
    }
  }
  headers.protocol = next;
  if (!headers.isFragment) parseTransport(view, headerLength, at, headers);
}

const isExtension = (next: number): boolean =>
  next === IpProtocol.HOP_BY_HOP ||
  next === IpProtocol.ROUTING ||
  next === IpProtocol.DESTINATION ||
  next === IpProtocol.FRAGMENT;

function parseTransport(view: DataView, headerLength: number, at: number, headers: Headers): void {
  const isTcp = headers.protocol === IpProtocol.TCP;
  if (!isTcp && headers.protocol !== IpProtocol.UDP) return;
  const fixed = isTcp ? TCP_BYTES : UDP_BYTES;
  const end = Math.min(headerLength, headers.end);
  if (at + fixed > end) return;
  const bytes = isTcp ? (view.getUint8(at + 12) >>> 4) * 4 : UDP_BYTES;
  if (bytes < fixed || at + bytes > end) return;
  headers.l4 = at;
  headers.sourcePort = view.getUint16(at);
  headers.destinationPort = view.getUint16(at + 2);
  headers.checksum = at + (isTcp ? 16 : 6);
  headers.payload = at + bytes;
}
