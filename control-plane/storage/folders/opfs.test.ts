import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { takeSnapshot } from "../live/snapshot.js";
import { recoverFolder } from "../notes.js";
import { checkImage } from "../operations/check.js";
import { cloneImage, createImage } from "../operations/create.js";
import { removeImage } from "../operations/revert.js";
import { BLOCK_BYTES, SECTORS, snapshot, type Workload, writeSome } from "../testing/cut.js";
import { FakeDirectory } from "../testing/fake-opfs.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { StampedDisk } from "../testing/stamped.js";
import { imageTree } from "../tree.js";
import { MemoryBytes } from "./memory.js";
import { OpfsFolder } from "./opfs.js";

/** What `navigator.locks` does, among the folders of a test. */
function oneAtATime() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work);
    last = next;
    return next;
  };
}

const make = async (directory = new FakeDirectory()) => ({
  directory,
  folder: await OpfsFolder.of(directory.handle, oneAtATime()),
});

describe("the browser's folder", () => {
  it("keeps images, with snapshots, clones and merges", async () => {
    const { directory, folder } = await make();
    const images = testImages({ folder });
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(0, [pattern(4096, 1)]);
    await takeSnapshot(disk, "s.vhd");
    await disk.write(4, [pattern(512, 2)]);
    await cloneImage(images, "s.vhd", "b.vhd");
    await removeImage(images, "b.vhd");
    await coalesce(disk);
    await disk.close();
    const expected = new Uint8Array(65536);
    expected.set(pattern(4096, 1));
    expected.set(pattern(512, 2), 2048);
    const again = testImages({ folder: (await make(directory)).folder });
    expect(sameBytes(await imageContents(again, "a.vhd"), expected)).toBe(true);
    expect((await imageTree(again)).map((n) => n.name)).toEqual(["a.vhd"]);
    expect([...directory.files.keys()].filter((name) => name.startsWith("file-")).length).toBe(1);
  });

  it("has readers share, and a writer alone, here and in other pages", async () => {
    const { directory, folder } = await make();
    await (await folder.create("a.img")).close();
    const [one, two] = [await folder.open("a.img", "read"), await folder.open("a.img", "read")];
    expect((await failure(() => folder.open("a.img", "write"))).code).toBe("locked");
    expect((await failure(() => one.upgrade())).code).toBe("locked");
    const elsewhere = (await make(directory)).folder;
    expect((await failure(() => elsewhere.open("a.img", "read"))).code).toBe("locked");
    expect((await failure(() => elsewhere.remove("a.img"))).code).toBe("locked");
    const peeked = await elsewhere.peek("a.img");
    expect(peeked.size).toBe(0);
    two.close();
    await one.upgrade();
    one.write(0, [new Uint8Array(512)]);
    one.close();
    await (await elsewhere.open("a.img", "write")).close();
  });

  it("renames what is open, also over another file, in one step", async () => {
    const { directory, folder } = await make();
    const file = await folder.create("a.img");
    file.write(0, [pattern(512, 1)]);
    await (await folder.create("b.img")).close();
    await folder.rename("a.img", "b.img");
    file.write(512, [pattern(512, 2)]);
    expect([file.name, file.size]).toEqual(["b.img", 1024]);
    file.close();
    expect((await folder.list()).map(({ name, size }) => [name, size])).toEqual([["b.img", 1024]]);
    expect([...directory.files.keys()].sort()).toEqual(["file-1", "names-a", "names-b"]);
  });

  it("gives a file to one writer, however close the next one comes", async () => {
    const { folder } = await make();
    await (await folder.create("a.img")).close();
    const two = await Promise.all([folder.open("a.img", "read"), folder.open("a.img", "read")]);
    for (const file of two) await file.close();
    for (let turns = 0; turns < 40; turns++) {
      const first = folder.open("a.img", "write");
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const both = await Promise.allSettled([first, folder.open("a.img", "write")]);
      const codes = both.map((end) => (end.status === "fulfilled" ? "open" : (end.reason as { code: string }).code));
      expect(codes.sort(), `${turns} turns`).toEqual(["locked", "open"]);
      for (const end of both) if (end.status === "fulfilled") await end.value.close();
    }
  });

  it("does not take a file's name from under who has just opened it", async () => {
    const takes = {
      remove: (folder: OpfsFolder) => folder.remove("a.img"),
      replace: (folder: OpfsFolder) => folder.rename("b.img", "a.img"),
    };
    for (const take of Object.values(takes)) {
      for (let turns = 0; turns < 60; turns++) {
        const { directory, folder } = await make();
        for (const name of ["a.img", "b.img"]) await (await folder.create(name)).close();
        const taken = take(folder).catch(() => {});
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        const file = await folder.open("a.img", "write").catch(() => null);
        await taken;
        if (file === null) continue;
        file.write(0, [pattern(512, 7)]);
        file.close();
        const again = await (await make(directory)).folder.peek("a.img");
        expect(again.size, `${turns} turns`).toBe(512);
      }
    }
  });

  it("lets those who look finish, whoever closes or removes the file meanwhile", async () => {
    const { directory, folder } = await make();
    const file = await folder.create("a.img");
    file.write(0, [pattern(512, 1)]);
    const looker = await folder.peek("a.img");
    file.write(512, [pattern(512, 2)]);
    file.close();
    const bytes = new Uint8Array(1024);
    await looker.read(0, [bytes]);
    expect(sameBytes(bytes.subarray(512), pattern(512, 2))).toBe(true);
    await folder.remove("a.img");
    await looker.read(0, [bytes]);
    await looker.close();
    await Promise.resolve();
    expect([...directory.files.keys()].filter((name) => name.startsWith("file-"))).toEqual([]);
  });

  it("has no files but its own, whatever a name means elsewhere", async () => {
    const { folder } = await make();
    for (const name of ["constructor", "__proto__"]) {
      expect(await folder.exists(name)).toBe(false);
      expect((await failure(() => folder.open(name, "read"))).code).toBe("not-found");
      await (await folder.create(name)).close();
    }
    expect((await folder.list()).map(({ name }) => name)).toEqual(["constructor", "__proto__"]);
  });

  it("believes the older list of names when the newer is torn, and sweeps up", async () => {
    const { directory, folder } = await make();
    await (await folder.create("a.img")).close();
    await (await folder.create("b.img")).close();
    const torn = directory.files.get("names-b")!.bytes;
    torn.truncate(torn.size - 3);
    const { folder: after } = await make(directory);
    expect((await after.list()).map((f) => f.name)).toEqual(["a.img"]);
    expect(directory.files.has("file-2")).toBe(false);
    await (await after.create("b.img")).close();
    expect((await after.list()).map((f) => f.name)).toEqual(["a.img", "b.img"]);
  });

  it("changes no name when the list of names does not last", async () => {
    const { directory, folder } = await make();
    const file = await folder.create("a.img");
    directory.failingFlushes = 1;
    expect((await failure(() => folder.rename("a.img", "b.img"))).code).toBe("io");
    expect((await folder.list()).map(({ name }) => name)).toEqual(["a.img"]);
    await folder.rename("a.img", "b.img");
    expect(file.name).toBe("b.img");
    await file.close();
    expect((await (await make(directory)).folder.list()).map(({ name }) => name)).toEqual(["b.img"]);
  });

  it("lists what is there, whatever is removed meanwhile", async () => {
    const { directory, folder } = await make();
    for (const name of ["a.img", "b.img"]) await (await folder.create(name)).close();
    const get = directory.getFileHandle.bind(directory);
    directory.getFileHandle = async (id, options) => {
      if (id === "file-1") directory.getFileHandle = get;
      if (id === "file-1") await folder.remove("b.img");
      return get(id, options);
    };
    expect((await folder.list()).map(({ name }) => name)).toEqual(["a.img"]);
  });

  it("believes no sync of a file of which one failed, until it is opened anew", async () => {
    const { directory, folder } = await make();
    const images = testImages({ folder });
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(0, [pattern(4096, 1)]);
    directory.failingFlushes = 1;
    expect((await failure(() => disk.flush())).code).toBe("io");
    expect((await failure(() => disk.flush())).code).toBe("io");
    expect((await failure(() => disk.write(8, [pattern(4096, 2)]))).code).toBe("io");
    expect((await failure(() => disk.close())).code).toBe("io");
    const again = await LiveDisk.open(images, "a.vhd");
    await again.write(0, [pattern(4096, 3)]);
    await again.close();
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(0, 4096), pattern(4096, 3))).toBe(true);
  });

  it("says when the quota is used up, and loses nothing", async () => {
    const { directory, folder } = await make();
    const images = testImages({ folder });
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 2 ** 20, blockBytes: 65536 });
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(0, [pattern(4096, 1)]);
    await disk.flush();
    directory.quota = 200_000;
    const { code } = await failure(async () => {
      for (let sector = 0; sector < 2048; sector += 128) await disk.write(sector, [pattern(4096, 2)]);
    });
    expect(code).toBe("full");
    directory.quota = 2 ** 30;
    await disk.write(128, [pattern(4096, 3)]);
    await disk.close();
    const bytes = await imageContents(images, "a.vhd");
    expect(sameBytes(bytes.subarray(128 * 512, 136 * 512), pattern(4096, 3))).toBe(true);
  });
});

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A directory of which everything stops at one of its changes: with the browser's process, after which all that was changed
 * is there, or with the computer's power, after which each file is something that it was since its last flush.
 */
