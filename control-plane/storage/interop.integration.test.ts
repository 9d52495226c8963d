/** Other people's programs read the images made here, and images that they make are read here. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SeededRandom } from "../util/index.js";
import { type Disk, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import { NodeFolder } from "./folders/folder-node.js";
import type { Images } from "./images.js";
import { coalesce } from "./live/coalesce.js";
import { LiveDisk } from "./live/live-disk.js";
import { grow } from "./live/resize.js";
import { takeSnapshot } from "./live/snapshot.js";
import { checkImage } from "./operations/check.js";
import { cloneImage, createImage } from "./operations/create.js";
import { contentsOf, imageContents, pattern, sameBytes, testImages } from "./testing/images.js";
import { OtherPrograms } from "./testing/other-programs.js";
import { imageInfo } from "./tree.js";

let others: OtherPrograms;
let images: Images;

beforeEach(() => {
  others = new OtherPrograms();
  images = testImages({ folder: new NodeFolder(others.folder) });
});
afterEach(() => others.remove());

const run = (program: string, ...args: string[]): string => others.run(program, ...args);
const inFolder = (name: string): string => join(others.folder, name);

/** The smallest, odd ones, and a whole number of everything. */
const SIZES = [512, 512 * 4097, 10 * 2 ** 20 + 512 * 3, 32 * 2 ** 20];
/** Where the geometry changes its shape. */
const LARGE_SIZES = [129 * 2 ** 20 + 512, 560 * 2 ** 20, 40 * 2 ** 30 + 512, 2040 * 2 ** 30];

/** Writes here and there, in multiples of some sectors, and answers what the disk then holds. */
async function scribble(
  disk: Disk,
  seed: number,
  expected: Uint8Array = new Uint8Array(disk.sectors * SECTOR_BYTES),
  unit = 1,
) {
  const units = Math.floor(disk.sectors / unit);
  for (let i = 0; i < 12; i++) {
    const countUnits = Math.min(units, 1 + ((i * 97 + seed) % Math.ceil(300 / unit)));
    const count = countUnits * unit;
    const sector = unit * (i === 0 ? units - countUnits : ((i * 7919 + seed) * 31) % (units - countUnits + 1));
    const data = pattern(count * SECTOR_BYTES, seed * 100 + i);
    expected.set(data, sector * SECTOR_BYTES);
    await disk.write(sector, [data]);
  }
  return expected;
}

