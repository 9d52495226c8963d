// Debian binary packages [deb(5)]: an ar archive of debian-binary, control.tar.* and data.tar.*, compressed as it likes.
import { ok, type Result } from "../util/index.js";
import { type ArMember, readAr } from "./ar.js";
import type { ArchiveEntry } from "./archive.js";
import { decompress } from "./decompress.js";
import { corrupt, type FormatErrorCode, unsupported } from "./errors.js";
import { readTar } from "./tar.js";
import { decodeUtf8, readAscii } from "./text.js";

/** Control members are small; this is far more than any package has. */
const CONTROL_LIMIT_BYTES = 64 * 1024 * 1024;

/** Reads the installed files of a package; refuses to unpack more than `limitBytes`. */
export function readDebData(deb: Uint8Array, limitBytes: number): Result<ArchiveEntry[], FormatErrorCode> {
  return readMember(deb, "data.tar", limitBytes);
}

/** Reads the fields of a package's control file. */
export function readDebControl(deb: Uint8Array): Result<Map<string, string>, FormatErrorCode> {
  const entries = readMember(deb, "control.tar", CONTROL_LIMIT_BYTES);
  if (!entries.ok) return entries;
  const control = entries.value.find((entry) => entry.path === "control");
  if (!control) return corrupt("package has no control file");
  return ok(readControlFields(decodeUtf8(control.data)));
}

function readMember(deb: Uint8Array, stem: string, limitBytes: number): Result<ArchiveEntry[], FormatErrorCode> {
  const members = readAr(deb);
  if (!members.ok) return members;
  const version = members.value[0];
  if (version?.name !== "debian-binary") return corrupt("not a Debian package");
  if (!readAscii(version.data, 0, 2).startsWith("2.")) return unsupported("package format other than 2.x");
  const member = members.value.find(({ name }) => name === stem || name.startsWith(`${stem}.`));
  if (!member) return corrupt(`package has no ${stem}`);
  const tar = unpackMember(member, stem, limitBytes);
  return tar.ok ? readTar(tar.value) : tar;
}

function unpackMember(member: ArMember, stem: string, limitBytes: number): Result<Uint8Array, FormatErrorCode> {
  return member.name === stem ? ok(member.data) : decompress(member.data, limitBytes);
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