class CutDirectory extends FakeDirectory {
  changes = 0;
  /** What each file was since then, the oldest first; null while it was not there. */
  readonly #since = new Map<string, (Bytes | null)[]>();

  constructor(
    files: ReadonlyMap<string, Bytes> = new Map(),
    private readonly cutAt = Number.POSITIVE_INFINITY,
  ) {
    super();
    for (const [name, contents] of files) {
      const bytes = new MemoryBytes();
      bytes.write(0, [contents]);
      this.files.set(name, { bytes, isOpen: false });
      this.#since.set(name, [contents]);
    }
  }

  get isCut(): boolean {
    return this.changes >= this.cutAt;
  }

  override async getFileHandle(name: string, options: { create?: boolean } = {}) {
    const isNew = options.create === true && !this.files.has(name);
    if (isNew) this.#count();
    const handle = await super.getFileHandle(name, options);
    if (isNew) this.#note(name);
    return {
      ...handle,
      createSyncAccessHandle: async () => {
        const access = await handle.createSyncAccessHandle();
        const changing =
          <Args extends unknown[], T>(change: (...args: Args) => T) =>
          (...args: Args): T => {
            this.#count();
            const done = change(...args);
            this.#note(name);
            return done;
          };
        const flush = (): void => {
          this.#count();
          access.flush();
          this.#since.set(name, this.#since.get(name)!.slice(-1));
        };
        return { ...access, write: changing(access.write), truncate: changing(access.truncate), flush };
      },
    };
  }

