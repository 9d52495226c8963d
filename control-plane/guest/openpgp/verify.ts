// Verifies a cleartext-signed file against a keyring, with node:crypto alone: for machines that have no gpgv.
//
// The keyring is a local file that the user trusts, so every key in it counts; certifications and expiry of the keys
// themselves are not looked at. One good signature is needed, and none by a known key may be bad.
import { createHash, verify as cryptoVerify } from "node:crypto";
import { err, ok } from "../../util/index.js";
import type { GuestResult } from "../errors.js";
import { type Clearsigned, dearmor, readClearsigned } from "./armor.js";
import { type PublicKey, readKeyring, readSignatures, type Signature } from "./packets.js";

/** Signature type "canonical text document". */
const TYPE_TEXT = 1;
const ALGORITHM_RSA = 1;
/** Hashes that may be relied on; SHA-1 and MD5 may not. */
const HASHES: Readonly<Record<number, string>> = { 8: "sha256", 9: "sha384", 10: "sha512" };
/** How far a signature's time may lie in our future, for clocks that are wrong. */
const CLOCK_SKEW_SECONDS = 24 * 3600;

/** The keys of a keyring file, binary or armored. */
export function parseKeyring(file: Uint8Array): PublicKey[] {
  const isArmored = Buffer.from(file.subarray(0, 64)).toString("latin1").includes("-----BEGIN PGP");
  const binary = isArmored ? dearmor(Buffer.from(file).toString("latin1")) : file;
  return binary ? readKeyring(binary) : [];
}

/** The signed text of `message`, if a key in `keys` signed it. */
export function verifyClearsigned(message: Uint8Array, keys: readonly PublicKey[], nowMs: number): GuestResult<string> {
  const parts = readClearsigned(Buffer.from(message).toString("utf8"));
  if (!parts) return err("unverified", "the release file is not a signed message");
  let good = 0;
  const unknown: string[] = [];
  for (const signature of readSignatures(parts.signature)) {
    const key = keys.find(({ fingerprint }) => fingerprint.endsWith(signature.issuer));
    if (!key) {
      unknown.push(signature.issuer);
      continue;
    }
    const verdict = checkSignature(parts, signature, key, nowMs / 1000);
    if (!verdict.ok) return verdict;
    good++;
  }
  if (good > 0) return ok(parts.text);
  const signers = unknown.length > 0 ? unknown.join(", ") : "nobody";
  return err("unverified", `no key of the keyring signed the release file (signed by ${signers})`);
}

function checkSignature(
  parts: Clearsigned,
  signature: Signature,
  key: PublicKey,
  nowSeconds: number,
): GuestResult<void> {
  const hash = HASHES[signature.hashAlgorithm];
  if (signature.type !== TYPE_TEXT || !hash || signature.algorithm !== key.algorithm) {
    return err("unverified", "the release file's signature is of an unsupported or weak kind");
  }
  if (signature.createdSeconds > nowSeconds + CLOCK_SKEW_SECONDS) {
    return err("unverified", "the release file's signature is from the future: is this machine's clock right?");
  }
  if (signature.expiresSeconds !== undefined && signature.expiresSeconds < nowSeconds) {
    return err("unverified", "the release file's signature has expired");
  }
  const isGood =
    key.algorithm === ALGORITHM_RSA
      ? rsaMatches(parts, signature, key, hash)
      : eddsaMatches(parts, signature, key, hash);
  return isGood ? ok(undefined) : err("unverified", `the release file's signature by ${key.fingerprint} is wrong`);
}

/** A multiprecision integer without its leading zeros, put back to `length` bytes; undefined when it is longer. */
function padTo(length: number, value: Uint8Array | undefined): Uint8Array | undefined {
  if (!value || value.length > length) return undefined;
  const padded = new Uint8Array(length);
  padded.set(value, length - value.length);
  return padded;
}

function rsaMatches(parts: Clearsigned, signature: Signature, { key }: PublicKey, hash: string): boolean {
  const modulusBytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const value = padTo(Math.ceil(modulusBytes), signature.values[0]);
  if (!value || modulusBytes < 256) return false;
  return cryptoVerify(hash, Buffer.concat([parts.signedBytes, signature.hashedTail]), key, value);
}

function eddsaMatches(parts: Clearsigned, signature: Signature, { key }: PublicKey, hash: string): boolean {
  const r = padTo(32, signature.values[0]);
  const s = padTo(32, signature.values[1]);
  if (!r || !s) return false;
  const digest = createHash(hash).update(parts.signedBytes).update(signature.hashedTail).digest();
  return cryptoVerify(null, digest, key, Buffer.concat([r, s]));
}
