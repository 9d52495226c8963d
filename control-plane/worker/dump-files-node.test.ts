import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dumpFiles } from "./dump-files-node.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xenolith-dumps-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const chunks = [Uint8Array.of(1, 2), Uint8Array.of(3)];

test("a dump is a file that only its owner reads", async () => {
  await dumpFiles(folder)("guest.1.core", chunks);
  expect([...readFileSync(join(folder, "guest.1.core"))]).toEqual([1, 2, 3]);
  expect(statSync(join(folder, "guest.1.core")).mode & 0o777).toBe(0o600);
});

test("a later dump of the same name takes the place of the former", async () => {
  await dumpFiles(folder)("guest.1.core", chunks);
  await dumpFiles(folder)("guest.1.core", [Uint8Array.of(9)]);
  expect([...readFileSync(join(folder, "guest.1.core"))]).toEqual([9]);
});

test("what breaks off leaves no file", async () => {
  function* broken(): Generator<Uint8Array> {
    yield Uint8Array.of(1);
    throw new Error("the domain is gone");
  }
  await expect(dumpFiles(folder)("guest.1.core", broken())).rejects.toThrow("the domain is gone");
  expect(readdirSync(folder)).toEqual([]);
});

test("a directory that is not there is an error and no more", async () => {
  await expect(dumpFiles(join(folder, "none"))("guest.1.core", chunks)).rejects.toThrow("ENOENT");
});

test("names stay in the directory, and on Windows have no colon", async () => {
  await dumpFiles(folder, "win32")("../a:b.1.core", chunks);
  await dumpFiles(folder, "linux")("a:b.2.core", chunks);
  expect(readdirSync(folder).sort()).toEqual(["a-b.1.core", "a:b.2.core"]);
});
