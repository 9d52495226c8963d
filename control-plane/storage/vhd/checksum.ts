/** The checksum of footer and header: the one's complement of the sum of all bytes, those of the checksum itself left out. [VHD] "Checksum" */
export function vhdChecksum(bytes: Uint8Array, checksumOffset: number): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (i < checksumOffset || i >= checksumOffset + 4) sum += bytes[i]!;
  }
  return ~sum >>> 0;
}
