import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { unwrap } from "../util/index.js";
import { readAr } from "./ar.js";
import { type ArchiveEntry, normalizePath, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "./archive.js";
import { readCpio, writeCpio } from "./cpio.js";
import { readDebControl, readDebData } from "./deb.js";
import { readTar } from "./tar.js";
import { mutations, runTool, withFolder } from "./test-support.js";
import { decodeUtf8, encodeUtf8 } from "./text.js";

// Real tools run here, and a loaded machine runs them slowly.
vi.setConfig({ testTimeout: 60_000 });

const LIMIT = 16 << 20;
const LONG_NAME = `${"long-folder-name/".repeat(12)}file-whose-path-needs-an-extended-header`;

/** A folder with a file, a long path, a symbolic link, a hard link and an empty folder. */
function makeTree(folder: string): void {
  mkdirSync(join(folder, LONG_NAME, ".."), { recursive: true });
  mkdirSync(join(folder, "empty"));
  writeFileSync(join(folder, "hello.txt"), "hello\n");
  writeFileSync(join(folder, LONG_NAME), "far down\n");
  symlinkSync("hello.txt", join(folder, "link"));
  runTool("ln", ["hello.txt", "hard"], undefined, folder);
}

function find(entries: readonly ArchiveEntry[], path: string): ArchiveEntry {
  const entry = entries.find((candidate) => candidate.path === path);
  if (!entry) throw new Error(`no entry ${path} among ${entries.map((e) => e.path).join(" ")}`);
  return entry;
}

function expectTree(entries: readonly ArchiveEntry[]): void {
  expect(decodeUtf8(find(entries, LONG_NAME).data)).toBe("far down\n");
  expect(find(entries, "empty").mode & S_IFMT).toBe(S_IFDIR);
  expect(find(entries, "link")).toMatchObject({ mode: S_IFLNK | 0o777, data: encodeUtf8("hello.txt") });
  const twins = [find(entries, "hello.txt"), find(entries, "hard")];
  expect(twins.map((entry) => entry.hardLinkTo ?? decodeUtf8(entry.data)).sort()).toEqual(
    [twins.find((entry) => entry.hardLinkTo === undefined)!.path === "hard" ? "hard" : "hello.txt", "hello\n"].sort(),
  );
}

describe("tar", () => {
  test.each(["ustar", "gnu", "pax"])("reads what GNU tar writes in %s format", (format) => {
    withFolder((folder) => {
      makeTree(folder);
      expectTree(unwrap(readTar(runTool("tar", ["-c", `--format=${format}`, "."], undefined, folder))));
    });
  });

  test("reads base-256 numbers and device nodes", () => {
    const args = ["-c", "--format=gnu", "--owner=x:3000000", "/dev/null"];
    const [entry] = unwrap(readTar(runTool("tar", args)));
    expect(entry).toMatchObject({ path: "dev/null", uid: 3_000_000, deviceMajor: 1, deviceMinor: 3 });
    expect(entry!.mode & S_IFMT).toBe(S_IFCHR);
  });

  test("damaged archives give a result, never an exception", () => {
    withFolder((folder) => {
      makeTree(folder);
      const tar = runTool("tar", ["-c", "--format=pax", "."], undefined, folder);
      for (const bad of mutations(tar, 300)) expect(typeof readTar(bad).ok).toBe("boolean");
    });
  });

  test("refuses a wrong checksum and an entry that ends early", () => {
    withFolder((folder) => {
      writeFileSync(join(folder, "a"), "a".repeat(2000));
      const tar = runTool("tar", ["-c", "a"], undefined, folder);
      expect(readTar(tar.subarray(0, 1024))).toMatchObject({ ok: false, error: { code: "truncated" } });
      tar[0] = 0x62;
      expect(readTar(tar)).toMatchObject({ ok: false, error: { code: "corrupt" } });
    });
  });
});

describe("cpio", () => {
  const entries: ArchiveEntry[] = [
    { path: "dev", mode: S_IFDIR | 0o755, data: new Uint8Array(0) },
    { path: "dev/console", mode: S_IFCHR | 0o600, data: new Uint8Array(0), deviceMajor: 5, deviceMinor: 1 },
    { path: "init", mode: S_IFREG | 0o755, data: encodeUtf8("#!/bin/sh\n"), mtimeSeconds: 1 },
    { path: "sbin", mode: S_IFLNK | 0o777, data: encodeUtf8("bin") },
  ];

  test("what we write, cpio lists", () => {
    const listing = decodeUtf8(runTool("cpio", ["-itv", "--quiet"], writeCpio(entries)));
    const lines = listing.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[1]).toMatch(/^crw------- .* 5, +1 .* dev\/console$/);
    expect(lines[2]).toMatch(/^-rwxr-xr-x .* 10 .* init$/);
    expect(lines[3]).toMatch(/^lrwxrwxrwx .* sbin -> bin$/);
  });

  test("what cpio writes, we read", () => {
    withFolder((folder) => {
      makeTree(folder);
      const archive = runTool("sh", ["-c", "find . | cpio -o --quiet -H newc"], undefined, folder);
      const read = unwrap(readCpio(archive));
      expect(decodeUtf8(find(read, LONG_NAME).data)).toBe("far down\n");
      expect(decodeUtf8(find(read, "link").data)).toBe("hello.txt");
      expect(find(read, "empty").mode & S_IFMT).toBe(S_IFDIR);
    });
  });

  test("entries survive a round trip", () => {
    const path = fc.stringMatching(/^[a-z0-9é]{1,20}(\/[a-z0-9.]{1,20}x){0,3}$/).map(normalizePath);
    const entry = fc.record({
      path,
      mode: fc.nat(0o7777).map((permissions) => S_IFREG | permissions),
      data: fc.uint8Array(),
      uid: fc.nat(),
      gid: fc.nat(),
      mtimeSeconds: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(entry), (list) => {
        expect(unwrap(readCpio(writeCpio(list)))).toEqual(list);
      }),
    );
  });

  test("damaged archives give a result, never an exception", () => {
    const archive = writeCpio(entries);
    for (const bad of mutations(archive, 300)) expect(typeof readCpio(bad).ok).toBe("boolean");
    expect(readCpio(archive.subarray(0, 300))).toMatchObject({ ok: false, error: { code: "truncated" } });
  });
});

