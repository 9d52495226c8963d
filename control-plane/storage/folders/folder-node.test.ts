import { spawnSync } from "node:child_process";
import fs, {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StorageError } from "../errors.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { takeSnapshot } from "../live/snapshot.js";
import { Intent, stamp } from "../notes.js";
import { checkImage } from "../operations/check.js";
import { cloneImage, createImage } from "../operations/create.js";
import { ImageStore } from "../store.js";
import { failure, pattern, sameBytes, testImages } from "../testing/images.js";
import { NodeFolder } from "./folder-node.js";
import { checkedName, relativePath, resolveBelow } from "./names.js";

let root: string;
let folder: NodeFolder;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "xenolith-folder-"));
  folder = new NodeFolder(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("a file", () => {
  it("is read and written straight from shared memory, in pieces", async () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const part = (at: number, length: number) => new Uint8Array(memory.buffer, at, length);
    const file = await folder.create("a/b.img");
    part(0, 512).set(pattern(512, 1));
    part(4096, 1024).set(pattern(1024, 2));
    file.write(512, [part(0, 512), part(4096, 1024)]);
    file.write(0, [part(0, 512)]);
    await file.sync();
    expect(file.size).toBe(2048);
    file.read(0, [part(8192, 512), part(16384, 1536)]);
    expect(sameBytes(part(8192, 512).slice(), pattern(512, 1))).toBe(true);
    expect(sameBytes(part(16384 + 512, 1024).slice(), pattern(1024, 2))).toBe(true);
    await file.close();
  });

  it("is synced to the end although it is opened for writing again meanwhile", async () => {
    const file = await folder.create("a.img");
    file.write(0, [pattern(512, 1)]);
    await file.sync();
    file.downgrade();
    // More than the host does at a time: the last of them begin when the file is another one already.
    const syncs = Array.from({ length: 64 }, () => file.sync());
    await file.upgrade();
    await Promise.all(syncs);
    file.write(0, [pattern(512, 2)]);
    await file.sync();
    await file.close();
  });

  it("takes more pieces than the system does at once", async () => {
    const file = await folder.create("a.img");
    const pieces = Array.from({ length: 3000 }, (_, i) => new Uint8Array(512).fill(i));
    file.write(0, pieces);
    const back = Array.from({ length: 3000 }, () => new Uint8Array(512));
    file.read(0, back);
    expect(back.every((piece, i) => piece.every((byte) => byte === (i & 0xff)))).toBe(true);
    await file.close();
  });

  it("says what is wrong in our words", async () => {
    expect(await failure(() => folder.open("none.img", "read"))).toEqual({
      code: "not-found",
      message: "none.img: there is no such file",
    });
    const file = await folder.create("a.img");
    file.truncate(1000);
    expect(await failure(() => file.read(600, [new Uint8Array(512)]))).toEqual({
      code: "truncated",
      message: "a.img: the file ends at byte 1000 (found 400 bytes, expected 512 bytes)",
    });
    await file.close();
    expect((await failure(() => file.read(0, [new Uint8Array(1)]))).code).toBe("closed");
    expect((await failure(() => folder.create("a.img"))).code).toBe("exists");
    mkdirSync(join(root, "dir"));
    expect((await failure(() => folder.open("dir", "read"))).code).toBe("bad-name");
  });
});

