import { expect, test } from "vitest";
import { type ArchiveEntry, decodeUtf8, encodeUtf8 } from "../formats/index.js";
import { unwrap } from "../util/index.js";
import { readElfSection } from "./elf.js";
import { moduleIndexFiles, readModuleTree, resolveModules } from "./modules.js";
import { makeModule } from "./test-support.js";

const FOLDER = "lib/modules/6.1.0-x/";
const file = (path: string, data: Uint8Array): ArchiveEntry => ({ path: FOLDER + path, mode: 0o100644, data });
const module = (path: string, depends: string, alias = "") =>
  file(path, makeModule({ depends, alias, license: "GPL" }));

const ENTRIES = [
  file("modules.builtin", encodeUtf8("kernel/fs/built-in-fs.ko\n")),
  module("kernel/fs/ext4/ext4.ko", "mbcache,jbd2", "fs-ext4"),
  module("kernel/fs/over.ko", "ext4"),
  module("kernel/fs/jbd2/jbd2.ko", "built_in_fs"),
  module("kernel/fs/mbcache.ko", ""),
  module("kernel/loop-a.ko", "loop_b"),
  module("kernel/loop-b.ko", "loop-a"),
  module("kernel/orphan.ko", "absent"),
];
const TREE = unwrap(readModuleTree(ENTRIES));
const names = (...wanted: string[]) => unwrap(resolveModules(TREE, wanted)).map(({ name }) => name);

test("the release is the folder's name", () => {
  expect(TREE.release).toBe("6.1.0-x");
});

test("dependencies come first, and each module once", () => {
  expect(names("ext4", "jbd2")).toEqual(["mbcache", "jbd2", "ext4"]);
});

test("what the kernel has built in needs no file", () => {
  expect(names("built-in-fs")).toEqual([]);
});

test("a dash and an underscore are the same in a name", () => {
  expect(names("loop_a")).toEqual(["loop_b", "loop_a"]);
});

test("modules that need each other end the search", () => {
  expect(names("loop-b")).toEqual(["loop_a", "loop_b"]);
});

test("a name that is neither module nor built in is an error, unless it is optional", () => {
  expect(resolveModules(TREE, ["nonsense"])).toMatchObject({ ok: false, error: { code: "module" } });
  expect(resolveModules(TREE, ["orphan"])).toMatchObject({ ok: false, error: { code: "module" } });
  expect(unwrap(resolveModules(TREE, [], ["nonsense"]))).toEqual([]);
});

test("the index files list what modprobe needs", () => {
  const files = moduleIndexFiles(TREE, unwrap(resolveModules(TREE, ["over"])));
  const text = new Map(files.map(({ path, data }) => [path, decodeUtf8(data)]));
  // What is needed first stands last, as depmod has it: busybox's modprobe loads from the end.
  const [ext4, jbd2, mbcache] = ["ext4/ext4", "jbd2/jbd2", "mbcache"].map((name) => `kernel/fs/${name}.ko`);
  expect(text.get(`${FOLDER}modules.dep`)).toBe(
    `${mbcache}:\n${jbd2}:\n${ext4}: ${jbd2} ${mbcache}\nkernel/fs/over.ko: ${ext4} ${jbd2} ${mbcache}\n`,
  );
  expect(text.get(`${FOLDER}modules.alias`)).toBe("alias fs-ext4 ext4\n");
});

test("damaged module files have no section rather than an exception", () => {
  const good = makeModule({ depends: "a" });
  for (let i = 0; i < good.length; i++) {
    const bad = good.slice(0, i % 2 ? i : undefined);
    bad[i % Math.max(bad.length, 1)] = 0xff;
    const section = readElfSection(bad, ".modinfo");
    expect(section === undefined || section instanceof Uint8Array).toBe(true);
  }
});

test("a package without modules is refused", () => {
  expect(readModuleTree([])).toMatchObject({ ok: false, error: { code: "corrupt" } });
});
