/**
 * Cuts the power, or kills the process, at every change that a workload makes to its files; then starts anew and looks
 * whether everything that had been flushed is there, and nothing that never was.
 */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../util/index.js";
import { SECTOR_BYTES } from "./disk.js";
import { Images } from "./images.js";
import { coalesce } from "./live/coalesce.js";
import { LiveDisk } from "./live/live-disk.js";
import { grow } from "./live/resize.js";
import { takeSnapshot } from "./live/snapshot.js";
import { recoverFolder } from "./notes.js";
import { convertImage } from "./operations/copy.js";
import { cloneImage, createImage } from "./operations/create.js";
import { removeImage, revertImage } from "./operations/revert.js";
import { shrinkImage } from "./operations/shrink.js";
import { CrashFolder, PowerCut } from "./testing/crash-folder.js";
import { StampedDisk } from "./testing/stamped.js";
import { imageTree } from "./tree.js";
import { checkVhd } from "./vhd/check.js";

const BLOCK_BYTES = 8 * SECTOR_BYTES;
const SECTORS = 70;

const imagesOf = (folder: CrashFolder | ReturnType<typeof CrashFolder.memory>, seed: number): Images =>
  new Images({ folder, sources: { random: new SeededRandom(seed), now: () => 1e12 } });

/** What a workload does with the disk, and knows of it. */
interface Run {
  readonly live: LiveDisk;
  readonly stamps: StampedDisk;
  readonly random: SeededRandom;
  readonly snapshots: Map<string, StampedDisk>;
}

type Workload = (run: Run) => Promise<void>;

async function writeSome({ live, stamps, random }: Run, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const count = 1 + (random.u32() % 12);
    await stamps.write(live, random.u32() % (SECTORS - count), count);
    if (random.u32() % 4 === 0) await stamps.flush(live);
    if (live.supportsDiscard && random.u32() % 5 === 0) await stamps.discard(live, random.u32() % 30, 30);
  }
}

async function snapshot(run: Run, name: string): Promise<void> {
  const held = run.stamps.copy();
  run.snapshots.set(name, held);
  const taken = takeSnapshot(run.live, name);
  await taken;
  await writeSome(run, 1);
}

/** Runs a workload on a new image until the cut; answers the folder and what was known. */
async function runUntil(cutAt: number, seed: number, workload: Workload) {
  const base = new CrashFolder();
  await createImage(imagesOf(base, 1), "disk.vhd", {
    kind: "dynamic",
    bytes: SECTORS * SECTOR_BYTES,
    blockBytes: BLOCK_BYTES,
  });
  const folder = CrashFolder.of(base.afterwards("kill", new SeededRandom(1)), cutAt);
  const stamps = new StampedDisk();
  const snapshots = new Map<string, StampedDisk>();
  try {
    const live = await LiveDisk.open(imagesOf(folder, 2), "disk.vhd");
    await workload({ live, stamps, random: new SeededRandom(seed), snapshots });
    await live.close();
  } catch (error) {
    if (!(error instanceof PowerCut) && !folder.isCut) throw error;
  }
  return { folder, stamps, snapshots };
}

/** Looks at what a restart finds; answers what is wrong with it. */
async function lookAfter(
  files: ReadonlyMap<string, Uint8Array>,
  known: Awaited<ReturnType<typeof runUntil>>,
): Promise<string[]> {
  const folder = CrashFolder.memory(files);
  const images = imagesOf(folder, 3);
  await recoverFolder(folder);
  const wrong: string[] = [];
  for (const { name } of await folder.list()) {
    const file = await folder.peek(name);
    const { findings } = await checkVhd(file);
    wrong.push(...findings.filter((f) => f.severity === "error").map((f) => `${name}: ${f.fault.what}`));
  }
  const disk = await images.openShared("disk.vhd");
  wrong.push(...(await known.stamps.wrong(disk)));
  await disk.close();
  for (const [name, stamps] of known.snapshots) {
    if (!(await folder.exists(name))) continue;
    const snapshot = await images.openShared(name);
    wrong.push(...(await stamps.wrong(snapshot)).map((w) => `${name} ${w}`));
    await snapshot.close();
  }
  // It can be written to, too.
  const again = await LiveDisk.open(images, "disk.vhd");
  await again.write(3, [new Uint8Array(SECTOR_BYTES)]);
  await again.close();
  return wrong;
}

async function cutEverywhere(workload: Workload, seed: number, step = 1): Promise<number> {
  const whole = await runUntil(Number.POSITIVE_INFINITY, seed, workload);
  expect(await lookAfter(whole.folder.afterwards("power", new SeededRandom(1)), whole)).toEqual([]);
  const { changes } = whole.folder;
  for (let cut = 1; cut <= changes; cut += step) {
    const known = await runUntil(cut, seed, workload);
    for (const [kind, tries] of [
      ["kill", 1],
      ["power", 3],
    ] as const) {
      for (let i = 0; i < tries; i++) {
        const files = known.folder.afterwards(kind, new SeededRandom(cut * 8 + i + 1));
        const wrong = await lookAfter(files, known).catch((error: unknown) => [String(error)]);
        expect(wrong, `seed ${seed}, cut ${cut} of ${changes}, ${kind} ${i}`).toEqual([]);
      }
    }
  }
  return changes;
}

describe("after a cut at any change", () => {
  it("writes that were flushed are there", async () => {
    for (const seed of [1, 2, 3]) {
      expect(await cutEverywhere((run) => writeSome(run, 25), seed)).toBeGreaterThan(50);
    }
  });

  it("writes that were flushed are there in chains, whatever was going on", async () => {
    const workload: Workload = async (run) => {
      await writeSome(run, 6);
      await snapshot(run, "one.vhd");
      await writeSome(run, 6);
      await snapshot(run, "two.vhd");
      await writeSome(run, 6);
    };
    for (const seed of [4, 5]) expect(await cutEverywhere(workload, seed)).toBeGreaterThan(50);
  });

  it("a merge has happened or not", async () => {
    const workload: Workload = async (run) => {
      await writeSome(run, 6);
      await snapshot(run, "one.vhd");
      await writeSome(run, 6);
      run.snapshots.clear();
      const merged = coalesce(run.live);
      merged.catch(() => {});
      await writeSome(run, 6);
      await merged;
      await writeSome(run, 3);
    };
    for (const seed of [6, 7]) expect(await cutEverywhere(workload, seed)).toBeGreaterThan(50);
  });

  it("a merge in the middle of a chain has happened or not", async () => {
    const workload: Workload = async (run) => {
      await writeSome(run, 4);
      await snapshot(run, "one.vhd");
      await writeSome(run, 4);
      await snapshot(run, "two.vhd");
      run.snapshots.delete("one.vhd");
      await coalesce(run.live, { image: "two.vhd" });
      await writeSome(run, 3);
    };
    expect(await cutEverywhere(workload, 8)).toBeGreaterThan(50);
  });

  it("a disk has grown or not", async () => {
    const workload: Workload = async (run) => {
      await writeSome(run, 4);
      await grow(run.live, SECTORS + 2000);
      await writeSome(run, 4);
    };
    expect(await cutEverywhere(workload, 9)).toBeGreaterThan(30);
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