describe("Debian packages", () => {
  function makeDeb(folder: string, compression: string): Uint8Array {
    makeTree(join(folder));
    mkdirSync(join(folder, "DEBIAN"));
    const control =
      "Package: sample\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: a\n b\n";
    writeFileSync(join(folder, "DEBIAN", "control"), control);
    const output = join(folder, "..", `${process.pid}-${compression}.deb`);
    runTool("dpkg-deb", ["--root-owner-group", `-Z${compression}`, "-b", folder, output]);
    const deb = runTool("cat", [output]);
    runTool("rm", [output]);
    return deb;
  }

  const build = (compression: string) => withFolder((folder) => makeDeb(folder, compression));

  test.each(["xz", "gzip", "zstd", "none"])("reads what dpkg-deb builds with %s", async (compression) => {
    const deb = build(compression);
    expectTree(unwrap(await readDebData(deb, LIMIT)));
    const control = unwrap(readDebControl(deb));
    expect(control.get("Package")).toBe("sample");
    expect(control.get("Description")).toBe("a\nb");
    expect(unwrap(readAr(deb)).map(({ name }) => name)[0]).toBe("debian-binary");
  });

  test("damaged packages give a result, never an exception", async () => {
    for (const bad of mutations(build("gzip"), 200)) expect(typeof (await readDebData(bad, LIMIT)).ok).toBe("boolean");
  });

  test("refuses what is not a package, and more than the limit", async () => {
    const empty = await readDebData(encodeUtf8("!<arch>\n"), LIMIT);
    expect(empty).toMatchObject({ ok: false, error: { code: "corrupt" } });
    expect(readAr(encodeUtf8("hello"))).toMatchObject({ ok: false, error: { code: "corrupt" } });
    expect(await readDebData(build("xz"), 512)).toMatchObject({ ok: false, error: { code: "limit" } });
  });
});
