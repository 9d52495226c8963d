// OpenPGP packets [RFC 9580] 4 and 5: just public keys and version 4 signatures, by RSA and by Ed25519 (EdDSA).
//
// Keyrings and signatures of other kinds are passed over. Every read is checked against the packet's own length.
import { createHash, createPublicKey, type KeyObject } from "node:crypto";

const TAG_SIGNATURE = 2;
const TAG_PUBLIC_KEY = 6;
const TAG_PUBLIC_SUBKEY = 14;

const ALGORITHM_RSA = 1;
const ALGORITHM_EDDSA = 22;
/** The object identifier of Ed25519 in EdDSA keys, with its length. */
const ED25519_OID = Uint8Array.from([9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1]);

const SUBPACKET_CREATED = 2;
const SUBPACKET_EXPIRES = 3;
const SUBPACKET_ISSUER = 16;
const SUBPACKET_ISSUER_FINGERPRINT = 33;
const CRITICAL_BIT = 0x80;
/** Subpackets whose meaning does not change whether a document signature holds. */
const HARMLESS_SUBPACKETS = new Set([SUBPACKET_CREATED, SUBPACKET_EXPIRES, SUBPACKET_ISSUER, 20, 28, 33, 35]);

/** A public key that can check signatures. */
export interface PublicKey {
  /** Hexadecimal, 40 digits; its last 16 are the key id. */
  readonly fingerprint: string;
  readonly algorithm: number;
  readonly key: KeyObject;
}

/** A version 4 signature. */
export interface Signature {
  readonly type: number;
  readonly algorithm: number;
  readonly hashAlgorithm: number;
  /** What is hashed after the document: the signature's own hashed part and its trailer. */
  readonly hashedTail: Uint8Array;
  readonly issuer: string;
  readonly createdSeconds: number;
  readonly expiresSeconds: number | undefined;
  /** The algorithm's numbers: one for RSA, R and S for EdDSA. */
  readonly values: readonly Uint8Array[];
}

interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
}

/** Splits bytes into packets; stops at the first malformed one. */
function* readPackets(bytes: Uint8Array): Generator<Packet> {
  for (let pos = 0; pos + 2 <= bytes.length; ) {
    const first = bytes[pos]!;
    const isNew = (first & 0x40) !== 0;
    const length = isNew ? newLength(bytes, pos + 1) : oldLength(bytes, pos + 1, first & 3);
    if ((first & 0x80) === 0 || !length) return;
    const start = pos + 1 + length.fieldBytes;
    const end = start + length.bodyBytes;
    if (end > bytes.length) return;
    yield { tag: isNew ? first & 0x3f : (first >> 2) & 0xf, body: bytes.subarray(start, end) };
    pos = end;
  }
}

type Length = { readonly fieldBytes: number; readonly bodyBytes: number } | undefined;

function oldLength(bytes: Uint8Array, pos: number, lengthType: number): Length {
  const fieldBytes = [1, 2, 4, 0][lengthType]!;
  return fieldBytes === 0 ? undefined : { fieldBytes, bodyBytes: readUint(bytes, pos, fieldBytes) };
}

/** New-format lengths, which subpackets share; partial lengths are never used for keys and signatures. */
function newLength(bytes: Uint8Array, pos: number): Length {
  const first = bytes[pos]!;
  if (first < 192) return { fieldBytes: 1, bodyBytes: first };
  if (first < 224) return { fieldBytes: 2, bodyBytes: ((first - 192) << 8) + readUint(bytes, pos + 1, 1) + 192 };
  return first === 255 ? { fieldBytes: 5, bodyBytes: readUint(bytes, pos + 1, 4) } : undefined;
}

/** A big-endian number; bytes past the end count as zero, and the caller's length check then refuses. */
function readUint(bytes: Uint8Array, pos: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value = value * 256 + (bytes[pos + i] ?? 0);
  return value;
}

/** Reads multiprecision integers until the end; undefined when one is cut short. */
function readMpis(bytes: Uint8Array): Uint8Array[] | undefined {
  const values: Uint8Array[] = [];
  for (let pos = 0; pos < bytes.length; ) {
    const length = (readUint(bytes, pos, 2) + 7) >> 3;
    const end = pos + 2 + length;
    if (end > bytes.length) return undefined;
    values.push(bytes.subarray(pos + 2, end));
    pos = end;
  }
  return values;
}

/** All usable public keys and subkeys of a binary keyring. */
export function readKeyring(bytes: Uint8Array): PublicKey[] {
  const keys: PublicKey[] = [];
  for (const { tag, body } of readPackets(bytes)) {
    if (tag !== TAG_PUBLIC_KEY && tag !== TAG_PUBLIC_SUBKEY) continue;
    const key = body[0] === 4 ? readPublicKey(body) : undefined;
    if (key) keys.push(key);
  }
  return keys;
}

