import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { decodeUtf8, readCpio } from "../formats/index.js";
import { unwrap } from "../util/index.js";
import { type PrepareGuestOptions, type Progress, prepareGuest } from "./index.js";
import { makeKey, makeMirror, TEST_RELEASE, withFolder } from "./test-support.js";

// Real tools run here, and a loaded machine runs them slowly.
vi.setConfig({ testTimeout: 60_000 });

const KEY = makeKey("ed25519");

/** A mirror, its keyring and an empty cache, all in one temporary folder. */
function withMirror(
  work: (setup: { mirror: string; folder: string; options: PrepareGuestOptions }) => Promise<void>,
  extraRelease = "",
): Promise<void> {
  return withFolder(async (folder) => {
    const mirror = makeMirror(join(folder, "mirror"), KEY, extraRelease);
    const keyring = join(folder, "keyring.gpg");
    writeFileSync(keyring, KEY.keyring);
    await work({ mirror, folder, options: { flavour: "cloud", mirror, keyring, cacheDir: join(folder, "cache") } });
  });
}

test("a guest is built from a mirror, then comes from the cache without it", async () => {
  await withMirror(async ({ folder, options }) => {
    const phases: Progress[] = [];
    const image = unwrap(await prepareGuest({ ...options, onProgress: (progress) => phases.push(progress) }));
    expect(image.name).toBe("debian-cloud");
    expect(readFileSync(image.kernel, "utf8")).toBe("not really a kernel");
    expect(image.manifest).toMatchObject({ release: TEST_RELEASE, modules: ["xen_netfront"] });
    const entries = unwrap(readCpio(new Uint8Array(readFileSync(image.initramfs)))).map(({ path }) => path);
    expect(entries).toContain(`lib/modules/${TEST_RELEASE}/kernel/net/xen-netfront.ko`);
    expect(new Set(phases.map(({ phase }) => phase))).toEqual(new Set(["index", "download", "unpack", "build"]));
    rmSync(join(folder, "mirror"), { recursive: true });
    expect(unwrap(await prepareGuest({ ...options, offline: true }))).toEqual(image);
  });
});

test("other modules are added from the packages in the cache, with their dependencies", async () => {
  await withMirror(async ({ folder, options }) => {
    unwrap(await prepareGuest(options));
    rmSync(join(folder, "mirror"), { recursive: true });
    const image = unwrap(await prepareGuest({ ...options, offline: true, modules: ["top", "ext4"] }));
    expect(image.manifest.modules).toEqual(["xen_netfront", "middle", "top"]);
    const entries = unwrap(readCpio(new Uint8Array(readFileSync(image.initramfs))));
    expect(decodeUtf8(entries.find(({ path }) => path === "etc/modules")!.data)).toMatch(/^#.*\ntop\n$/);
    const missing = await prepareGuest({ ...options, offline: true, modules: ["nonsense"] });
    expect(missing).toMatchObject({ ok: false, error: { code: "module" } });
  });
});

test("two preparations at once give the same guest", async () => {
  await withMirror(async ({ options }) => {
    const [a, b] = await Promise.all([prepareGuest(options), prepareGuest(options)]);
    expect(unwrap(a)).toEqual(unwrap(b));
  });
});

test("a damaged cache is built anew", async () => {
  await withMirror(async ({ options }) => {
    const image = unwrap(await prepareGuest(options));
    writeFileSync(image.kernel, "short");
    const again = unwrap(await prepareGuest(options));
    expect(readFileSync(again.kernel, "utf8")).toBe("not really a kernel");
  });
});

test("a mirror over HTTP works, and its absence is reported as offline", async () => {
  await withMirror(async ({ folder, options }) => {
    const server = createServer((request, response) => {
      try {
        response.end(readFileSync(join(folder, "mirror", request.url!)));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await prepareGuest({ ...options, mirror })).ok).toBe(true);
    const full = await prepareGuest({ ...options, mirror, flavour: "full" });
    expect(full).toMatchObject({ ok: false, error: { code: "source" } });
    await new Promise((resolve) => server.close(resolve));
    const gone = await prepareGuest({ ...options, mirror, cacheDir: join(folder, "cache2") });
    expect(gone).toMatchObject({ ok: false, error: { code: "offline" } });
  });
});

describe("what cannot be verified is refused", () => {
  test("a package that was changed", async () => {
    await withMirror(async ({ folder, options }) => {
      appendFileSync(join(folder, "mirror", "pool", "busybox-static.deb"), "x");
      const result = await prepareGuest(options);
      expect(result).toMatchObject({ ok: false, error: { code: "unverified" } });
    });
  });

  test("a package index that was changed", async () => {
    await withMirror(async ({ folder, options }) => {
      const path = join(folder, "mirror", "dists", "bookworm", "main", "binary-amd64", "Packages.xz");
      const index = readFileSync(path);
      index[index.length - 1]! ^= 1;
      writeFileSync(path, index);
      expect(await prepareGuest(options)).toMatchObject({ ok: false, error: { code: "unverified" } });
    });
  });

  test("an index that somebody else signed", async () => {
    await withMirror(async ({ folder, options }) => {
      writeFileSync(options.keyring!, makeKey("ed25519").keyring);
      expect(await prepareGuest(options)).toMatchObject({ ok: false, error: { code: "unverified" } });
      expect(await prepareGuest({ ...options, keyring: join(folder, "absent") })).toMatchObject({
        ok: false,
        error: { code: "unverified" },
      });
    });
  });

  test("an index that is out of date", async () => {
    await withMirror(async ({ options }) => {
      expect(await prepareGuest(options)).toMatchObject({ ok: false, error: { code: "unverified" } });
    }, "Valid-Until: Sat, 10 Jan 2026 10:00:00 UTC\n");
  });

  test("a package in the cache that no longer has its hash", async () => {
    await withMirror(async ({ folder, options }) => {
      const { packages } = unwrap(await prepareGuest(options)).manifest;
      writeFileSync(join(folder, "cache", "packages", `${packages[0]!.sha256}.deb`), "evil");
      const result = await prepareGuest({ ...options, modules: ["top"], offline: true });
      expect(result).toMatchObject({ ok: false, error: { code: "offline" } });
    });
  });
});

test("offline with an empty cache says what to do", async () => {
  await withFolder(async (folder) => {
    const result = await prepareGuest({ flavour: "cloud", cacheDir: folder, offline: true });
    expect(result).toMatchObject({ ok: false, error: { code: "offline" } });
    if (!result.ok) expect(result.error.message).toMatch(/cache.*npm run guest/);
  });
});

test("a cancelled preparation stops", async () => {
  await withMirror(async ({ options }) => {
    const result = await prepareGuest({ ...options, signal: AbortSignal.abort() });
    expect(result).toMatchObject({ ok: false, error: { code: "cancelled" } });
  });
});
