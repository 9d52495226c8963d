/**
 * Cuts the power, or kills the process, at every change that a workload makes to its files; then starts anew and looks
 * whether everything that had been flushed is there, and nothing that never was.
 */
import { expect } from "vitest";
import { SeededRandom } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import type { MemoryFolder } from "../folders/memory.js";
import { Images } from "../images.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { grow } from "../live/resize.js";
import { takeSnapshot } from "../live/snapshot.js";
import { recoverFolder } from "../notes.js";
import { createImage } from "../operations/create.js";
import { checkVhd } from "../vhd/check.js";
import { CrashFolder, PowerCut } from "./crash-folder.js";
import { StampedDisk } from "./stamped.js";

export const BLOCK_BYTES = 8 * SECTOR_BYTES;
export const SECTORS = 70;

export const imagesOf = (folder: CrashFolder | MemoryFolder, seed: number): Images =>
  new Images({ folder, sources: { random: new SeededRandom(seed), now: () => 1e12 } });

/** What a workload does with the disk, and knows of it. */
interface Run {
  readonly live: LiveDisk;
  readonly stamps: StampedDisk;
  readonly random: SeededRandom;
  readonly snapshots: Map<string, StampedDisk>;
}

export type Workload = (run: Run) => Promise<void>;

export async function writeSome({ live, stamps, random }: Run, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const count = 1 + (random.u32() % 12);
    await stamps.write(live, random.u32() % (SECTORS - count), count);
    if (random.u32() % 4 === 0) await stamps.flush(live);
    if (live.supportsDiscard && random.u32() % 5 === 0) await stamps.discard(live, random.u32() % 30, 30);
  }
}

export async function snapshot(run: Run, name: string): Promise<void> {
  const held = run.stamps.copy();
  run.snapshots.set(name, held);
  await takeSnapshot(run.live, name);
  held.nowCertain();
  run.stamps.nowCertain();
  await writeSome(run, 1);
}

/** What a workload begins with; `crashed` is a dynamic image at whose end a process that was killed left blocks. */
export type Beginning = "dynamic" | "fixed" | "crashed";

/** Runs a workload on a new image until the cut; answers the folder and what was known. */
export async function runUntil(cutAt: number, seed: number, workload: Workload, beginning: Beginning = "dynamic") {
  const base = new CrashFolder();
  await createImage(imagesOf(base, 1), "disk.vhd", {
    kind: beginning === "crashed" ? "dynamic" : beginning,
    bytes: SECTORS * SECTOR_BYTES,
    blockBytes: BLOCK_BYTES,
  });
  if (beginning === "crashed") {
    const killed = await LiveDisk.open(imagesOf(base, 1), "disk.vhd");
    await killed.write(0, [new Uint8Array(SECTORS * SECTOR_BYTES).fill(0xee)]);
  }
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

export async function cutEverywhere(
  workload: Workload,
  seed: number,
  powerTries: number,
  beginning: Beginning = "dynamic",
): Promise<number> {
  const whole = await runUntil(Number.POSITIVE_INFINITY, seed, workload, beginning);
  expect(await lookAfter(whole.folder.afterwards("power", new SeededRandom(1)), whole)).toEqual([]);
  const { changes } = whole.folder;
  for (let cut = 1; cut <= changes; cut++) {
    const known = await runUntil(cut, seed, workload, beginning);
    for (const [kind, tries] of [
      ["kill", 1],
      ["power", powerTries],
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

/**
 * Cuts an operation on a folder's images at each change that it makes, the last time at none; `look` sees what a restart
 * then finds. Answers how often.
 */
export async function cutDeed(
  files: ReadonlyMap<string, Uint8Array>,
  deed: (folder: CrashFolder) => Promise<unknown>,
  look: (found: MemoryFolder, where: string, isDone: boolean) => Promise<void>,
  tries = 4,
): Promise<number> {
  let cut = 0;
  for (let isCut = true; isCut; ) {
    const folder = CrashFolder.of(files, ++cut);
    await deed(folder).catch((error: unknown) => {
      if (!folder.isCut) throw error;
    });
    isCut = folder.isCut;
    for (let i = 0; i < tries; i++) {
      const random = new SeededRandom(cut * tries + i + 1);
      const found = CrashFolder.memory(folder.afterwards(i === 0 ? "kill" : "power", random));
      await recoverFolder(found);
      await look(found, `cut ${cut}, ${i}`, !isCut);
    }
  }
  return cut;
}

/** Workloads by what they are about. */
export const WORKLOADS = {
  writes: (run) => writeSome(run, 25),

  chains: async (run) => {
    await writeSome(run, 6);
    await snapshot(run, "one.vhd");
    await writeSome(run, 6);
    await snapshot(run, "two.vhd");
    await writeSome(run, 6);
  },

  merge: async (run) => {
    await writeSome(run, 6);
    await snapshot(run, "one.vhd");
    await writeSome(run, 6);
    run.snapshots.clear();
    const merged = coalesce(run.live);
    merged.catch(() => {});
    await writeSome(run, 6);
    await merged;
    await writeSome(run, 3);
  },

  middle: async (run) => {
    await writeSome(run, 4);
    await snapshot(run, "one.vhd");
    await writeSome(run, 4);
    await snapshot(run, "two.vhd");
    run.snapshots.delete("one.vhd");
    await coalesce(run.live, { image: "two.vhd" });
    await writeSome(run, 3);
  },

  growth: async (run) => {
    await writeSome(run, 4);
    await grow(run.live, SECTORS + 2000);
    await writeSome(run, 4);
  },
} satisfies Record<string, Workload>;