function readPublicKey(body: Uint8Array): PublicKey | undefined {
  const algorithm = body[5]!;
  const key = algorithm === ALGORITHM_RSA ? rsaKey(body) : algorithm === ALGORITHM_EDDSA ? ed25519Key(body) : undefined;
  if (!key) return undefined;
  const prefix = Uint8Array.from([0x99, body.length >> 8, body.length]);
  const fingerprint = createHash("sha1").update(prefix).update(body).digest("hex");
  return { fingerprint, algorithm, key };
}

function importJwk(jwk: Record<string, string>): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    return undefined;
  }
}

function rsaKey(body: Uint8Array): KeyObject | undefined {
  const [n, e] = readMpis(body.subarray(6)) ?? [];
  if (!n || !e) return undefined;
  const base64 = (value: Uint8Array) => Buffer.from(value).toString("base64url");
  return importJwk({ kty: "RSA", n: base64(n), e: base64(e) });
}

function ed25519Key(body: Uint8Array): KeyObject | undefined {
  if (!ED25519_OID.every((byte, i) => body[6 + i] === byte)) return undefined;
  const [point] = readMpis(body.subarray(6 + ED25519_OID.length)) ?? [];
  if (point?.length !== 33 || point[0] !== 0x40) return undefined;
  return importJwk({ kty: "OKP", crv: "Ed25519", x: Buffer.from(point.subarray(1)).toString("base64url") });
}

/** All version 4 signatures in a run of packets. */
export function readSignatures(bytes: Uint8Array): Signature[] {
  const signatures: Signature[] = [];
  for (const { tag, body } of readPackets(bytes)) {
    const signature = tag === TAG_SIGNATURE && body[0] === 4 ? readSignature(body) : undefined;
    if (signature) signatures.push(signature);
  }
  return signatures;
}

function readSignature(body: Uint8Array): Signature | undefined {
  const hashedEnd = 6 + readUint(body, 4, 2);
  const unhashedEnd = hashedEnd + 2 + readUint(body, hashedEnd, 2);
  if (unhashedEnd + 2 > body.length) return undefined;
  const hashed = readSubpackets(body.subarray(6, hashedEnd));
  const unhashed = readSubpackets(body.subarray(hashedEnd + 2, unhashedEnd));
  const values = readMpis(body.subarray(unhashedEnd + 2));
  const created = hashed?.get(SUBPACKET_CREATED);
  if (!hashed || !unhashed || !values || created === undefined) return undefined;
  const fingerprint = hashed.get(SUBPACKET_ISSUER_FINGERPRINT) ?? unhashed.get(SUBPACKET_ISSUER_FINGERPRINT);
  const keyId = hashed.get(SUBPACKET_ISSUER) ?? unhashed.get(SUBPACKET_ISSUER);
  const issuer = fingerprint?.subarray(1) ?? keyId;
  if (!issuer) return undefined;
  const createdSeconds = readUint(created, 0, 4);
  const lifetime = hashed.get(SUBPACKET_EXPIRES);
  const tailLength = Buffer.alloc(6);
  tailLength.writeUInt16BE(0x04ff);
  tailLength.writeUInt32BE(hashedEnd, 2);
  return {
    type: body[1]!,
    algorithm: body[2]!,
    hashAlgorithm: body[3]!,
    hashedTail: Buffer.concat([body.subarray(0, hashedEnd), tailLength]),
    issuer: Buffer.from(issuer).toString("hex"),
    createdSeconds,
    expiresSeconds: lifetime && readUint(lifetime, 0, 4) > 0 ? createdSeconds + readUint(lifetime, 0, 4) : undefined,
    values,
  };
}

/** Subpackets by type; undefined when malformed, or when a critical one is not understood. */
function readSubpackets(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const subpackets = new Map<number, Uint8Array>();
  for (let pos = 0; pos < bytes.length; ) {
    const length = newLength(bytes, pos);
    if (!length || length.bodyBytes === 0) return undefined;
    const start = pos + length.fieldBytes;
    const end = start + length.bodyBytes;
    if (end > bytes.length) return undefined;
    const type = bytes[start]! & ~CRITICAL_BIT;
    if (bytes[start]! & CRITICAL_BIT && !HARMLESS_SUBPACKETS.has(type)) return undefined;
    subpackets.set(type, bytes.subarray(start + 1, end));
    pos = end;
  }
  return subpackets;
}
