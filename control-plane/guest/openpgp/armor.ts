// OpenPGP's text forms [RFC 9580] 6 and 7: ASCII armor, and the cleartext signature framework that InRelease files use.
import { crc24 } from "./crc24.js";

/** A cleartext-signed message, taken apart. */
export interface Clearsigned {
  /** The text as a person reads it. */
  readonly text: string;
  /** The text as it was hashed: CR LF between lines, no trailing blanks, no last line end. */
  readonly signedBytes: Uint8Array;
  /** The binary signature packets. */
  readonly signature: Uint8Array;
}

const BEGIN_MESSAGE = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE = "-----BEGIN PGP SIGNATURE-----";

/** Decodes one armored block of any kind; undefined when it is malformed. */
export function dearmor(text: string): Uint8Array | undefined {
  const lines = text.replaceAll("\r", "").split("\n");
  const begin = lines.findIndex((line) => /^-----BEGIN PGP [A-Z ]+-----$/.test(line.trimEnd()));
  const end = lines.findIndex((line, i) => i > begin && /^-----END PGP [A-Z ]+-----$/.test(line.trimEnd()));
  if (begin < 0 || end < 0) return undefined;
  const blank = lines.findIndex((line, i) => i > begin && line.trim() === "");
  if (blank < 0 || blank >= end) return undefined;
  const body = lines.slice(blank + 1, end).map((line) => line.trim());
  const checksum = body.find((line) => line.startsWith("="));
  const base64 = body.filter((line) => !line.startsWith("=")).join("");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined;
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  if (checksum !== undefined && checksum.slice(1) !== crc24(bytes)) return undefined;
  return bytes;
}

/** Takes a clearsigned message apart; undefined when it is not one, or when anything stands outside the signed part. */
export function readClearsigned(message: string): Clearsigned | undefined {
  const lines = message.replaceAll("\r\n", "\n").split("\n");
  const signatureLine = lines.indexOf(BEGIN_SIGNATURE);
  if (lines[0] !== BEGIN_MESSAGE || signatureLine < 0) return undefined;
  const blank = lines.indexOf("");
  if (blank < 0 || blank >= signatureLine) return undefined;
  if (!lines.slice(1, blank).every((line) => line.startsWith("Hash: "))) return undefined;
  const body = lines.slice(blank + 1, signatureLine).map((line) => (line.startsWith("- ") ? line.slice(2) : line));
  const signature = dearmor(lines.slice(signatureLine).join("\n"));
  if (!signature) return undefined;
  const signedBytes = new TextEncoder().encode(body.map((line) => line.replace(/[ \t]+$/, "")).join("\r\n"));
  return { text: `${body.join("\n")}\n`, signedBytes, signature };
}
