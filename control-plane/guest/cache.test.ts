import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ok } from "../util/index.js";
import { defaultCacheDir, readJson, withLock, writeFileAtomic } from "./cache.js";
import { withFolder } from "./test-support.js";

describe("the cache folder", () => {
  test.each([
    ["linux", {}, join("/home/u", ".cache", "xenolith")],
    ["linux", { XDG_CACHE_HOME: "/x" }, join("/x", "xenolith")],
    ["darwin", {}, join("/home/u", "Library", "Caches", "xenolith")],
    ["win32", { LOCALAPPDATA: "/local" }, join("/local", "xenolith")],
    ["win32", {}, join("/home/u", "AppData", "Local", "xenolith")],
  ] as const)("on %s with %o", (platform, env, expected) => {
    expect(defaultCacheDir(env, platform, "/home/u")).toBe(expected);
  });
});

test("an atomic write leaves the file and nothing else", async () => {
  await withFolder(async (folder) => {
    await writeFileAtomic(join(folder, "sub", "a.json"), '{"a":1}');
    await writeFileAtomic(join(folder, "sub", "a.json"), '{"a":2}');
    expect(await readJson(join(folder, "sub", "a.json"))).toEqual({ a: 2 });
    expect(readdirSync(join(folder, "sub"))).toEqual(["a.json"]);
  });
});

test("a file that is absent or not JSON reads as nothing", async () => {
  await withFolder(async (folder) => {
    expect(await readJson(join(folder, "absent"))).toBeUndefined();
    writeFileSync(join(folder, "bad"), "{");
    expect(await readJson(join(folder, "bad"))).toBeUndefined();
  });
});

describe("the lock", () => {
  test("keeps two pieces of work apart", async () => {
    await withFolder(async (folder) => {
      let inside = 0;
      let most = 0;
      const work = async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside--;
        return ok(undefined);
      };
      await Promise.all([1, 2, 3].map(() => withLock(join(folder, "lock"), undefined, work)));
      expect(most).toBe(1);
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  test("of a process that is gone is taken over", async () => {
    await withFolder(async (folder) => {
      writeFileSync(join(folder, "lock"), "999999999");
      expect(await withLock(join(folder, "lock"), undefined, async () => ok(1))).toEqual(ok(1));
      writeFileSync(join(folder, "lock"), String(process.pid));
      utimesSync(join(folder, "lock"), 0, 0);
      expect(await withLock(join(folder, "lock"), undefined, async () => ok(2))).toEqual(ok(2));
    });
  });

  test("stops waiting when it is cancelled", async () => {
    await withFolder(async (folder) => {
      writeFileSync(join(folder, "lock"), String(process.pid));
      const result = await withLock(join(folder, "lock"), AbortSignal.abort(), async () => ok(1));
      expect(result).toMatchObject({ ok: false, error: { code: "cancelled" } });
    });
  });
});
