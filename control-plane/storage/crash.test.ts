/** What is there after a cut at any change: `testing/cut.ts` says how. With more seeds: `crash.integration.test.ts`. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../util/index.js";
import { SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import type { MemoryFolder } from "./folders/memory.js";
import type { Images } from "./images.js";
import { coalesce } from "./live/coalesce.js";
import { LiveDisk } from "./live/live-disk.js";
import { takeSnapshot } from "./live/snapshot.js";
import { checkImage, repairImage } from "./operations/check.js";
import { convertImage, exportFile, importFile } from "./operations/copy.js";
import { cloneImage, createImage } from "./operations/create.js";
import { setParent } from "./operations/rename.js";
import { removeImage, revertImage } from "./operations/revert.js";
import { shrinkImage } from "./operations/shrink.js";
import { CrashFolder } from "./testing/crash-folder.js";
import {
  BLOCK_BYTES,
  cutDeed,
  cutEverywhere,
  imagesOf,
  runUntil,
  SECTORS,
  snapshot,
  WORKLOADS,
} from "./testing/cut.js";
import { StampedDisk } from "./testing/stamped.js";
import { imageInfo, imageTree } from "./tree.js";

describe("after a cut at any change", () => {
  it.each([
    ["writes that were flushed are there", "writes", 1],
    ["writes that were flushed are there in chains, whatever was going on", "chains", 4],
    ["a merge has happened or not", "merge", 6],
    ["a merge in the middle of a chain has happened or not", "middle", 8],
    ["a disk has grown or not", "growth", 9],
  ] as const)("%s", async (_, workload, seed) => {
    expect(await cutEverywhere(WORKLOADS[workload], seed, 2)).toBeGreaterThan(30);
  });

  it("a fixed disk has grown or not", async () => {
    expect(await cutEverywhere(WORKLOADS.growth, 10, 2, "fixed")).toBeGreaterThan(15);
  });

  it.each(["writes", "merge"] as const)(
    "%s find what a crash left before, and nothing of it shows",
    async (workload) => {
      expect(await cutEverywhere(WORKLOADS[workload], 11, 2, "crashed")).toBeGreaterThan(30);
    },
  );

  it("what a crash left at the end of a file is used again", async () => {
    let files = (
      await runUntil(Number.POSITIVE_INFINITY, 1, async ({ live }) => {
        await live.write(0, [new Uint8Array(BLOCK_BYTES).fill(1)]);
      })
    ).folder.afterwards("kill", new SeededRandom(1));
    const sizes = new Set<number>();
    for (let round = 0; round < 4; round++) {
      const folder = CrashFolder.of(files);
      const live = await LiveDisk.open(imagesOf(folder, 2), "disk.vhd");
      await live.write(16, [new Uint8Array(4 * BLOCK_BYTES).fill(2)]);
      files = folder.afterwards("kill", new SeededRandom(1));
      sizes.add(files.get("disk.vhd")!.length);
    }
    expect(sizes.size).toBe(1);
  });

  it("the tree has no leftovers", async () => {
    const known = await runUntil(Number.POSITIVE_INFINITY, 4, async (run) => {
      await snapshot(run, "one.vhd");
      await snapshot(run, "two.vhd");
      await coalesce(run.live, { image: "two.vhd" });
    });
    const folder = CrashFolder.memory(known.folder.afterwards("kill", new SeededRandom(1)));
    const tree = await imageTree(imagesOf(folder, 1));
    expect(tree.map((n) => [n.name, n.children.map((c) => c.name)])).toEqual([["two.vhd", ["disk.vhd"]]]);
    expect((await folder.list()).map(({ name }) => name).sort()).toEqual(["disk.vhd", "two.vhd"]);
  });
});

/** What an image holds: what a.vhd held last, what it held when s.vhd was taken, or nothing that anybody can read. */
type Held = "last" | "kept" | "unreadable";
type Outcome = Readonly<Record<string, Held>>;
type Files = Map<string, Uint8Array>;

/** Of a.vhd, which stands on s.vhd. */
const BEFORE: Outcome = { "a.vhd": "last", "s.vhd": "kept" };
const TABLE_AT = 1536;

const damaged =
  (change: (bytes: Uint8Array) => void) =>
  (files: Files): void =>
    change(files.get("a.vhd")!);
const footer = (bytes: Uint8Array) => bytes.fill(7, bytes.length - 300, bytes.length - 200);
const copy = (bytes: Uint8Array) => bytes.fill(7, 100, 200);
/** Of the last block, which holds nothing. */
const entry = (bytes: Uint8Array) => bytes.fill(0x7f, TABLE_AT + 8 * 4, TABLE_AT + 9 * 4);

