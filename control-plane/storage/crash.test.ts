/** What is there after a cut at any change: `testing/cut.ts` says how. With more seeds: `crash.integration.test.ts`. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../util/index.js";
import { SECTOR_BYTES } from "./disk.js";
import type { Images } from "./images.js";
import { coalesce } from "./live/coalesce.js";
import { LiveDisk } from "./live/live-disk.js";
import { takeSnapshot } from "./live/snapshot.js";
import { recoverFolder } from "./notes.js";
import { convertImage } from "./operations/copy.js";
import { cloneImage, createImage } from "./operations/create.js";
import { removeImage, revertImage } from "./operations/revert.js";
import { shrinkImage } from "./operations/shrink.js";
import { CrashFolder } from "./testing/crash-folder.js";
import { BLOCK_BYTES, cutEverywhere, imagesOf, runUntil, SECTORS, snapshot, WORKLOADS } from "./testing/cut.js";
import { StampedDisk } from "./testing/stamped.js";
import { imageTree } from "./tree.js";

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

  it("operations by name have happened or not, and leave nothing else", async () => {
    const base = new CrashFolder();
    const prepared = imagesOf(base, 1);
    await createImage(prepared, "a.vhd", { kind: "dynamic", bytes: SECTORS * SECTOR_BYTES, blockBytes: BLOCK_BYTES });
    const stamps = new StampedDisk();
    const live = await LiveDisk.open(prepared, "a.vhd");
    await stamps.write(live, 0, 20);
    await takeSnapshot(live, "s.vhd");
    const atSnapshot = stamps.copy();
    await stamps.write(live, 10, 20);
    await live.close();
    const files = base.afterwards("kill", new SeededRandom(1));
    const deeds: Record<string, (images: Images) => Promise<void>> = {
      clone: (images) => cloneImage(images, "s.vhd", "b.vhd"),
      convert: (images) => convertImage(images, "a.vhd", "b.vhd", { kind: "dynamic" }),
      revert: (images) => revertImage(images, "a.vhd", "s.vhd"),
      shrink: (images) => shrinkImage(images, "a.vhd", 40),
      remove: (images) => removeImage(images, "a.vhd"),
    };
    for (const [name, deed] of Object.entries(deeds)) {
      for (let cut = 1, isCut = true; isCut; cut++) {
        const folder = CrashFolder.of(files, cut);
        await deed(imagesOf(folder, 5)).catch((error: unknown) => {
          if (!folder.isCut) throw error;
        });
        isCut = folder.isCut;
        for (let i = 0; i < 4; i++) {
          const found = CrashFolder.memory(
            folder.afterwards(i === 0 ? "kill" : "power", new SeededRandom(cut * 4 + i + 1)),
          );
          await recoverFolder(found);
          const where = `${name}, cut ${cut}, ${i}`;
          const names = (await found.list()).map((file) => file.name).sort();
          expect([["a.vhd", "s.vhd"], ["a.vhd", "b.vhd", "s.vhd"], ["s.vhd"]], where).toContainEqual(names);
          for (const image of names) {
            const disk = await imagesOf(found, 6).openShared(image);
            const isNow = (await stamps.wrong(disk)).length === 0;
            const isThen = (await atSnapshot.wrong(disk)).length === 0;
            expect(isNow || isThen, `${where}: ${image}`).toBe(true);
            await disk.close();
          }
        }
      }
    }
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
