/** Discards: carried out where that frees something, answered all the same once they were offered, else refused. */
import { expect, it } from "vitest";
import { cloneImage, coalesce, createImage, LiveDisk, MemoryDisk, takeSnapshot } from "../../storage/index.js";
import { BlkOp, type BlkRequest, BlkStatus } from "./codec.js";
import { BlkFront } from "./testing/front.js";
import { liveImage, memoryImages } from "./testing/live.js";

const SECTORS = 64;
const MARK = 7;
const { OKAY, UNSUPPORTED } = BlkStatus;

const discardOf = (front: BlkFront, count = 8): BlkRequest =>
  Object.assign(front.request(BlkOp.DISCARD, 0, [], 2), { discardSectors: count });

/** Writes a page, discards it and reads it; what the discard was answered, and what the page then holds. */
async function discarded(front: BlkFront): Promise<{ status: number; held: number }> {
  const { ref, bytes } = front.shared();
  bytes.fill(MARK);
  front.send([front.request(BlkOp.WRITE, 0, [ref], 1), discardOf(front)]);
  await front.settle();
  const answers = front.responses();
  bytes.fill(1);
  front.send([front.request(BlkOp.READ, 0, [ref], 3)]);
  await front.settle();
  answers.push(...front.responses());
  expect(answers.map(({ id, status }) => [id, id === 2 ? 0 : status])).toEqual([1, 2, 3].map((id) => [id, 0]));
  expect(bytes.every((byte) => byte === bytes[0])).toBe(true);
  return { status: answers[1]!.status, held: bytes[0]! };
}

it("are carried out, but not with a promise that nothing is left", async () => {
  const front = new BlkFront(new MemoryDisk(SECTORS));
  front.connect();
  expect(await discarded(front)).toEqual({ status: OKAY, held: 0 });
  front.send([Object.assign(discardOf(front), { isSecure: true })]);
  expect(front.responses()).toMatchObject([{ status: UNSUPPORTED }]);
});

it("are refused where the configuration says that all is to be kept", async () => {
  const front = new BlkFront(new MemoryDisk(SECTORS), { discard: false });
  front.connect();
  expect(front.key("feature-discard")).toBe("0");
  expect(await discarded(front)).toEqual({ status: UNSUPPORTED, held: MARK });
});

it("go on being answered after a snapshot and a merge, which the guest does not hear of", async () => {
  const disk = await liveImage("a.vhd", SECTORS);
  const front = new BlkFront(disk);
  front.connect();
  expect(front.key("feature-discard")).toBe("1");
  expect(await discarded(front)).toEqual({ status: OKAY, held: 0 });
  await takeSnapshot(disk, "empty.vhd");
  expect(await discarded(front)).toEqual({ status: OKAY, held: 0 });
  const { ref, bytes } = front.shared();
  bytes.fill(3);
  front.send([front.request(BlkOp.WRITE, 0, [ref])]);
  front.responses();
  await takeSnapshot(disk, "full.vhd");
  // The snapshot keeps what it holds, and the guest what it wrote since: the format has no word for zeros over it.
  expect(await discarded(front)).toEqual({ status: OKAY, held: MARK });
  for (const layers of [2, 1]) {
    await coalesce(disk);
    expect(disk.chain).toHaveLength(layers);
    expect(await discarded(front)).toEqual({ status: OKAY, held: 0 });
  }
  expect(front.backend.stats()).toMatchObject({ discards: 5, errors: 0 });
  await disk.close();
});

it("go on being answered where nothing can be freed any more", async () => {
  const images = memoryImages();
  await createImage(images, "base.vhd", { kind: "fixed", bytes: SECTORS * 512 });
  await cloneImage(images, "base.vhd", "top.vhd");
  const disk = await LiveDisk.open(images, "top.vhd");
  const front = new BlkFront(disk);
  front.connect();
  await coalesce(disk);
  expect(disk.supportsDiscard).toBe(false);
  expect(await discarded(front)).toEqual({ status: OKAY, held: MARK });
  // Who connects anew hears what the disk is now.
  front.write("state", "6");
  await front.settle();
  front.write("state", "1");
  front.connect();
  expect(front.key("feature-discard")).toBe("0");
  expect(await discarded(front)).toEqual({ status: UNSUPPORTED, held: MARK });
  await disk.close();
});
