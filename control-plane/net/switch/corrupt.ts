/** Damages a copy of a frame as a bad cable does: one bit, after the checksum is in place, so that the receiver can notice. */
import type { Random } from "../../util/index.js";
import type { Packet } from "../packet.js";
import { EtherType, type Headers, IpProtocol } from "./headers.js";

/** Flips a bit of `bytes`, a copy of the frame. False: the checksum cannot be completed first, and nobody could notice. */
export function corrupt(packet: Packet, headers: Headers, bytes: Uint8Array, random: Random): boolean {
  if (packet.gsoSize > 0) return false;
  if (packet.partialChecksum && !completeChecksum(headers, bytes)) return false;
  const bit = random.u32() % (bytes.length * 8);
  bytes[bit >>> 3]! ^= 1 << (bit & 7);
  return true;
}

/** Puts the whole checksum of TCP or UDP where only the pseudo header's sum is. [RFC 1071] */
function completeChecksum({ type, network, transport, protocol }: Headers, bytes: Uint8Array): boolean {
  const field = protocol === IpProtocol.TCP ? 16 : protocol === IpProtocol.UDP ? 6 : -1;
  const view = new DataView(bytes.buffer);
  const end =
    type === EtherType.IPV4 ? network + view.getUint16(network + 2) : network + 40 + view.getUint16(network + 4);
  if (field < 0 || transport === 0 || end > bytes.length || transport + field + 2 > end) return false;
  let sum = 0;
  for (let at = transport; at + 1 < end; at += 2) sum += view.getUint16(at);
  if ((end - transport) % 2 === 1) sum += bytes[end - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  const checksum = ~sum & 0xffff;
  view.setUint16(transport + field, checksum === 0 && protocol === IpProtocol.UDP ? 0xffff : checksum);
  return true;
}
