// The recipe against the real world: Debian's packages through apt, Debian's signatures, and Debian's kernel files.
// Needs a Debian machine, and a network unless the cache is filled. Fills the user's own cache, as `npm start` would.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decompress, readCpio } from "../formats/index.js";
import { unwrap } from "../util/index.js";
import { prepareGuest } from "./index.js";
import { verifyRelease, verifyWithOwnKey } from "./openpgp/index.js";
import { parseKeyring, verifyClearsigned } from "./openpgp/verify.js";
import { withFolder } from "./test-support.js";

const TIMEOUT_MS = 300_000;
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The compressed kernel inside a bzImage, without the unpacked size that ends it. */
function payloadOf(bzImage: Uint8Array): { packed: Uint8Array; unpackedBytes: number } {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset);
  const start = (view.getUint8(0x1f1) + 1) * 512 + view.getUint32(0x248, true);
  const end = start + view.getUint32(0x24c, true);
  return { packed: bzImage.subarray(start, end), unpackedBytes: view.getUint32(end - 4, true) };
}

test.each(["cloud", "full"] as const)(
  "Debian's %s guest is prepared, and its kernel unpacks to what Linux says and other tools get",
  async (flavour) => {
    const image = unwrap(await prepareGuest({ flavour }));
    const { packed, unpackedBytes } = payloadOf(new Uint8Array(readFileSync(image.kernel)));
    const kernel = unwrap(decompress(packed, 1 << 30, { ignoreTrailing: true }));
    expect(kernel.length).toBe(unpackedBytes);
    const [tool, ...args] = packed[0] === 0xfd ? ["xz", "-dc"] : ["lz4", "-dc"];
    const theirs = execFileSync(tool!, args, { input: packed.subarray(0, -4), maxBuffer: 1 << 30 });
    expect(createHash("sha256").update(kernel).digest("hex")).toBe(createHash("sha256").update(theirs).digest("hex"));
    const entries = new Map(
      unwrap(readCpio(new Uint8Array(readFileSync(image.initramfs)))).map((entry) => [entry.path, entry]),
    );
    for (const path of ["init", "bin/sh", "bin/poweroff", "etc/modules"]) expect(entries.has(path), path).toBe(true);
    expect(image.manifest.modules).toEqual(expect.arrayContaining(["xen_blkfront", "xen_netfront"]));
    const listing = execFileSync("cpio", ["-t", "--quiet"], { input: readFileSync(image.initramfs) }).toString();
    expect(listing.trimEnd().split("\n")).toHaveLength(entries.size);
  },
  TIMEOUT_MS,
);

test("the second preparation comes from the cache, without a network", { timeout: TIMEOUT_MS }, async () => {
  const first = unwrap(await prepareGuest({ flavour: "cloud" }));
  const second = unwrap(await prepareGuest({ flavour: "cloud", offline: true }));
  expect(second).toEqual(first);
});

test("neither apt's own lists nor an amd64 machine are needed", { timeout: TIMEOUT_MS }, async () => {
  await withFolder(async (folder) => {
    process.env.APT_CONFIG = join(folder, "apt.conf");
    writeFileSync(
      process.env.APT_CONFIG,
      `Dir::State::Lists "${join(folder, "no-lists")}";\nAPT::Architecture "arm64";\n`,
    );
    try {
      const image = unwrap(await prepareGuest({ flavour: "cloud", cacheDir: join(folder, "cache") }));
      expect(image.manifest.source).toBe("apt");
    } finally {
      delete process.env.APT_CONFIG;
    }
  });
});

test("Debian's signatures are accepted with Debian's keys, and refused once a byte is changed", async () => {
  const lists = "/var/lib/apt/lists";
  const files = readdirSync(lists).filter((name) => /bookworm.*InRelease$/.test(name));
  expect(files.length, "no package lists: run apt-get update").toBeGreaterThan(0);
  const keys = parseKeyring(new Uint8Array(readFileSync(KEYRING)));
  for (const name of files) {
    const message = new Uint8Array(readFileSync(join(lists, name)));
    expect(unwrap(verifyClearsigned(message, keys, Date.now()))).toContain("Origin: Debian");
    expect((await verifyRelease(message, undefined)).ok).toBe(true);
    // Debian signs each point release with the key that is built in.
    if (name.endsWith("_bookworm_InRelease")) expect(verifyWithOwnKey(message, Date.now()).ok).toBe(true);
    message[message.indexOf(0x4f)]! ^= 1;
    expect(verifyClearsigned(message, keys, Date.now()).ok).toBe(false);
  }
});