describe("what is durable", () => {
  type Done = (error: Error | null) => void;
  const { fdatasync } = fs;
  /** Files whose sync the host has been asked for, in order, and how each ends. */
  let asked: { readonly name: string; end(error?: Error): void }[] = [];

  const syncWith = (call: unknown): void => {
    Object.assign(fs, { fdatasync: call });
    syncBuiltinESMExports();
  };
  const holdSyncs = (): void => {
    asked = [];
    syncWith((fd: number, done: Done): void => {
      const { ino } = fs.fstatSync(fd);
      const name = readdirSync(root).find((entry) => statSync(join(root, entry)).ino === ino)!;
      asked.push({ name, end: (error) => (error === undefined ? fdatasync(fd, done) : done(error)) });
    });
  };
  const releaseSyncs = (): void => syncWith(fdatasync);
  afterEach(releaseSyncs);
  const askedFor = (name: string) => vi.waitFor(() => expect(asked.at(-1)?.name).toBe(name));

  async function liveDisk(kind: "raw" | "dynamic"): Promise<LiveDisk> {
    const images = testImages({ folder });
    const name = kind === "raw" ? "a.img" : "a.vhd";
    await createImage(images, name, { kind, bytes: 2 ** 20 });
    return LiveDisk.open(images, name);
  }

  it.each([
    ["raw", ["a.img"]],
    // Data, then the table that points to them.
    ["dynamic", ["a.vhd", "a.vhd"]],
  ] as const)("is what the host has synced: a flush of a disk that is %s ends with that", async (kind, files) => {
    const disk = await liveDisk(kind);
    await disk.write(0, [pattern(512, 1)]);
    holdSyncs();
    let isDone = false;
    const flushed = Promise.resolve(disk.flush()).then(() => {
      isDone = true;
    });
    for (const [index, name] of files.entries()) {
      await askedFor(name);
      expect([asked.length, isDone]).toEqual([index + 1, false]);
      asked[index]!.end();
      await vi.waitFor(() => expect(isDone || asked.length > index + 1).toBe(true));
    }
    await flushed;
    expect(asked.map(({ name }) => name)).toEqual(files);
    releaseSyncs();
    await disk.close();
  });

  it("is not what the host could not sync, and it is not believed again", async () => {
    const disk = await liveDisk("raw");
    holdSyncs();
    const flushed = failure(() => disk.flush());
    await askedFor("a.img");
    asked[0]!.end(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }));
    expect((await flushed).code).toBe("io");
    expect((await failure(() => disk.write(0, [pattern(512, 1)]))).code).toBe("io");
    await failure(() => disk.close());
    expect(asked).toHaveLength(1);
  });
});

describe("locks", () => {
  it("let readers share and a writer be alone", async () => {
    await (await folder.create("a.img")).close();
    const [one, two] = [await folder.open("a.img", "read"), await folder.open("a.img", "read")];
    expect((await failure(() => folder.open("a.img", "write"))).code).toBe("locked");
    expect((await failure(() => folder.remove("a.img"))).code).toBe("locked");
    expect((await failure(() => one.upgrade())).code).toBe("locked");
    await two.close();
    await one.upgrade();
    one.write(0, [new Uint8Array(512)]);
    expect((await failure(() => folder.open("a.img", "read"))).code).toBe("locked");
    one.downgrade();
    expect((await failure(() => one.write(0, [new Uint8Array(512)]))).code).toBe("read-only");
    await (await folder.open("a.img", "read")).close();
    await one.close();
    expect(readdirSync(root)).toEqual(["a.img"]);
  });

  it("go with a file to its new name", async () => {
    const file = await folder.create("a.img");
    await (await folder.create("b.img")).close();
    await folder.rename("a.img", "b.img");
    expect(file.name).toBe("b.img");
    expect((await failure(() => folder.open("b.img", "read"))).code).toBe("locked");
    await file.close();
    await (await folder.open("b.img", "write")).close();
    expect((await folder.list()).map((f) => f.name)).toEqual(["b.img"]);
  });

  it("of a link stay with the file that it leads to", async () => {
    mkdirSync(join(root, "elsewhere"));
    writeFileSync(join(root, "elsewhere", "real.img"), "x");
    symlinkSync(join(root, "elsewhere", "real.img"), join(root, "a.img"));
    const file = await folder.open("a.img", "write");
    await folder.rename("a.img", "b.img");
    expect((await failure(() => folder.open("elsewhere/real.img", "write"))).code).toBe("locked");
    await file.close();
    await (await folder.open("elsewhere/real.img", "write")).close();
    expect(readdirSync(join(root, "elsewhere"))).toEqual(["real.img"]);
  });

  it("of dead processes are nobody's, those of the living hold", async () => {
    writeFileSync(join(root, "a.img"), "x");
    const dead = spawnSync("true").pid;
    writeFileSync(join(root, `.a.img.lock-write-${dead}-0-0.0`), "");
    await (await folder.open("a.img", "write")).close();
    expect(readdirSync(root)).toEqual(["a.img"]);
    writeFileSync(join(root, `.a.img.lock-write-${process.pid}-0-0.0`), "");
    const { code, message } = await failure(() => folder.open("a.img", "read"));
    expect(code).toBe("locked");
    expect(message).toContain(`process ${process.pid} has the file open for writing; close it there, or remove `);
  });
});

