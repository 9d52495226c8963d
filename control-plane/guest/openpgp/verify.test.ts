import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { clearsign, makeKey, withFolder } from "../test-support.js";
import { dearmor, readClearsigned } from "./armor.js";
import { crc24 } from "./crc24.js";
import { BOOKWORM_RELEASE_EXPIRES_MS, BOOKWORM_RELEASE_FINGERPRINT, debianKeyring } from "./debian-keys.js";
import { verifyRelease, verifyWithOwnKey } from "./index.js";
import { parseKeyring, verifyClearsigned } from "./verify.js";

// Real tools run here, and a loaded machine runs them slowly.
vi.setConfig({ testTimeout: 60_000 });

const NOW_MS = Date.now();
const TEXT = "Origin: Test\n- a line with a dash\nblanks at the end  \t\n\nlast line\n";
const utf8 = (text: string) => new TextEncoder().encode(text);

describe.each(["rsa", "ed25519"] as const)("%s signatures", (kind) => {
  const key = makeKey(kind);
  const keys = parseKeyring(key.keyring);
  const verify = (message: string) => verifyClearsigned(utf8(message), keys, NOW_MS);

  test("a good one gives the signed text", () => {
    expect(verify(clearsign(TEXT, key))).toEqual({ ok: true, value: TEXT });
  });

  test("a changed text is refused", () => {
    const changed = clearsign(TEXT, key).replace("Origin: Test", "Origin: Evil");
    expect(verify(changed)).toMatchObject({ ok: false, error: { code: "unverified" } });
  });

  test("a signature by a key that is not in the keyring is refused", () => {
    const stranger = clearsign(TEXT, makeKey(kind));
    expect(verify(stranger)).toMatchObject({ error: { message: expect.stringContaining("no key of the keyring") } });
  });

  test("one from the future and an expired one are refused", () => {
    const seconds = NOW_MS / 1000;
    const future = clearsign(TEXT, key, { createdSeconds: seconds + 7 * 86400 });
    expect(verify(future)).toMatchObject({ error: { message: expect.stringContaining("future") } });
    const expired = clearsign(TEXT, key, { createdSeconds: seconds - 1000, lifetimeSeconds: 500 });
    expect(verify(expired)).toMatchObject({ error: { message: expect.stringContaining("expired") } });
  });

  test("a weak hash and an unknown critical subpacket are refused", () => {
    expect(verify(clearsign(TEXT, key, { hashAlgorithm: 2 })).ok).toBe(false);
    expect(verify(clearsign(TEXT, key, { criticalSubpacket: 99 })).ok).toBe(false);
  });

  test("gpgv, where it is installed, agrees about good and bad", async () => {
    await withFolder(async (folder) => {
      const keyring = join(folder, "test.gpg");
      writeFileSync(keyring, key.keyring);
      expect((await verifyRelease(utf8(clearsign(TEXT, key)), keyring)).ok).toBe(true);
      const other = await verifyRelease(utf8(clearsign(TEXT, makeKey(kind))), keyring);
      expect(other).toMatchObject({ ok: false, error: { code: "unverified" } });
    });
  });
});

test("text outside the signed part is refused", () => {
  const key = makeKey("ed25519");
  const keys = parseKeyring(key.keyring);
  const message = clearsign(TEXT, key);
  expect(verifyClearsigned(utf8(`SHA256: evil\n${message}`), keys, NOW_MS).ok).toBe(false);
  expect(verifyClearsigned(utf8(message.replace("\n\n", "\nSHA256: evil\n\n")), keys, NOW_MS).ok).toBe(false);
  const text = verifyClearsigned(utf8(`${message}SHA256: evil\n`), keys, NOW_MS);
  expect(text).toEqual({ ok: true, value: TEXT });
});

test("armored keyrings are read, and a wrong armor checksum is refused", () => {
  const { keyring } = makeKey("rsa");
  const armor = (checksum: string) =>
    `-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\n${Buffer.from(keyring).toString("base64")}\n=${checksum}\n-----END PGP PUBLIC KEY BLOCK-----\n`;
  expect(parseKeyring(utf8(armor(crc24(keyring))))).toHaveLength(1);
  expect(dearmor(armor("AAAA"))).toBeUndefined();
});

test("damaged keyrings and signatures give a result, never an exception", () => {
  const key = makeKey("rsa");
  const message = clearsign(TEXT, key);
  const signature = readClearsigned(message)!.signature;
  for (let i = 0; i < 400; i++) {
    const ring = key.keyring.slice(0, i % 3 === 0 ? i % key.keyring.length : undefined);
    ring[(i * 7) % ring.length] = i;
    expect(Array.isArray(parseKeyring(ring))).toBe(true);
    const bad = signature.slice();
    bad[(i * 5) % bad.length]! ^= 1 + (i % 255);
    const armored = `-----BEGIN PGP SIGNATURE-----\n\n${Buffer.from(bad).toString("base64")}\n-----END PGP SIGNATURE-----\n`;
    const forged = message.slice(0, message.indexOf("-----BEGIN PGP SIGNATURE-----")) + armored;
    expect(typeof verifyClearsigned(utf8(forged), parseKeyring(key.keyring), NOW_MS).ok).toBe("boolean");
  }
});

test("the embedded key is Debian's, and is not used past its end", () => {
  expect(parseKeyring(debianKeyring()).map(({ fingerprint }) => fingerprint)).toEqual([BOOKWORM_RELEASE_FINGERPRINT]);
  const stranger = utf8(clearsign(TEXT, makeKey("ed25519")));
  expect(verifyWithOwnKey(stranger, NOW_MS)).toMatchObject({ error: { message: expect.stringContaining("no key") } });
  const late = verifyWithOwnKey(stranger, BOOKWORM_RELEASE_EXPIRES_MS + 1);
  expect(late).toMatchObject({ error: { message: expect.stringContaining("--keyring") } });
});

test("a keyring that is missing or holds no key is refused", async () => {
  const absent = await verifyRelease(utf8("x"), "/nonexistent/keyring.gpg");
  expect(absent).toMatchObject({ ok: false, error: { code: "unverified" } });
});
