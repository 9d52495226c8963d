/**
 * Frames for guests, built in one buffer that is used again for each: whoever receives one copies it during the call.
 * UDP's checksum is left to the receiver, as a large segment's cutting is, unless the datagram must be fragmented.
 */

import { ETHERNET_BYTES, EtherType, IpProtocol } from "../offload/index.js";
import { GsoType, Packet } from "../packet.js";
import type { Wire } from "../station.js";
import { sumBytes } from "../sum.js";
import { checksumOf, sumPseudoHeader } from "./codec/checksum.js";
import { writeIpv4 } from "./codec/ipv4.js";
import { FRAGMENT_HEADER_BYTES, writeIpv6 } from "./codec/ipv6.js";
import { IPV4_BYTES, IPV6_BYTES, MOST_PACKET_BYTES, putU16, putU32, UDP_BYTES } from "./codec/numbers.js";
import { ROUTER_MAC } from "./network.js";

/** Where checksums are in their headers. */
const TCP_CHECKSUM_AT = 16;
const UDP_CHECKSUM_AT = 6;
const ICMP_CHECKSUM_AT = 2;
const MOST_IPV4_PAYLOAD = 65535 - IPV4_BYTES;

/** Who sends a packet to whom. */
export interface Route {
  readonly mac: Uint8Array;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

export class Output {
  /** Longer than any frame: what is cut into fragments is put together here. */
  readonly #bytes = new Uint8Array(ETHERNET_BYTES + MOST_PACKET_BYTES);
  #view = this.#bytes;
  readonly #packet = new Packet(null);
  #identification = 0;
  #isSettling = false;
  readonly counters = { sent: 0, sentBytes: 0, dropped: 0 };

  constructor(
    private readonly wire: Wire,
    readonly mtu: number,
  ) {}

  /** A whole frame of ours; dropped when there is no room. */
  frame(bytes: Uint8Array): void {
    this.#bytes.set(bytes);
    this.#packet.wrap(this.#cut(bytes.length));
    this.#send();
  }