  override async removeEntry(name: string): Promise<void> {
    this.#count();
    await super.removeEntry(name);
    this.#note(name);
  }

  /** What is found afterwards. */
  afterwards(end: "kill" | "power", random: SeededRandom): Map<string, Bytes> {
    const found = new Map<string, Bytes>();
    for (const [name, since] of this.#since) {
      const bytes = end === "kill" ? since.at(-1)! : survivor(since, random);
      if (bytes !== null) found.set(name, bytes);
    }
    return found;
  }

  #count(): void {
    this.changes++;
    if (this.isCut) throw new Error("everything has stopped");
  }

  #note(name: string): void {
    const since = this.#since.get(name) ?? [null];
    since.push(this.files.get(name)?.bytes.copy() ?? null);
    this.#since.set(name, since);
  }
}

/** One of the states of a file, or one of which the sectors from some on are still as they were before. */
function survivor(since: readonly (Bytes | null)[], random: SeededRandom): Bytes | null {
  const at = random.u32() % since.length;
  const [before, after] = [since[at - 1] ?? null, since[at]!];
  if (before === null || after === null || random.u32() % 2 === 0) return after;
  const torn = after.slice();
  const from = SECTOR_BYTES * (random.u32() % (1 + Math.ceil(after.length / SECTOR_BYTES)));
  if (from < after.length) torn.set(before.subarray(from, after.length), from);
  return torn;
}

