import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeUtf8, S_IFDIR, S_IFLNK, S_IFREG } from "../../formats/index.js";
import { err, ok, unwrap } from "../../util/index.js";
import type { PackageInfo } from "../sources/source.js";
import { mergedPath, ownEntries } from "./files.js";
import { makeExt4 } from "./filesystem.js";
import { closure, dependencies } from "./packages.js";

/** A source of packages by name and dependencies. */
const source = (index: Readonly<Record<string, string>>) => ({
  find: async (name: string) => {
    const depends = index[name];
    if (depends === undefined) return err("source" as const, `no ${name}`);
    const info: PackageInfo = { name, version: "1", sizeBytes: 1, sha256: "", depends, filename: "" };
    return ok(info);
  },
});

describe("the packages of a disk", () => {
  it("are read from an index's fields", () => {
    expect(dependencies("libc6 (>= 2.36), a:any | b [amd64],\n g++-12")).toEqual([["libc6"], ["a", "b"], ["g++-12"]]);
    expect(dependencies("")).toEqual([]);
  });

  it("come with all that they depend on, each once, and with the first alternative that there is", async () => {
    const index = { a: "b, none | c", b: "c, a", c: "debconf (>= 0.5) | debconf-2.0", mawk: "" };
    expect(unwrap(await closure(source(index), ["a", "awk"])).map(({ name }) => name)).toEqual(["a", "mawk", "b", "c"]);
    expect(await closure(source({ a: "none" }), ["a"])).toMatchObject({ ok: false, error: { message: "no none" } });
  });
});

describe("a merged root", () => {
  it.each([
    ["bin/bash", "usr/bin/bash"],
    ["lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"],
    ["lib64", "usr/lib64"],
    ["usr/bin/env", "usr/bin/env"],
    ["binary", "binary"],
  ])("has %s at %s", (path, place) => {
    expect(mergedPath(path)).toBe(place);
  });

  it("has init, and scripts that are shell", () => {
    const own = new Map(ownEntries().map((entry) => [entry.path, entry]));
    expect(own.get("usr/sbin/init")).toBeDefined();
    execFileSync("sh", ["-n"], { input: own.get("etc/init.d/rcS")!.data });
  });
});

describe("a file system", () => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-ext4-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (path: string, mode: number, text = path) => ({ path, mode: S_IFREG | mode, data: encodeUtf8(text) });

  it("has contents, owners and whole modes without root", async () => {
    const image = join(folder, "a.img");
    const entries = [
      { path: "etc", mode: S_IFDIR | 0o755, data: new Uint8Array(0) },
      { path: "tmp", mode: S_IFDIR | 0o1777, data: new Uint8Array(0) },
      file("etc/with space", 0o640),
      file("usr/bin/su", 0o4755),
      { ...file("etc/shadow", 0o640), gid: 42 },
      { ...file("usr/bin/su2", 0o4755), data: new Uint8Array(0), hardLinkTo: "usr/bin/su" },
      { path: "bin", mode: S_IFLNK | 0o777, data: encodeUtf8("usr/bin") },
    ];
    unwrap(await makeExt4(entries, image, 16 << 20, join(folder, "staging")));
    const ask = (command: string) =>
      execFileSync("debugfs", ["-R", command, image], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    expect(ask("stat usr/bin/su")).toMatch(/Mode: +04755[\s\S]*User: +0 +Group: +0[\s\S]*Links: 2/);
    expect(ask("stat etc/shadow")).toMatch(/Mode: +0640[\s\S]*Group: +42/);
    expect(ask("stat tmp")).toMatch(/Mode: +01777/);
    expect(ask("stat usr")).toMatch(/User: +0 +Group: +0/);
    expect(ask('cat "etc/with space"')).toBe("etc/with space");
    expect(ask("stat bin")).toContain('Fast link dest: "usr/bin"');
    execFileSync("e2fsck", ["-fn", image], { stdio: "ignore" });
  });

  it("says what to install where the program is not", async () => {
    const before = process.env.PATH;
    process.env.PATH = folder;
    try {
      const made = await makeExt4([], join(folder, "b.img"), 16 << 20, join(folder, "staging"));
      expect(made).toMatchObject({
        ok: false,
        error: { code: "tool", message: expect.stringContaining("apt install e2fsprogs") },
      });
    } finally {
      process.env.PATH = before;
    }
  });
});