describe("images made here", () => {
  it.each(SIZES)("of %d bytes are the same to qemu-img, libvhdi and 7-Zip", async (bytes) => {
    for (const kind of ["fixed", "dynamic"] as const) {
      await createImage(images, `${kind}.vhd`, { kind, bytes });
      const disk = await LiveDisk.open(images, `${kind}.vhd`);
      const expected = await scribble(disk, 3);
      await disk.close();
      expect(others.isToQemu(`${kind}.vhd`, expected)).toBe(true);
      expect(others.sizeToQemu(`${kind}.vhd`)).toBe(bytes);
      expect(run("vhdiinfo", `${kind}.vhd`)).toMatch(new RegExp(`Disk type\\s*: ${kind}`, "i"));
      expect(sameBytes(others.libvhdi(`${kind}.vhd`, bytes), expected)).toBe(true);
      expect(sameBytes(others.sevenZip(`${kind}.vhd`), expected)).toBe(true);
      run("qemu-img", "convert", "-f", "vpc", "-O", "raw", `${kind}.vhd`, "converted.raw");
      expect(sameBytes(readFileSync(inFolder("converted.raw")), expected)).toBe(true);
    }
  });

  it("stay so when they have grown, and been merged", async () => {
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 20 * 2 ** 20, blockBytes: 65536 });
    const disk = await LiveDisk.open(images, "a.vhd");
    await scribble(disk, 1);
    await takeSnapshot(disk, "s.vhd");
    await grow(disk, (60 * 2 ** 20) / SECTOR_BYTES);
    const expected = await scribble(disk, 2, await contentsOf(disk));
    await coalesce(disk);
    await disk.close();
    expect(others.isToQemu("a.vhd", expected)).toBe(true);
    // libvhdi takes the size at creation for the size.
    expect(sameBytes(others.sevenZip("a.vhd"), expected)).toBe(true);
  });

  it.each(LARGE_SIZES)("of %d bytes are as large to others, who read the last sectors", async (bytes) => {
    await createImage(images, "a.vhd", { kind: "dynamic", bytes });
    const disk = await LiveDisk.open(images, "a.vhd");
    const fills = [0xa5, 0x5a];
    const last = new Uint8Array(2 * SECTOR_BYTES);
    for (const [i, fill] of fills.entries()) last.fill(fill, i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
    await disk.write(disk.sectors - 2, [last]);
    await disk.close();
    for (const [i, fill] of fills.entries()) {
      const read = `read -P ${fill} ${bytes - (2 - i) * SECTOR_BYTES} ${SECTOR_BYTES}`;
      const said = run("qemu-io", "-f", "vpc", "-r", "-c", read, "a.vhd");
      expect(said).toMatch(/^read 512\/512 bytes/);
      expect(said).not.toContain("verification failed");
    }
    expect(sameBytes(others.libvhdi("a.vhd", bytes, bytes - last.length), last)).toBe(true);
    expect(others.sizeToQemu("a.vhd")).toBe(bytes);
    expect(run("7z", "l", "-slt", "a.vhd")).toContain(`Size = ${bytes}`);
    expect(run("vhdiinfo", "a.vhd")).toContain(`${bytes} bytes`);
  });

  // libvhdi 20210425 takes clear bits behind set ones in a byte of a bitmap for zeros, not for the parent's: it gets what
  // a file system writes, whole pages.
  it.each([1, 8])("are chains to libvhdi and 7-Zip, written %d sectors at a time", async (unit) => {
    await createImage(images, "disk.vhd", { kind: "dynamic", bytes: 20 * 2 ** 20 + 512 });
    const disk = await LiveDisk.open(images, "disk.vhd");
    await scribble(disk, 1, undefined, unit);
    await takeSnapshot(disk, "one.vhd");
    await scribble(disk, 2, await contentsOf(disk), unit);
    await takeSnapshot(disk, "two.vhd");
    const expected = await scribble(disk, 3, await contentsOf(disk), unit);
    await disk.close();
    await cloneImage(images, "two.vhd", "clone.vhd");
    expect(sameBytes(await imageContents(images, "disk.vhd"), expected)).toBe(true);
    for (const name of ["disk.vhd", "two.vhd", "clone.vhd"]) {
      const here = await imageContents(images, name);
      if (unit === 8) expect(sameBytes(others.libvhdi(name, expected.length), here)).toBe(true);
      expect(sameBytes(others.sevenZip(name), here)).toBe(true);
    }
    expect(run("vhdiinfo", "disk.vhd")).toMatch(/Disk type\s*: Differential/);
  });
});