describe("the browser's folder, after a cut at any change", () => {
  /** Runs a workload on a disk until the cut; answers what was known then. */
  async function runUntil(cutAt: number, seed: number, workload: Workload) {
    const base = new CutDirectory();
    const bytes = SECTORS * SECTOR_BYTES;
    const prepared = testImages({ folder: (await make(base)).folder });
    await createImage(prepared, "disk.vhd", { kind: "dynamic", bytes, blockBytes: BLOCK_BYTES });
    const directory = new CutDirectory(base.afterwards("kill", new SeededRandom(1)), cutAt);
    const known = { directory, stamps: new StampedDisk(), snapshots: new Map<string, StampedDisk>() };
    try {
      const images = testImages({ folder: (await make(directory)).folder, seed: 2 });
      const live = await LiveDisk.open(images, "disk.vhd");
      await workload({ ...known, live, random: new SeededRandom(seed) });
      await live.close();
    } catch (error) {
      if (!directory.isCut) throw error;
    }
    return known;
  }

  /** What is wrong with what the next start finds. */
  async function lookAfter(files: ReadonlyMap<string, Bytes>, known: Awaited<ReturnType<typeof runUntil>>) {
    const { directory, folder } = await make(new CutDirectory(files));
    await recoverFolder(folder);
    const images = testImages({ folder, seed: 3 });
    const names = (await folder.list()).map(({ name }) => name);
    const wrong: string[] = [];
    for (const name of names) {
      const findings = (await checkImage(images, name)).filter(({ severity }) => severity === "error");
      wrong.push(...findings.map(({ fault }) => `${name}: ${fault.what}`));
      const stamps = name === "disk.vhd" ? known.stamps : known.snapshots.get(name);
      if (stamps === undefined) continue;
      const disk = await images.openShared(name);
      wrong.push(...(await stamps.wrong(disk)).map((what) => `${name}: ${what}`));
      await disk.close();
    }
    if (!names.includes("disk.vhd")) wrong.push("the disk is gone");
    const kept = [...directory.files.keys()].filter((name) => name.startsWith("file-"));
    if (kept.length !== names.length) wrong.push(`${kept} are kept for ${names}`);
    // The names can be used again.
    for (const name of ["one.vhd", "two.vhd"].filter((name) => !names.includes(name)))
      await createImage(images, name, { kind: "dynamic", bytes: SECTOR_BYTES });
    return wrong;
  }

  const POWER_TRIES = 3;
  const workloads: Record<string, Workload> = {
    "what was flushed is there in chains, under names that were new": async (run) => {
      await writeSome(run, 2);
      await snapshot(run, "one.vhd");
      await snapshot(run, "two.vhd");
    },
    "a merge has happened or not, and names that it takes go to nobody": async (run) => {
      await writeSome(run, 2);
      await snapshot(run, "one.vhd");
      run.snapshots.clear();
      await coalesce(run.live);
      await writeSome(run, 2);
    },
  };
  it.each(Object.entries(workloads))("%s", async (_, workload) => {
    const seed = 5;
    const whole = await runUntil(Number.POSITIVE_INFINITY, seed, workload);
    const { changes } = whole.directory;
    expect(changes).toBeGreaterThan(60);
    for (let cut = 1; cut <= changes + 1; cut++) {
      const known = await runUntil(cut, seed, workload);
      for (let i = 0; i <= POWER_TRIES; i++) {
        const end = i === 0 ? "kill" : "power";
        const files = known.directory.afterwards(end, new SeededRandom(cut * 8 + i));
        const wrong = await lookAfter(files, known).catch((error: unknown) => [String(error)]);
        expect(wrong, `cut ${cut} of ${changes}, ${end} ${i}`).toEqual([]);
      }
    }
  });
});
