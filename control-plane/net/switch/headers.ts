/** Where the parts of a frame begin, as far as a switch looks: one VLAN tag, IPv4, IPv6 with extension headers, ports. */
import type { Packet } from "../packet.js";

export const EtherType = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 } as const;
export const IpProtocol = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58 } as const;
/** Bytes of destination, source and type. */
export const ETHERNET_BYTES = 14;
/** Bytes of a VLAN tag. */
export const TAG_BYTES = 4;
/** The VLAN's number in a tag. */
export const VID_MASK = 0xfff;

const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const FRAGMENT_HEADER = 44;

/** Read anew for each frame. */
export class Headers {
  /** Type of what follows the tag. */
  type = 0;
  /** Where the network header begins. */
  network = 0;
  /** IP's protocol, or -1: no IP, or its header is not all there. */
  protocol = -1;
  /** Where the transport header begins; 0 when it is not in this fragment, or not within the bytes at hand. */
  transport = 0;

  read(packet: Packet): void {
    const { headerView: view, headerLength: end } = packet;
    this.network = ETHERNET_BYTES;
    this.type = view.getUint16(12);
    this.protocol = -1;
    this.transport = 0;
    if (this.type === EtherType.VLAN && end >= ETHERNET_BYTES + TAG_BYTES) {
      this.type = view.getUint16(16);
      this.network = ETHERNET_BYTES + TAG_BYTES;
    }
    const at = this.network;
    if (this.type === EtherType.IPV4) {
      if (end < at + 20 || view.getUint8(at) >>> 4 !== 4) return;
      this.protocol = view.getUint8(at + 9);
      const isFirst = (view.getUint16(at + 6) & 0x1fff) === 0;
      const transport = at + (view.getUint8(at) & 15) * 4;
      if (isFirst && transport >= at + 20 && transport + 4 <= end) this.transport = transport;
    } else if (this.type === EtherType.IPV6) {
      if (end < at + 40 || view.getUint8(at) >>> 4 !== 6) return;
      this.#readExtensions(view, at + 40, end);
    }
  }

  #readExtensions(view: DataView, from: number, end: number): void {
    let at = from;
    let next = view.getUint8(this.network + 6);
    while (EXTENSIONS.has(next) && at + 8 <= end) {
      next = view.getUint8(at);
      at += 8 * (view.getUint8(at + 1) + 1);
    }
    if (next === FRAGMENT_HEADER && at + 8 <= end) {
      next = view.getUint8(at);
      const isFirst = (view.getUint16(at + 2) & 0xfff8) === 0;
      at = isFirst ? at + 8 : end;
    }
    this.protocol = next;
    if (at + 4 <= end) this.transport = at;
  }
}
