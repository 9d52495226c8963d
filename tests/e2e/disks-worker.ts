/** What disks.e2e.ts has a browser's worker do with images in the origin private file system. */
import {
  checkImage,
  cloneImage,
  coalesce,
  createImage,
  type Disk,
  grow,
  Images,
  imageTree,
  LiveDisk,
  OpfsFolder,
  openHttp,
  recoverFolder,
  type StorageError,
  takeSnapshot,
} from "../../control-plane/storage/index.js";
import { SeededRandom } from "../../control-plane/util/index.js";
import type { Doing, Told } from "./kills.js";

const MIB = 2 ** 20;
const SECTORS_PER_MIB = MIB / 512;

const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
/** A part of the shared memory that holds one number over and over. */
function filled(value: number, bytes = MIB): Uint8Array {
  const view = new Uint8Array(memory.buffer, 4096, bytes);
  view.fill(value);
  return view;
}

const back = new Uint8Array(memory.buffer, 2 * MIB, MIB);

const SECTOR_BYTES = 512;
/** Where those begin that a killed worker writes to: a sector of each in every round. */
const BLOCKS = Array.from({ length: 8 }, (_, block) => 2 * block * SECTORS_PER_MIB);
const ROUNDS_MAX = SECTORS_PER_MIB;
/** From the end of a snapshot or a merge to the next. */
const ROUNDS_BETWEEN = 3;
const WRONG_SHOWN = 10;

function stamped(round: number, block: number): Uint8Array {
  if (round >= ROUNDS_MAX) throw new Error("nobody has ended this");
  return new Uint8Array(new Uint32Array(SECTOR_BYTES / 4).fill(round * BLOCKS.length + block).buffer);
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, at) => byte === b[at]);
const tellRound = (told: Told): void => postMessage(told);

async function holds(disk: Disk, mib: number, value: number): Promise<boolean> {
  await disk.read(mib * SECTORS_PER_MIB, [back.subarray(0, 4096), back.subarray(4096)]);
  return back.every((byte) => byte === value);
}

async function openImages(): Promise<Images> {
  const folder = await OpfsFolder.open("disks-test");
  await recoverFolder(folder);
  return new Images({ folder, sources: { random: new SeededRandom(Date.now()), now: () => Date.now() } });
}

type Deeds = Record<string, (parameter: string) => Promise<unknown>>;

const deeds: Deeds = {
  /** Snapshots, clones, growth and merges of a disk in use. */
  async live() {
    const images = await openImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 64 * MIB });
    const disk = await LiveDisk.open(images, "a.vhd");
    for (let mib = 0; mib < 8; mib++) await disk.write(mib * SECTORS_PER_MIB, [filled(mib + 1)]);
    await takeSnapshot(disk, "before.vhd");
    await disk.write(3 * SECTORS_PER_MIB, [filled(99)]);
    await cloneImage(images, "before.vhd", "clone.vhd");
    const clone = await LiveDisk.open(images, "clone.vhd");
    const seen = [await holds(disk, 3, 99), await holds(clone, 3, 4), await holds(disk, 7, 8)];
    await clone.close();
    await images.folder.remove("clone.vhd");
    await grow(disk, 1024 * SECTORS_PER_MIB);
    await disk.write(1000 * SECTORS_PER_MIB, [filled(77)]);
    await coalesce(disk);
    seen.push(await holds(disk, 3, 99), await holds(disk, 2, 3), await holds(disk, 1000, 77));
    await disk.close();
    const findings = (await checkImage(images, "a.vhd")).filter((finding) => finding.severity !== "note");
    return { seen, findings, tree: (await imageTree(images)).map((node) => node.name) };
  },

  /** Round by round, from `first` on, writes to eight blocks, flushes and says so; snapshots and merges meanwhile. */
  async writeUntilKilled(first) {
    const images = await openImages();
    if (!(await images.folder.exists("kc.vhd"))) {
      await createImage(images, "k.vhd", { kind: "dynamic", bytes: 64 * MIB });
      await cloneImage(images, "k.vhd", "kc.vhd");
    }
    const disk = await LiveDisk.open(images, "kc.vhd");
    let doing: Doing = "write";
    let since = 0;
    const begin = async (): Promise<void> => {
      doing = (await images.folder.exists("ks.vhd")) ? "merge" : "snapshot";
      const work = doing === "merge" ? coalesce(disk) : takeSnapshot(disk, "ks.vhd");
      const end = () => {
        doing = "write";
        since = 0;
      };
      work.then(end, (error: unknown) => postMessage({ failed: String(error) }));
    };
    for (let round = Number(first); ; round++) {
      for (const [block, at] of BLOCKS.entries()) await disk.write(at + round, [stamped(round, block)]);
      if (doing === "write" && ++since === ROUNDS_BETWEEN) {
        await begin();
        tellRound({ flushed: round - 1, doing });
      }
      await disk.flush();
      tellRound({ flushed: round, doing });
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  },

  /** Which of the rounds that were told to be flushed have lost something, and what is wrong otherwise. */
  async afterKill(told) {
    const images = await openImages();
    const disk = await LiveDisk.open(images, "kc.vhd");
    const wrong: string[] = [];
    for (const [block, at] of BLOCKS.entries()) {
      await disk.read(at, [back]);
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const sector = back.subarray(round * SECTOR_BYTES, (round + 1) * SECTOR_BYTES);
        const isAsWritten = round > 0 && sameBytes(sector, stamped(round, block));
        const isRight = isAsWritten || ((round === 0 || round > Number(told)) && sector.every((byte) => byte === 0));
        if (!isRight) wrong.push(`round ${round}, block ${block}`);
      }
    }
    await disk.close();
    const findings = (await checkImage(images, "kc.vhd")).filter((finding) => finding.severity === "error");
    const leftovers = (await images.folder.list()).filter(({ name }) => name.endsWith("~"));
    return { wrong: wrong.slice(0, WRONG_SHOWN), findings, leftovers };
  },

  /** The first and the last MiB of an image on a server, or why it cannot be had. */
  async remote(address) {
    try {
      const { disk } = await openHttp()(address);
      const last = disk.sectors / SECTORS_PER_MIB - 1;
      const seen = [await holds(disk, 0, 1), await holds(disk, last, 2)];
      await disk.close();
      return { seen };
    } catch (error) {
      return { code: (error as StorageError).code, next: (error as StorageError).next };
    }
  },

  /** How fast, for people to read. */
  async speed() {
    const images = await openImages();
    await createImage(images, "s.vhd", { kind: "dynamic", bytes: 256 * MIB });
    const disk = await LiveDisk.open(images, "s.vhd");
    const time = async (work: () => Promise<void>): Promise<number> => {
      const start = performance.now();
      await work();
      return Math.round(performance.now() - start);
    };
    const data = filled(5);
    const each = async (work: (mib: number) => unknown) => {
      for (let mib = 0; mib < 128; mib++) await work(mib);
    };
    const writeMs = await time(() => each((mib) => disk.write(mib * SECTORS_PER_MIB, [data])));
    const flushMs = await time(async () => disk.flush());
    const readMs = await time(() => each((mib) => disk.read(mib * SECTORS_PER_MIB, [back])));
    const snapshotMs = await time(() => takeSnapshot(disk, "ss.vhd"));
    await disk.close();
    return { writeMs, flushMs, readMs, snapshotMs };
  },
};

addEventListener("message", async (event: MessageEvent<string>) => {
  try {
    const [deed, parameter = ""] = event.data.split(" ");
    postMessage({ done: await deeds[deed!]!(parameter) });
  } catch (error) {
    postMessage({ failed: String(error) });
  }
});