describe("images made by qemu-img", () => {
  const RAW_BYTES = 30 * 2 ** 20 + 512 * 7;

  function rawImage(): Uint8Array {
    const bytes = new Uint8Array(RAW_BYTES);
    for (let i = 0; i < 20; i++) bytes.set(pattern(70_000, i + 1), ((i * 7919 * 512) % (RAW_BYTES - 70_000)) & ~511);
    writeFileSync(inFolder("source.raw"), bytes);
    return bytes;
  }

  it.each(["dynamic", "fixed"])("as %s VHDs are read and written to", async (subformat) => {
    const expected = rawImage();
    const options = `subformat=${subformat},force_size=on`;
    run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, "source.raw", "a.vhd");
    expect((await checkImage(images, "a.vhd")).filter((f) => f.severity === "error")).toEqual([]);
    const disk = await LiveDisk.open(images, "a.vhd");
    expect(sameBytes(await contentsOf(disk), expected)).toBe(true);
    await scribble(disk, 4, expected);
    await disk.close();
    expect(others.isToQemu("a.vhd", expected)).toBe(true);
  });

  it("as VHDs whose size follows the geometry are read whole", async () => {
    run("qemu-img", "create", "-f", "vpc", "a.vhd", "17000001");
    const { sizeBytes } = await imageInfo(images, "a.vhd");
    expect(sizeBytes).toBe(others.sizeToQemu("a.vhd"));
  });

  it.each([
    ["compat=0.10", []],
    ["compat=1.1", []],
    ["compat=1.1,cluster_size=4096", ["-c"]],
    ["compat=1.1,compression_type=zstd", ["-c"]],
    ["compat=1.1,cluster_size=2M", ["-c"]],
    ["compat=0.10,cluster_size=512", []],
  ] as const)("as qcow2 with %s %j are read", async (options, flags) => {
    const expected = rawImage();
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", ...flags, "-o", options, "source.raw", "a.qcow2");
    expect(sameBytes(await imageContents(images, "a.qcow2"), expected)).toBe(true);
    expect(await imageInfo(images, "a.qcow2")).toMatchObject({ kind: "qcow2", sizeBytes: RAW_BYTES });
  });

  it("as qcow2 with backing files are read, and clones stand on them", async () => {
    const expected = rawImage();
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "source.raw", "base.qcow2");
    run("qemu-img", "create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2", "40M");
    run("qemu-io", "-c", "write -P 0xab 1M 64k", "-c", "write -z 2M 64k", "top.qcow2");
    const whole = new Uint8Array(40 * 2 ** 20);
    whole.set(expected);
    whole.fill(0xab, 2 ** 20, 2 ** 20 + 65536);
    whole.fill(0, 2 * 2 ** 20, 2 * 2 ** 20 + 65536);
    expect(sameBytes(await imageContents(images, "top.qcow2"), whole)).toBe(true);
    await cloneImage(images, "top.qcow2", "clone.vhd");
    const disk = await LiveDisk.open(images, "clone.vhd");
    await scribble(disk, 2, whole);
    expect(sameBytes(await contentsOf(disk), whole)).toBe(true);
    await disk.close();
  });

  it("as qcow2 with what is not here are refused by name", async () => {
    run("qemu-img", "create", "-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k", "a.qcow2", "1M");
    await expect(images.openShared("a.qcow2")).rejects.toThrow("extended L2 entries");
    run("qemu-img", "create", "-f", "qcow2", "-o", "data_file=data.raw", "b.qcow2", "1M");
    await expect(images.openShared("b.qcow2")).rejects.toThrow("external data file");
    run(
      "qemu-img",
      "create",
      "-f",
      "qcow2",
      "--object",
      "secret,id=s,data=x",
      "-o",
      "encrypt.format=aes,encrypt.key-secret=s",
      "c.qcow2",
      "1M",
    );
    await expect(images.openShared("c.qcow2")).rejects.toThrow("the image is encrypted");
  });

  it.each([["-c"], []])("as qcow2 (%s) and then damaged are refused, or do no harm", async (...flags) => {
    writeFileSync(inFolder("source.raw"), pattern(2 ** 20, 1).fill(0, 100_000, 600_000));
    const options = ["-O", "qcow2", "-o", "cluster_size=4096"];
    run("qemu-img", "convert", "-f", "raw", ...options, ...flags, "source.raw", "a.qcow2");
    const whole = readFileSync(inFolder("a.qcow2"));
    const random = new SeededRandom(3);
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from(whole);
      for (let i = 0; i < 4; i++) {
        // The header and the tables more often than the data.
        const range = [112, 20_000, bytes.length][random.u32() % 3]!;
        bytes[random.u32() % range] = random.u32();
      }
      writeFileSync(inFolder("b.qcow2"), bytes);
      try {
        const disk = await images.openShared("b.qcow2");
        await disk.read(0, [new Uint8Array(Math.min(disk.sectors, 2048) * SECTOR_BYTES)]);
        await disk.close();
      } catch (error) {
        expect(error, `round ${round}`).toBeInstanceOf(StorageError);
      }
      await imageInfo(images, "b.qcow2").catch((error: unknown) => expect(error).toBeInstanceOf(StorageError));
    }
  });
});
