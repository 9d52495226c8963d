// Helpers for the tests of the guest recipe: keys that sign, packages, and a small mirror made of them.
import { execFileSync } from "node:child_process";
import { createHash, sign as cryptoSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc24 } from "./openpgp/crc24.js";

const HASH_SHA256 = 8;
const KEY_CREATED_SECONDS = 1_700_000_000;
const RSA = 1;
const EDDSA = 22;
const ED25519_OID = [9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1];

/** An OpenPGP key that can sign, with its public keyring. */
export interface TestKey {
  readonly algorithm: number;
  readonly keyring: Uint8Array;
  readonly fingerprint: Buffer;
  readonly secret: KeyObject;
}

const u16 = (n: number) => Buffer.from([n >> 8, n]);
const u32 = (n: number) => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n]);

function mpi(value: Uint8Array): Buffer {
  const start = value.findIndex((byte) => byte !== 0);
  const trimmed = value.subarray(start < 0 ? value.length : start);
  const bits = trimmed.length === 0 ? 0 : trimmed.length * 8 - (Math.clz32(trimmed[0]!) - 24);
  return Buffer.concat([u16(bits), trimmed]);
}

function packet(tag: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0xc0 | tag, 0xff]), u32(body.length), body]);
}

/** Makes a key pair and writes its public half as an OpenPGP packet. */
export function makeKey(kind: "rsa" | "ed25519"): TestKey {
  const pair = kind === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : generateKeyPairSync("ed25519");
  const jwk = pair.publicKey.export({ format: "jwk" });
  const part = (text: string | undefined) => Buffer.from(text!, "base64url");
  const algorithm = kind === "rsa" ? RSA : EDDSA;
  const numbers =
    kind === "rsa"
      ? Buffer.concat([mpi(part(jwk.n)), mpi(part(jwk.e))])
      : Buffer.concat([Buffer.from(ED25519_OID), mpi(Buffer.concat([Buffer.from([0x40]), part(jwk.x)]))]);
  const body = Buffer.concat([Buffer.from([4]), u32(KEY_CREATED_SECONDS), Buffer.from([algorithm]), numbers]);
  const framed = Buffer.concat([Buffer.from([0x99]), u16(body.length), body]);
  const fingerprint = createHash("sha1").update(framed).digest();
  const signer = { algorithm, fingerprint, secret: pair.privateKey };
  const userId = Buffer.from("Test <test@example.org>");
  const certified = Buffer.concat([framed, Buffer.from([0xb4]), u32(userId.length), userId]);
  const canSign = subpacket(27, Buffer.from([3]));
  const selfSignature = signaturePacket(0x13, certified, signer, { createdSeconds: KEY_CREATED_SECONDS }, canSign);
  return { ...signer, keyring: Buffer.concat([packet(6, body), packet(13, userId), selfSignature]) };
}

/** What a test may bend when it signs. */
export interface SignOptions {
  readonly createdSeconds?: number;
  readonly lifetimeSeconds?: number;
  readonly hashAlgorithm?: number;
  readonly criticalSubpacket?: number;
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([body.length + 1, type]), body]);
}

function signaturePacket(
  type: number,
  data: Buffer,
  key: Omit<TestKey, "keyring">,
  options: SignOptions,
  more: Buffer = Buffer.alloc(0),
): Buffer {
  const hashed = Buffer.concat([
    subpacket(33, Buffer.concat([Buffer.from([4]), key.fingerprint])),
    subpacket(2, u32(options.createdSeconds ?? Math.floor(Date.now() / 1000) - 60)),
    ...(options.lifetimeSeconds ? [subpacket(3, u32(options.lifetimeSeconds))] : []),
    ...(options.criticalSubpacket ? [subpacket(0x80 | options.criticalSubpacket, Buffer.from([1]))] : []),
    more,
  ]);
  const hashAlgorithm = options.hashAlgorithm ?? HASH_SHA256;
  const head = Buffer.concat([Buffer.from([4, type, key.algorithm, hashAlgorithm]), u16(hashed.length), hashed]);
  const signed = Buffer.concat([data, head, Buffer.from([4, 0xff]), u32(head.length)]);
  const digest = createHash("sha256").update(signed).digest();
  const value = key.algorithm === RSA ? cryptoSign("sha256", signed, key.secret) : cryptoSign(null, digest, key.secret);
  const numbers =
    key.algorithm === RSA ? mpi(value) : Buffer.concat([mpi(value.subarray(0, 32)), mpi(value.subarray(32))]);
  const unhashed = subpacket(16, key.fingerprint.subarray(12));
  return packet(2, Buffer.concat([head, u16(unhashed.length), unhashed, digest.subarray(0, 2), numbers]));
}