interface Deed {
  readonly work: (images: Images) => Promise<unknown>;
  /** What is done to the files before. */
  readonly first?: (files: Files) => unknown;
  readonly before?: Outcome;
  readonly after: Outcome;
  /** On which a.vhd then stands. */
  readonly parent?: string;
}

const repair = (images: Images) => repairImage(images, "a.vhd", { giveUpBlocks: true });

const DEEDS: Record<string, Deed> = {
  "a clone": { work: (images) => cloneImage(images, "s.vhd", "b.vhd"), after: { ...BEFORE, "b.vhd": "kept" } },
  "a conversion": {
    work: (images) => convertImage(images, "a.vhd", "b.vhd", { kind: "dynamic" }),
    after: { ...BEFORE, "b.vhd": "last" },
  },
  "an import": {
    work: (images) => importFile(images, "b.vhd", exportFile(images, "s.vhd")),
    after: { ...BEFORE, "b.vhd": "kept" },
  },
  "going back": { work: (images) => revertImage(images, "a.vhd", "s.vhd"), after: { ...BEFORE, "a.vhd": "kept" } },
  shrinking: { work: (images) => shrinkImage(images, "a.vhd", 40), after: BEFORE },
  "a removal": { work: (images) => removeImage(images, "a.vhd"), after: { "s.vhd": "kept" } },
  "another place of the parent": {
    first: (files) => files.set("deep/moved.vhd", files.get("s.vhd")!),
    work: (images) => setParent(images, "a.vhd", "deep/moved.vhd"),
    before: { ...BEFORE, "deep/moved.vhd": "kept" },
    after: { ...BEFORE, "deep/moved.vhd": "kept" },
    parent: "deep/moved.vhd",
  },
  "a repair of the footer": { first: damaged(footer), work: repair, after: BEFORE },
  "a repair of the footer's copy": { first: damaged(copy), work: repair, after: BEFORE },
  "a repair of the block table": {
    first: damaged(entry),
    work: repair,
    before: { ...BEFORE, "a.vhd": "unreadable" },
    after: BEFORE,
  },
  "a repair of copy and block table": {
    first: damaged((bytes) => entry(copy(bytes))),
    work: repair,
    before: { ...BEFORE, "a.vhd": "unreadable" },
    after: BEFORE,
  },
};

describe("after a cut at any change an operation by name has happened or not, and leaves nothing else:", () => {
  async function prepare() {
    const base = new CrashFolder();
    const images = imagesOf(base, 1);
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: SECTORS * SECTOR_BYTES, blockBytes: BLOCK_BYTES });
    const last = new StampedDisk();
    const live = await LiveDisk.open(images, "a.vhd");
    await last.write(live, 0, 20);
    await takeSnapshot(live, "s.vhd");
    last.nowCertain();
    const kept = last.copy();
    await last.write(live, 10, 20);
    await live.close();
    last.nowCertain();
    return { files: base.afterwards("kill", new SeededRandom(1)), last, kept };
  }

  it.each(Object.entries(DEEDS))("%s", async (_, { work, first, before = BEFORE, after, parent = "s.vhd" }) => {
    const { files, last, kept } = await prepare();
    first?.(files);
    const heldBy = async (images: Images, name: string): Promise<string> => {
      const disk = await images.openShared(name).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StorageError);
        return null;
      });
      if (disk === null) return "unreadable";
      const [notLast, notKept] = [await last.wrong(disk), await kept.wrong(disk)];
      await disk.close();
      expect((await checkImage(images, name)).filter(({ severity }) => severity === "error")).toEqual([]);
      return notLast.length === 0 ? "last" : notKept.length === 0 ? "kept" : notLast.join();
    };
    const look = async (found: MemoryFolder, where: string, isDone: boolean): Promise<void> => {
      const images = imagesOf(found, 6);
      const outcome: Record<string, string> = {};
      for (const { name } of await found.list()) outcome[name] = await heldBy(images, name);
      expect(isDone ? [after] : [before, after], where).toContainEqual(outcome);
      if (!isDone || !("a.vhd" in after)) return;
      expect((await imageInfo(images, "a.vhd")).parent!.name).toBe(parent);
      expect((await checkImage(images, "a.vhd")).filter(({ severity }) => severity !== "note")).toEqual([]);
    };
    expect(await cutDeed(files, (folder) => work(imagesOf(folder, 5)), look)).toBeGreaterThan(2);
  });
});
