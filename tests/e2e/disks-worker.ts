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

  /** Writes, flushes, says so, and goes on writing until somebody ends it. */
  async writeUntilKilled() {
    const images = await openImages();
    await createImage(images, "k.vhd", { kind: "dynamic", bytes: 64 * MIB });
    await (await LiveDisk.open(images, "k.vhd")).close();
    await cloneImage(images, "k.vhd", "kc.vhd");
    const disk = await LiveDisk.open(images, "kc.vhd");
    for (let round = 1; ; round++) {
      for (let mib = 0; mib < 8; mib++) await disk.write(mib * SECTORS_PER_MIB + round, [filled(round, 4096)]);
      await disk.flush();
      postMessage({ flushed: round });
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  },

  /** What was flushed before that. */
  async afterKill() {
    const images = await openImages();
    const disk = await LiveDisk.open(images, "kc.vhd");
    let rounds = 0;
    const part = back.subarray(0, 512);
    for (let round = 1; round < 1500; round++) {
      await disk.read(7 * SECTORS_PER_MIB + round, [part]);
      if (part.every((byte) => byte === (round & 0xff))) rounds = round;
      else break;
    }
    await disk.close();
    const findings = (await checkImage(images, "kc.vhd")).filter((finding) => finding.severity === "error");
    return { rounds, findings };
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