  /** A TCP segment; false when there is no room. Payload beyond one segment is cut by the receiver, into `gsoSize`. */
  tcp(to: Route, header: Uint8Array, payload: Uint8Array | null, gsoSize: number): boolean {
    const length = header.length + (payload?.length ?? 0);
    const isIpv4 = to.source.length === 4;
    if (length > MOST_IPV4_PAYLOAD) return true;
    const at = this.#network(to, IpProtocol.TCP, length);
    this.#bytes.set(header, at);
    if (payload !== null) this.#bytes.set(payload, at + header.length);
    putU16(this.#bytes, at + TCP_CHECKSUM_AT, sumPseudoHeader(to.source, to.destination, IpProtocol.TCP, length));
    this.#packet.wrap(this.#cut(at + length));
    this.#packet.partialChecksum = true;
    if (payload !== null && gsoSize > 0 && payload.length > gsoSize) {
      this.#packet.gsoSize = gsoSize;
      this.#packet.gsoType = isIpv4 ? GsoType.TCPV4 : GsoType.TCPV6;
    }
    return this.#send(false);
  }

  udp(to: Route, sourcePort: number, destinationPort: number, payload: Uint8Array): void {
    const length = UDP_BYTES + payload.length;
    if (length > MOST_IPV4_PAYLOAD) return;
    const at = this.#network(to, IpProtocol.UDP, length);
    putU16(this.#bytes, at, sourcePort);
    putU16(this.#bytes, at + 2, destinationPort);
    putU16(this.#bytes, at + 4, length);
    putU16(this.#bytes, at + 6, 0);
    this.#bytes.set(payload, at + UDP_BYTES);
    const pseudo = sumPseudoHeader(to.source, to.destination, IpProtocol.UDP, length);
    if (at - ETHERNET_BYTES + length <= this.mtu) {
      putU16(this.#bytes, at + UDP_CHECKSUM_AT, pseudo);
      this.#packet.wrap(this.#cut(at + length));
      this.#packet.partialChecksum = true;
      this.#send();
      return;
    }
    // 0 would say that there is none: [RFC 768].
    putU16(this.#bytes, at + UDP_CHECKSUM_AT, checksumOf(pseudo + sumBytes(this.#bytes, at, at + length)) || 0xffff);
    this.#fragments(to, IpProtocol.UDP, at, length);
  }

  /** A message of ICMP or ICMPv6, whose checksum is filled in here. */
  icmp(to: Route, message: Uint8Array, hopLimit = 64): void {
    const isIpv4 = to.source.length === 4;
    const protocol = isIpv4 ? IpProtocol.ICMP : IpProtocol.ICMPV6;
    if (message.length > MOST_IPV4_PAYLOAD) return;
    const at = this.#network(to, protocol, message.length, hopLimit);
    this.#bytes.set(message, at);
    putU16(this.#bytes, at + ICMP_CHECKSUM_AT, 0);
    const pseudo = isIpv4 ? 0 : sumPseudoHeader(to.source, to.destination, protocol, message.length);
    putU16(this.#bytes, at + ICMP_CHECKSUM_AT, checksumOf(pseudo + sumBytes(this.#bytes, at, at + message.length)));
    if (at - ETHERNET_BYTES + message.length > this.mtu) {
      this.#fragments(to, protocol, at, message.length);
      return;
    }
    this.#packet.wrap(this.#cut(at + message.length));
    this.#send();
  }

  /** Tells the switch that a batch is over, once all of this turn's frames are sent. */
  settle(): void {
    this.#isSettling = false;
    this.wire.settle();
  }

  /** Writes Ethernet's and IP's headers; answers where the payload goes. */
  #network(to: Route, protocol: number, length: number, hopLimit = 64): number {
    const isIpv4 = to.source.length === 4;
    this.#bytes.set(to.mac, 0);
    this.#bytes.set(ROUTER_MAC, 6);
    putU16(this.#bytes, 12, isIpv4 ? EtherType.IPV4 : EtherType.IPV6);
    const fields = { source: to.source, destination: to.destination, protocol };
    if (isIpv4) writeIpv4(this.#bytes, ETHERNET_BYTES, fields, length);
    else writeIpv6(this.#bytes, ETHERNET_BYTES, fields, length, hopLimit);
    return ETHERNET_BYTES + (isIpv4 ? IPV4_BYTES : IPV6_BYTES);
  }

  /** Sends the payload at `at` in pieces. Each is copied out, because headers are written in front of the next. */
  #fragments(to: Route, protocol: number, at: number, length: number): void {
    const isIpv4 = to.source.length === 4;
    const headerBytes = isIpv4 ? IPV4_BYTES : IPV6_BYTES + FRAGMENT_HEADER_BYTES;
    const step = (this.mtu - headerBytes) & ~7;
    const whole = this.#bytes.slice(at, at + length);
    this.#identification = (this.#identification % 0xffff) + 1;
    for (let offset = 0; offset < length; offset += step) {
      const count = Math.min(step, length - offset);
      const more = offset + count < length;
      const fields = { source: to.source, destination: to.destination, protocol };
      if (isIpv4) writeIpv4(this.#bytes, ETHERNET_BYTES, fields, count, this.#identification, offset, more);
      else {
        writeIpv6(
          this.#bytes,
          ETHERNET_BYTES,
          { ...fields, protocol: IpProtocol.FRAGMENT },
          FRAGMENT_HEADER_BYTES + count,
        );
        const head = ETHERNET_BYTES + IPV6_BYTES;
        this.#bytes[head] = protocol;
        this.#bytes[head + 1] = 0;
        putU16(this.#bytes, head + 2, offset | (more ? 1 : 0));
        putU32(this.#bytes, head + 4, this.#identification);
      }
      const data = ETHERNET_BYTES + headerBytes;
      this.#bytes.set(whole.subarray(offset, offset + count), data);
      this.#packet.wrap(this.#cut(data + count));
      this.#send();
    }
  }

  /** The frame in the buffer. In a row of frames of one size the same view serves all. */
  #cut(length: number): Uint8Array {
    if (this.#view.length !== length) this.#view = this.#bytes.subarray(0, length);
    return this.#view;
  }

  /** A refused frame is dropped, and counted, unless its sender tries again. */
  #send(isLast = true): boolean {
    const length = this.#packet.length;
    const isSent = this.wire.send(this.#packet);
    if (isSent) {
      this.counters.sent++;
      this.counters.sentBytes += length;
    } else if (isLast) this.counters.dropped++;
    if (isSent && !this.#isSettling) {
      this.#isSettling = true;
      queueMicrotask(() => {
        if (this.#isSettling) this.settle();
      });
    }
    return isSent;
  }
}