/** The cleartext-signed form of `text`. */
export function clearsign(text: string, key: TestKey, options: SignOptions = {}): string {
  const canonical = Buffer.from(
    text
      .replace(/\n$/, "")
      .replace(/[ \t]+$/gm, "")
      .replaceAll("\n", "\r\n"),
  );
  const signature = signaturePacket(1, canonical, key, options);
  const base64 = signature
    .toString("base64")
    .match(/.{1,64}/g)!
    .join("\n");
  const escaped = text.replace(/^-/gm, "- -");
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${escaped}-----BEGIN PGP SIGNATURE-----\n\n${base64}\n=${crc24(signature)}\n-----END PGP SIGNATURE-----\n`;
}

/** A 64-bit ELF file with just a .modinfo section. */
export function makeModule(info: Readonly<Record<string, string>>): Uint8Array {
  const modinfo = Buffer.from(
    Object.entries(info)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(""),
  );
  const names = Buffer.from("\0.modinfo\0.shstrtab\0");
  const tableOff = 64 + modinfo.length + names.length;
  const file = Buffer.alloc(tableOff + 3 * 64);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeBigUInt64LE(BigInt(tableOff), 40);
  file.writeUInt16LE(64, 58);
  file.writeUInt16LE(3, 60);
  file.writeUInt16LE(2, 62);
  modinfo.copy(file, 64);
  names.copy(file, 64 + modinfo.length);
  const header = (index: number, nameOff: number, off: number, size: number) => {
    file.writeUInt32LE(nameOff, tableOff + index * 64);
    file.writeBigUInt64LE(BigInt(off), tableOff + index * 64 + 24);
    file.writeBigUInt64LE(BigInt(size), tableOff + index * 64 + 32);
  };
  header(1, 1, 64, modinfo.length);
  header(2, 10, 64 + modinfo.length, names.length);
  return new Uint8Array(file);
}

/** Runs `work` with a folder that is gone afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-guest-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeFiles(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Builds a package with dpkg-deb and returns its stanza for a Packages file. */
function addPackage(
  mirror: string,
  name: string,
  depends: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): string {
  const root = join(mirror, "build", name);
  const control = [`Package: ${name}`, "Version: 1.0-1", "Architecture: amd64", "Maintainer: T <t@example.org>"];
  if (depends) control.push(`Depends: ${depends}`);
  writeFiles(root, { "DEBIAN/control": `${[...control, "Description: test"].join("\n")}\n`, ...files });
  const filename = `pool/${name}.deb`;
  mkdirSync(join(mirror, "pool"), { recursive: true });
  execFileSync("dpkg-deb", ["--root-owner-group", "-b", root, join(mirror, filename)], { stdio: "pipe" });
  const deb = readFileSync(join(mirror, filename));
  const sha256 = createHash("sha256").update(deb).digest("hex");
  return `${control.join("\n")}\nFilename: ${filename}\nSize: ${deb.length}\nSHA256: ${sha256}\n`;
}

/** The release string of the kernel in a test mirror. */
export const TEST_RELEASE = "6.1.0-1-cloud-amd64";

/** Makes a mirror with a tiny kernel package and busybox, signed by `key`; returns its file: URL. */
export function makeMirror(folder: string, key: TestKey, extraRelease = ""): string {
  const modules = `lib/modules/${TEST_RELEASE}/`;
  const busybox = Buffer.from("\0[\0[[\0ash\0init\0mount\0sh\0\0end");
  const packages = [
    addPackage(folder, "linux-image-cloud-amd64", `linux-image-${TEST_RELEASE} (= 1.0-1)`, {}),
    addPackage(folder, `linux-image-${TEST_RELEASE}`, "kmod, linux-base", {
      [`boot/vmlinuz-${TEST_RELEASE}`]: "not really a kernel",
      [`${modules}modules.builtin`]: "kernel/fs/ext4/ext4.ko\n",
      [`${modules}kernel/net/xen-netfront.ko`]: makeModule({ alias: "xen:vif", depends: "", name: "xen_netfront" }),
      [`${modules}kernel/drivers/top.ko`]: makeModule({ depends: "middle", name: "top" }),
      [`${modules}kernel/drivers/middle.ko`]: makeModule({ depends: "", name: "middle" }),
    }),
    addPackage(folder, "busybox-static", "", { "bin/busybox": busybox }),
  ].join("\n");
  const index = execFileSync("xz", ["-c"], { input: packages });
  const sha256 = createHash("sha256").update(index).digest("hex");
  const release = `Origin: Test\nSuite: stable\n${extraRelease}SHA256:\n ${sha256} ${index.length} main/binary-amd64/Packages.xz\n`;
  writeFiles(join(folder, "dists", "bookworm"), {
    InRelease: clearsign(release, key),
    "main/binary-amd64/Packages.xz": index,
  });
  return `file://${folder}`;
}
