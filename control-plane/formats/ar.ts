// The ar archive reader, for Debian packages [deb(5)]: global magic, then members with a 60-byte text header each.
//
//   0 name[16] | 16 mtime[12] | 28 uid[6] | 34 gid[6] | 40 mode[8] | 48 size[10] | 58 "`\n"      data padded to even
import { ok, type Result } from "../util/index.js";
import { corrupt, type FormatErrorCode, truncated } from "./errors.js";
import { readAscii } from "./text.js";

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;

/** One member of an archive; `data` is a view, not a copy. */
export interface ArMember {
  readonly name: string;
  readonly data: Uint8Array;
}

/** Reads all members of an ar archive. */
export function readAr(bytes: Uint8Array): Result<ArMember[], FormatErrorCode> {
  if (readAscii(bytes, 0, MAGIC.length) !== MAGIC) return corrupt("ar magic is missing");
  const members: ArMember[] = [];
  for (let pos = MAGIC.length; pos < bytes.length; ) {
    if (pos + HEADER_BYTES > bytes.length) return truncated("ar header");
    if (readAscii(bytes, pos + 58, 2) !== "`\n") return corrupt("ar member header is malformed");
    const sizeText = readAscii(bytes, pos + 48, 10).trim();
    if (!/^\d{1,10}$/.test(sizeText)) return corrupt("ar member size is malformed");
    const dataPos = pos + HEADER_BYTES;
    const dataEnd = dataPos + Number(sizeText);
    if (dataEnd > bytes.length) return truncated("ar member");
    const name = readAscii(bytes, pos, 16).trimEnd().replace(/\/$/, "");
    members.push({ name, data: bytes.subarray(dataPos, dataEnd) });
    pos = dataEnd + (dataEnd & 1);
  }
  return ok(members);
}
