/** Damages a copy of a frame as a bad cable does: one bit, after the checksum is in place, so that the receiver can notice. */
import type { Random } from "../../util/index.js";
import { completedChecksum, type Headers } from "../offload/index.js";
import type { Packet } from "../packet.js";

/** Flips a bit of `bytes`, a copy of the frame. False: the checksum cannot be completed first, and nobody could notice. */
export function corrupt(packet: Packet, headers: Headers, bytes: Uint8Array, random: Random): boolean {
  if (packet.gsoSize > 0) return false;
  if (packet.partialChecksum) {
    if (headers.l4 === 0) return false;
    new DataView(bytes.buffer).setUint16(headers.checksum, completedChecksum(packet, headers));
  }
  const bit = random.u32() % (bytes.length * 8);
  bytes[bit >>> 3]! ^= 1 << (bit & 7);
  return true;
}
