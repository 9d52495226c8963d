// gzip [RFC 1952], both ways: fflate does the work; this file adds the limit, the checksums it leaves out, and Results.
import { Gunzip, gzipSync } from "fflate";
import { ok, type Result } from "../util/index.js";
import { crc32 } from "./checksum/crc32.js";
import { corrupt, type FormatErrorCode, overLimit, truncated } from "./errors.js";
import { OutputBuffer } from "./output-buffer.js";

/** Input is fed in pieces of this size, so that output passes the limit by little before it is noticed. */
const FEED_BYTES = 256 * 1024;
const TRAILER_BYTES = 8;
const SMALLEST_MEMBER_BYTES = 18;

/** True when `bytes` starts with the magic of gzip. */
export function hasGzipMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Decompresses all members of a gzip file; refuses to unpack more than `limitBytes`. */
export function decompressGzip(input: Uint8Array, limitBytes: number): Result<Uint8Array, FormatErrorCode> {
  if (!hasGzipMagic(input)) return corrupt("gzip magic is missing");
  if (input.length < SMALLEST_MEMBER_BYTES) return truncated("gzip data");
  const out = new OutputBuffer(limitBytes, input.length * 4);
  let memberStart = 0;
  let damaged = false;
  let overflow = false;
  const endMember = (memberEnd: number) => {
    damaged ||= !trailerMatches(input, memberEnd, out.bytes.subarray(memberStart, out.length));
    memberStart = out.length;
  };
  const stream = new Gunzip((chunk) => {
    overflow ||= !out.append(chunk);
  });
  stream.onmember = endMember;
  try {
    for (let pos = 0; pos < input.length && !overflow && !damaged; pos += FEED_BYTES) {
      stream.push(input.subarray(pos, pos + FEED_BYTES), pos + FEED_BYTES >= input.length);
    }
  } catch (error) {
    return corrupt(`gzip data is damaged (${error instanceof Error ? error.message : "unknown"})`);
  }
  if (overflow) return overLimit("unpacked data", limitBytes);
  endMember(input.length);
  return damaged ? corrupt("gzip checksum differs") : ok(out.finish());
}

function trailerMatches(input: Uint8Array, memberEnd: number, data: Uint8Array): boolean {
  if (memberEnd < TRAILER_BYTES) return false;
  const trailer = new DataView(input.buffer, input.byteOffset + memberEnd - TRAILER_BYTES, TRAILER_BYTES);
  return trailer.getUint32(0, true) === crc32(data) && trailer.getUint32(4, true) === data.length >>> 0;
}

/** Compresses to one gzip member with no name and no time, so that equal input gives equal output. Level 1 is the fastest. */
export function compressGzip(input: Uint8Array, level: 1 | 6 | 9 = 1): Uint8Array {
  return gzipSync(input, { level, mtime: 0 });
}
