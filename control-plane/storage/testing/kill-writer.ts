/**
 * A process that writes to a disk until it is killed: `kill-writer.ts FOLDER`. Round by round it writes sectors that say
 * which round they are of, flushes, and prints the round's number; now and then it takes a snapshot or merges one.
 */
import { SECTOR_BYTES } from "../disk.js";
import { NodeFolder } from "../folders/folder-node.js";
import { Images } from "../images.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { takeSnapshot } from "../live/snapshot.js";
import { recoverFolder } from "../notes.js";
import { createImage } from "../operations/create.js";
import { testSources } from "./images.js";

const SECTORS_PER_ROUND = 3;
const ROUNDS = 4000;

const folder = new NodeFolder(process.argv[2]!);
await recoverFolder(folder);
const images = new Images({ folder, sources: testSources(process.pid) });
if (!(await folder.exists("disk.vhd"))) {
  const bytes = (ROUNDS + 1) * 16 * SECTOR_BYTES;
  await createImage(images, "disk.vhd", { kind: "dynamic", bytes, blockBytes: 65536 });
}
const disk = await LiveDisk.open(images, "disk.vhd");
let work: Promise<unknown> = Promise.resolve();
let isSnapshot = !(await folder.exists("snapshot.vhd"));
for (let round = Number(process.argv[3] ?? 1); round < ROUNDS; round++) {
  const bytes = new Uint8Array(SECTORS_PER_ROUND * SECTOR_BYTES);
  new Uint32Array(bytes.buffer).fill(round);
  // Scattered, so that blocks of every age get their part.
  await disk.write(((round * 1009) % ROUNDS) * 16 + (round % 7), [bytes]);
  if (round % 5 === 0) {
    await work;
    work = isSnapshot ? takeSnapshot(disk, "snapshot.vhd") : coalesce(disk);
    isSnapshot = !isSnapshot;
  }
  await disk.flush();
  process.stdout.write(`${round}\n`);
}
