// Debian binary packages [deb(5)]: an ar archive of debian-binary, control.tar.* and data.tar.*, compressed as it likes.
import { ok, type Result } from "../util/index.js";
import { type ArMember, readAr } from "./ar.js";
import type { ArchiveEntry } from "./archive.js";
import { decompress, decompressAsync } from "./decompress.js";
import { corrupt, type FormatErrorCode, unsupported } from "./errors.js";
import { readTar } from "./tar.js";
import { decodeUtf8, readAscii } from "./text.js";

/** Control members are small; this is far more than any package has. */
const CONTROL_LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Reads the installed files of a package; refuses to unpack more than `limitBytes`. Large packages take seconds, so this
 * leaves the event loop free now and then and reports how many bytes of the package are read.
 */
export async function readDebData(
  deb: Uint8Array,
  limitBytes: number,
  onProgress?: (readBytes: number) => void,
): Promise<Result<ArchiveEntry[], FormatErrorCode>> {
  const member = findMember(deb, "data.tar");
  if (!member.ok) return member;
  const { name, data } = member.value;
  const tar = name === "data.tar" ? ok(data) : await decompressAsync(data, limitBytes, onProgress);
  return tar.ok ? readTar(tar.value) : tar;
}

/** Reads the fields of a package's control file. */
export function readDebControl(deb: Uint8Array): Result<Map<string, string>, FormatErrorCode> {
  const member = findMember(deb, "control.tar");
  if (!member.ok) return member;
  const { name, data } = member.value;
  const tar = name === "control.tar" ? ok(data) : decompress(data, CONTROL_LIMIT_BYTES);
  const entries = tar.ok ? readTar(tar.value) : tar;
  if (!entries.ok) return entries;
  const control = entries.value.find((entry) => entry.path === "control");
  if (!control) return corrupt("package has no control file");
  return ok(readControlFields(decodeUtf8(control.data)));
}

/** The member `stem`, with or without a suffix for its compression. */
function findMember(deb: Uint8Array, stem: string): Result<ArMember, FormatErrorCode> {
  const members = readAr(deb);
  if (!members.ok) return members;
  const version = members.value[0];
  if (version?.name !== "debian-binary") return corrupt("not a Debian package");
  if (!readAscii(version.data, 0, 2).startsWith("2.")) return unsupported("package format other than 2.x");
  const member = members.value.find(({ name }) => name === stem || name.startsWith(`${stem}.`));
  return member ? ok(member) : corrupt(`package has no ${stem}`);
}

/** Fields of one RFC 822-like stanza; continuation lines keep their newline and lose their first blank. */
export function readControlFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let key: string | undefined;
  for (const line of stanza.split("\n")) {
    if (/^[ \t]/.test(line)) {
      if (key !== undefined) fields.set(key, `${fields.get(key)}\n${line.slice(1)}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    key = line.slice(0, colon);
    fields.set(key, line.slice(colon + 1).trim());
  }
  return fields;
}