describe("times", () => {
  it("of snapshots are those that the images above say", async () => {
    const images = testImages({ folder });
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(0, [pattern(512, 1)]);
    await takeSnapshot(disk, "one.vhd");
    await disk.write(1, [pattern(512, 2)]);
    await takeSnapshot(disk, "two.vhd");
    await coalesce(disk, { image: "two.vhd" });
    await disk.close();
    await cloneImage(images, "two.vhd", "b.vhd");
    for (const name of ["a.vhd", "b.vhd"]) {
      expect((await checkImage(images, name)).filter((f) => f.kind === "parent")).toEqual([]);
    }
    utimesSync(join(root, "two.vhd"), 1e9, 1e9);
    expect((await checkImage(images, "a.vhd")).filter((f) => f.kind === "parent")).toMatchObject([
      { severity: "note", fault: { field: "Parent Time Stamp", found: "2001-09-09T01:46:40.000Z" } },
    ]);
  });

  /** A chain of three, nobody using it, with an image on the one in the middle. */
  async function makeChain() {
    const images = testImages({ folder });
    const open = () => ImageStore.open({ folder, sources: images.sources });
    await createImage(images, "old.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    utimesSync(join(root, "old.vhd"), 1e9, 1e9);
    await cloneImage(images, "old.vhd", "base.vhd");
    const disk = await LiveDisk.open(images, "base.vhd");
    await disk.write(1, [pattern(512, 2)]);
    await disk.close();
    utimesSync(join(root, "base.vhd"), 1.1e9, 1.1e9);
    await cloneImage(images, "base.vhd", "top.vhd");
    // Whoever opens a folder finishes what was begun there.
    const parents = async () => (await (await open()).check("top.vhd")).filter(({ kind }) => kind === "parent");
    expect(await parents()).toEqual([]);
    return { store: await open(), parents };
  }

  it("stay what images say that stand on one that nobody uses: merged, grown, renamed", async () => {
    const { store, parents } = await makeChain();
    await store.coalesce("base.vhd");
    expect(await parents()).toEqual([]);
    await store.resize("base.vhd", 131072);
    expect(await parents()).toEqual([]);
    await store.rename("base.vhd", "other.vhd");
    expect(await parents()).toEqual([]);
  });

  it("stay what they were when an image is repaired without loss", async () => {
    const { store, parents } = await makeChain();
    const path = join(root, "base.vhd");
    writeFileSync(path, readFileSync(path).fill(0, 0, 512));
    utimesSync(path, 1.1e9, 1.1e9);
    expect((await store.repair("base.vhd")).map(({ kind }) => kind)).toEqual(["footer-copy"]);
    expect(await parents()).toEqual([]);
  });

  it("are put right by who finishes a merge after a crash", async () => {
    const { store, parents } = await makeChain();
    const { rename } = folder;
    folder.rename = async () => {
      throw new StorageError("io", "the host said EIO");
    };
    expect((await failure(() => store.coalesce("base.vhd"))).code).toBe("io");
    folder.rename = rename;
    utimesSync(join(root, "old.vhd"), 1.2e9, 1.2e9);
    expect(await parents()).toEqual([]);
    expect((await folder.list()).map(({ name }) => name).sort()).toEqual(["base.vhd", "top.vhd"]);
  });

  it.each(["rename", "remove"] as const)("of a snapshot are put right after a crash before a %s", async (call) => {
    const images = testImages({ folder });
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(0, [pattern(512, 1)]);
    const crashed = join(root, "..", `${basename(root)}-crashed`);
    const original = folder[call].bind(folder) as (...names: string[]) => Promise<void>;
    let calls = 0;
    folder[call] = async (...names: string[]) => {
      if (++calls === (call === "rename" ? 2 : 1)) {
        const files = readdirSync(root).filter((name) => !name.startsWith("."));
        for (const name of files) cpSync(join(root, name), join(crashed, name), { preserveTimestamps: true });
      }
      await original(...names);
    };
    await takeSnapshot(disk, "s.vhd");
    await disk.close();
    try {
      const found = new NodeFolder(crashed);
      await ImageStore.open({ folder: found, sources: images.sources });
      expect((await found.list()).map(({ name }) => name).sort()).toEqual(["a.vhd", "s.vhd"]);
      const findings = await checkImage(testImages({ folder: found }), "a.vhd");
      expect(findings.filter(({ kind }) => kind === "parent")).toEqual([]);
    } finally {
      rmSync(crashed, { recursive: true, force: true });
    }
  });

  it("of a parent are put right after a crash in the middle of a merge into it, which a check tells of", async () => {
    const { store } = await makeChain();
    const crashed = join(root, "..", `${basename(root)}-crashed`);
    const onProgress = (): void => {
      const names = readdirSync(root).filter((name) => !name.startsWith("."));
      for (const name of names) cpSync(join(root, name), join(crashed, name), { preserveTimestamps: true });
    };
    await store.coalesce("base.vhd", { onProgress });
    const found = new NodeFolder(crashed);
    const images = testImages({ folder: found });
    const kinds = async () =>
      (await checkImage(images, "base.vhd"))
        .filter(({ kind }) => kind !== "unused-space")
        .map(({ kind, file }) => [kind, file]);
    try {
      expect(await kinds()).toEqual([
        ["parent", "base.vhd"],
        ["unfinished", "old.vhd"],
      ]);
      await ImageStore.open({ folder: found, sources: images.sources });
      expect(await kinds()).toEqual([]);
      expect(statSync(join(crashed, "old.vhd")).mtimeMs).toBe(1e12);
      expect((await found.list()).map(({ name }) => name).sort()).toEqual(["base.vhd", "old.vhd", "top.vhd"]);
      expect((await folder.list()).map(({ name }) => name).sort()).toEqual(["base.vhd", "top.vhd"]);
    } finally {
      rmSync(crashed, { recursive: true, force: true });
    }
  });

  it("of a parent are what they were when a merge into it is given up", async () => {
    const { store } = await makeChain();
    const stop = new AbortController();
    const options = { signal: stop.signal, onProgress: () => stop.abort() };
    expect((await failure(() => store.coalesce("base.vhd", options))).code).toBe("cancelled");
    expect((await store.check("base.vhd")).filter(({ kind }) => kind === "parent")).toEqual([]);
    expect((await folder.list()).map(({ name }) => name).sort()).toEqual(["base.vhd", "old.vhd", "top.vhd"]);
  });
});

describe("names", () => {
  it("stay in the folder", async () => {
    for (const name of ["../a", "a/../b", ".a", "a//b", "", "a\\b", "a\0b", "x".repeat(300), "/etc/passwd"]) {
      expect((await failure(() => folder.open(name, "read"))).code, name).toBe("bad-name");
    }
    expect(checkedName("a/b.vhd")).toBe("a/b.vhd");
  });

  it("that images give for others are found beside them", () => {
    expect(resolveBelow("a/b.vhd", ".\\c.vhd")).toBe("a/c.vhd");
    expect(resolveBelow("a/b.vhd", "..\\c.vhd")).toBe("c.vhd");
    expect(resolveBelow("a/b.vhd", "../../c.vhd")).toBe(null);
    expect(resolveBelow("b.vhd", "C:\\c.vhd")).toBe(null);
    expect(resolveBelow("b.vhd", "/c.vhd")).toBe(null);
    expect(relativePath("a/b.vhd", "c/d.vhd")).toBe("../c/d.vhd");
    expect(relativePath("b.vhd", "d.vhd")).toBe("./d.vhd");
    expect(folder.resolve("a/b.vhd", join(root, "x", "c.vhd"))).toBe("x/c.vhd");
    expect(folder.resolve("a/b.vhd", "/etc/passwd")).toBe(null);
    expect(folder.resolve("a/b.vhd", "C:\\c.vhd")).toBe(null);
  });

  it("lead to other folders that were allowed", async () => {
    const other = mkdtempSync(join(tmpdir(), "xenolith-other-"));
    writeFileSync(join(other, "base.img"), new Uint8Array(512));
    const wide = new NodeFolder(root, { parents: [other] });
    const name = wide.resolve("a.vhd", join(other, "base.img"))!;
    expect(name).toBe(join(other, "base.img"));
    await (await wide.open(name, "read")).close();
    expect((await failure(() => folder.open(name, "read"))).code).toBe("bad-name");
    await cloneImage(testImages({ folder: wide }), name, "sub/clone.vhd");
    await (await testImages({ folder: wide }).openShared("sub/clone.vhd")).close();
    expect((await failure(() => testImages({ folder }).openShared("sub/clone.vhd"))).code).toBe("parent-missing");
    const note = await Intent.write(wide, "a.vhd", [stamp(name, 1e12)]);
    await note.leave();
    // Who does not reach that folder leaves the note to who does, and is not held up by it.
    const { sources } = testImages();
    await ImageStore.open({ folder, sources });
    expect(await folder.exists("a.vhd.intent~")).toBe(true);
    await ImageStore.open({ folder: wide, sources });
    expect(await folder.exists("a.vhd.intent~")).toBe(false);
    expect(statSync(name).mtimeMs).toBe(1e12);
    rmSync(other, { recursive: true });
  });

  it("are listed with what is below, without what is hidden", async () => {
    mkdirSync(join(root, "sub"));
    writeFileSync(join(root, "sub", "b.img"), "xy");
    writeFileSync(join(root, ".hidden"), "");
    symlinkSync("sub", join(root, "link"));
    expect((await folder.list()).map((f) => [f.name, f.size])).toEqual([["sub/b.img", 2]]);
  });
});
