/** Datagrams of guests: to the servers of the network, to the host, to the world. [RFC 768] */

import { parseIp } from "../addresses.js";
import { ETHERNET_BYTES } from "../offload/index.js";
import type { Packet } from "../packet.js";
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from "./codec/dhcp.js";
import {
  DHCPV6_CLIENT_PORT,
  DHCPV6_SERVER_PORT,
  informationReply,
  isForServer,
  readInformationRequest,
  useMulticastReply,
} from "./codec/dhcpv6.js";
import { DNS_PORT } from "./codec/dns.js";
import { UDP_BYTES, u16 } from "./codec/numbers.js";
import { type Core, sendError } from "./core.js";
import type { Guest, GuestAddress } from "./guests.js";
import { type IpPacket, isChecksumGood, isGroup } from "./ip-input.js";
import {
  ALL_DHCP,
  ANY,
  BROADCAST,
  BROADCAST_MAC,
  DNS6,
  GATEWAY,
  isDns,
  isGateway,
  isLinkLocal6,
  isOutside,
  isRouter,
  LIMITED_BROADCAST,
  ROUTER_MAC,
  ROUTER6,
  sameAddress,
} from "./network.js";

const LOOPBACK = parseIp("127.0.0.1")!;
const LOOPBACK6 = parseIp("::1")!;

/** Takes a datagram. `sender` is null while the guest has no address yet. */
export function udpInput(core: Core, packet: Packet, ip: IpPacket, guest: Guest, sender: GuestAddress | null): void {
  const frame = core.scratch.copy(packet);
  const at = ip.payload;
  const length = at + UDP_BYTES <= ip.end ? u16(frame, at + 4) : 0;
  if (length < UDP_BYTES || at + length > ip.end) {
    core.counters.malformed++;
    return;
  }
  // IPv4 may do without: [RFC 768]; IPv6 not: [RFC 8200] 8.1.
  const isUnchecked = u16(frame, at + 6) === 0 && !packet.partialChecksum;
  if (isUnchecked ? ip.source.length !== 4 : !isChecksumGood(packet, ip, length)) {
    core.counters.badChecksum++;
    return;
  }
  const [sourcePort, port] = [u16(frame, at), u16(frame, at + 2)];
  const bytes = frame.slice(at + UDP_BYTES, at + length);
  if (ip.source.length === 4 && port === DHCP_SERVER_PORT && isForDhcp(ip.destination)) dhcp(core, guest, bytes);
  else if (sender === null) core.counters.spoofed++;
  else if (port === DHCPV6_SERVER_PORT && isForDhcpv6(ip.destination)) dhcpv6(core, sender, ip.destination, bytes);
  else route(core, sender, ip, sourcePort, port, bytes, frame.subarray(ETHERNET_BYTES, ip.end));
}

/** `whole` is the packet for an error about it. */
function route(
  core: Core,
  sender: GuestAddress,
  ip: IpPacket,
  sourcePort: number,
  port: number,
  bytes: Uint8Array,
  whole: Uint8Array,
): void {
  const { destination } = ip;
  if (isDns(destination) && port === DNS_PORT) {
    // The address of the packet at hand is not there any more when the answer comes.
    const route = { mac: sender.guest.mac, source: destination.slice(), destination: sender.bytes };
    core.dns.ask(bytes, false, sender.guest.share, (response) =>
      core.output.udp(route, DNS_PORT, sourcePort, response),
    );
  } else if (isGateway(destination)) {
    if (core.forwards.reply(sender.bytes, sourcePort, port, bytes)) return;
    if (!core.hasHostLoopback) {
      sendError(core, sender, "port", whole);
      return;
    }
    const host = destination.length === 4 ? LOOPBACK : LOOPBACK6;
    if (!core.flows.send(sender, sourcePort, host, port, bytes)) sendError(core, sender, "port", whole);
  } else if (isRouter(destination)) sendError(core, sender, "port", whole);
  else if (isOutside(destination) && !isLinkLocal6(sender.bytes)) {
    if (!core.flows.send(sender, sourcePort, destination, port, bytes)) sendError(core, sender, "denied", whole);
  } else if (!isGroup(destination)) sendError(core, sender, "host", whole);
}

const isForDhcp = (a: Uint8Array): boolean =>
  sameAddress(a, LIMITED_BROADCAST) || sameAddress(a, BROADCAST) || sameAddress(a, GATEWAY);
const isForDhcpv6 = (a: Uint8Array): boolean => sameAddress(a, ALL_DHCP) || isRouter(a);

function dhcp(core: Core, guest: Guest, bytes: Uint8Array): void {
  const answer = core.dhcp.answer(bytes, guest.mac);
  if (answer === null) return;
  const mac = answer.isBroadcast ? BROADCAST_MAC : guest.mac;
  const { destination } = answer;
  if (sameAddress(destination, ANY)) return;
  core.output.udp({ mac, source: GATEWAY, destination }, DHCP_SERVER_PORT, DHCP_CLIENT_PORT, answer.bytes);
}

function dhcpv6(core: Core, sender: GuestAddress, destination: Uint8Array, bytes: Uint8Array): void {
  const request = readInformationRequest(bytes);
  if (request === null || !isForServer(request, ROUTER_MAC)) return;
  const server = { mac: ROUTER_MAC, dns: DNS6, searchDomains: core.searchDomains };
  const reply = isGroup(destination) ? informationReply(request, server) : useMulticastReply(request, ROUTER_MAC);
  const route = { mac: sender.guest.mac, source: ROUTER6, destination: sender.bytes };
  core.output.udp(route, DHCPV6_SERVER_PORT, DHCPV6_CLIENT_PORT, reply);
}
