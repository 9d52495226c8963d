// The CRC-24 that may end an armored block [RFC 9580] 6.1.

/** The checksum of `bytes` in base64, as armor writes it. */
export function crc24(bytes: Uint8Array): string {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  return Buffer.from([crc >>> 16, crc >>> 8, crc]).toString("base64");
}
