/**
 * Takes the kernel proper out of a Linux bzImage. The boot protocol's header says where the compressed payload lies;
 * it is an ELF file once unpacked. [LINUX] Documentation/arch/x86/boot.rst
 */
import { decompress } from "../../formats/index.js";
import { ByteView, err, ok, type Result } from "../../util/index.js";
import { hasElfMagic } from "./elf.js";

const BOOT_FLAG_OFFSET = 0x1fe;
const BOOT_FLAG = 0xaa55;
const HEADER_MAGIC_OFFSET = 0x202;
const HEADER_MAGIC = 0x53726448; // "HdrS"
const VERSION_OFFSET = 0x206;
/** The first protocol version with payload_offset. */
const VERSION_MIN = 0x208;
const SETUP_SECTS_OFFSET = 0x1f1;
const DEFAULT_SETUP_SECTS = 4;
const PAYLOAD_OFFSET_OFFSET = 0x248;
const PAYLOAD_LENGTH_OFFSET = 0x24c;
/** Far above any real kernel; stops a bomb. */
const UNPACKED_MAX = 512 * 1024 * 1024;

export function isBzImage(bytes: Uint8Array): boolean {
  const file = new ByteView(bytes);
  return file.u16(BOOT_FLAG_OFFSET) === BOOT_FLAG && file.u32(HEADER_MAGIC_OFFSET) === HEADER_MAGIC;
}

/** The ELF file inside a bzImage. */
export function extractBzImage(bytes: Uint8Array): Result<Uint8Array, "bad-kernel"> {
  const file = new ByteView(bytes);
  const version = file.u16(VERSION_OFFSET);
  if (version < VERSION_MIN) {
    return err(
      "bad-kernel",
      `bzImage boot protocol version 0x${version.toString(16)} is older than 2.08: no payload_offset`,
    );
  }
  const setupBytes = ((file.u8(SETUP_SECTS_OFFSET) || DEFAULT_SETUP_SECTS) + 1) * 512;
  const start = setupBytes + file.u32(PAYLOAD_OFFSET_OFFSET);
  const length = file.u32(PAYLOAD_LENGTH_OFFSET);
  if (length === 0 || !file.has(start, length)) {
    return err("bad-kernel", "bzImage payload_offset and payload_length point beyond the end of the file");
  }
  const payload = file.slice(start, length);
  if (hasElfMagic(payload)) return ok(payload);
  // Linux appends the unpacked size to all but gzip.
  const unpacked = decompress(payload, UNPACKED_MAX, { ignoreTrailing: true });
  return unpacked.ok ? unpacked : err("bad-kernel", `bzImage payload: ${unpacked.error.message}`);
}
