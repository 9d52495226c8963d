import { describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "../disk.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { grow } from "../live/resize.js";
import { takeSnapshot } from "../live/snapshot.js";
import { checkImage } from "../operations/check.js";
import { createImage } from "../operations/create.js";
import { contentsOf, failure, imageContents, pattern, sameBytes, testImages, testSources } from "../testing/images.js";
import { BlockTable, tableBytes, UNUSED } from "./bat.js";
import { SectorBitmap } from "./bitmap.js";
import { newFooter } from "./create.js";
import { fromVhdTime, readUtf16, readUuid, toVhdTime, utf16Bytes, writeUuid } from "./fields.js";
import { DiskType, readFooter, writeFooter } from "./footer.js";
import { geometryOf } from "./geometry.js";
import { readHeader } from "./header.js";
import { locatorData, PlatformCode, readLocatorPath } from "./locator.js";
import { SparseDisk } from "./sparse-disk.js";
import { findFooter, readSparseImage } from "./sparse-image.js";

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("the footer", () => {
  it("has each field where the specification puts it", () => {
    const footer = newFooter(DiskType.DYNAMIC, 40 * 2 ** 30, testSources());
    const bytes = writeFooter(footer);
    expect(hexOf(bytes.subarray(0, 16))).toBe(`${hexOf(Buffer.from("conectix"))}0000000200010000`);
    expect(hexOf(bytes.subarray(16, 24))).toBe("0000000000000200");
    // 2026 begins 820,540,800 seconds after 2000.
    expect(hexOf(bytes.subarray(24, 28))).toBe((820_540_800).toString(16).padStart(8, "0"));
    expect(bytes.subarray(28, 40)).toEqual(Uint8Array.from(Buffer.from("tap\0\0\0\0\x01Wi2k", "latin1")));
    expect(hexOf(bytes.subarray(40, 56))).toBe("0000000a000000000000000a00000000");
    // 83,886,080 sectors have 20,560 cylinders of 16 heads and 255 sectors.
    expect(hexOf(bytes.subarray(56, 64))).toBe("505010ff00000003");
    expect(bytes.subarray(84).every((byte) => byte === 0)).toBe(true);
    expect(readFooter(bytes)).toEqual({ footer: { ...footer, features: 2 }, faults: [] });
  });

  it("has a checksum that notices any change", () => {
    const bytes = writeFooter(newFooter(DiskType.FIXED, 512, testSources()));
    for (let at = 8; at < 512; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 0x10;
      expect(readFooter(changed).faults.map((f) => f.field)).toEqual(["Checksum"]);
    }
  });

  it("names a version, type or size that cannot be", () => {
    const footer = newFooter(DiskType.DYNAMIC, 512, testSources());
    const faultOf = (change: object) => readFooter(writeFooter({ ...footer, ...change })).faults[0];
    expect(faultOf({ version: 0x0002_0000 })).toMatchObject({ code: "unsupported", field: "File Format Version" });
    expect(faultOf({ diskType: 6 })).toMatchObject({ code: "unsupported", field: "Disk Type", found: "6" });
    expect(faultOf({ currentSize: 2n ** 63n })).toMatchObject({ code: "limit", field: "Current Size" });
    expect(faultOf({ currentSize: BigInt(2041 * 2 ** 30) })).toMatchObject({ code: "limit", field: "Current Size" });
    expect(faultOf({ currentSize: 513n })).toMatchObject({ code: "corrupt", field: "Current Size" });
  });
});

describe("the geometry", () => {
  // Computed by hand from the specification's appendix.
  it.each([
    [1, { cylinders: 0, heads: 4, sectorsPerTrack: 17 }],
    [20_480, { cylinders: 301, heads: 4, sectorsPerTrack: 17 }],
    [204_800, { cylinders: 1003, heads: 12, sectorsPerTrack: 17 }],
    [409_600, { cylinders: 825, heads: 16, sectorsPerTrack: 31 }],
    [2_097_152, { cylinders: 2080, heads: 16, sectorsPerTrack: 63 }],
    [66_059_280, { cylinders: 16191, heads: 16, sectorsPerTrack: 255 }],
    [2040 * 2 ** 21, { cylinders: 65535, heads: 16, sectorsPerTrack: 255 }],
  ])("of %d sectors is that of the specification", (sectors, geometry) => {
    expect(geometryOf(sectors)).toEqual(geometry);
  });
});

describe("small fields", () => {
  it("survive writing and reading", () => {
    const bytes = new Uint8Array(20);
    writeUuid(bytes, 2, "00112233-4455-6677-8899-aabbccddeeff");
    expect(readUuid(bytes, 2)).toBe("00112233-4455-6677-8899-aabbccddeeff");
    expect(toVhdTime(946_684_800_000)).toBe(0);
    expect(fromVhdTime(toVhdTime(1_767_225_600_000))).toBe(1_767_225_600_000);
    for (const little of [true, false]) expect(readUtf16(utf16Bytes("Größe", little), little)).toBe("Größe");
  });

  it("locators give back the paths they were made of", () => {
    const [relative, absolute, url] = locatorData("../base/a b.vhd", "/images/base/a b.vhd");
    expect(readLocatorPath(relative!.platformCode, relative!.data)).toBe("..\\base\\a b.vhd");
    expect(readLocatorPath(absolute!.platformCode, absolute!.data)).toBe("\\images\\base\\a b.vhd");
    expect(readLocatorPath(url!.platformCode, url!.data)).toBe("../base/a b.vhd");
    const told = (text: string) => readLocatorPath(PlatformCode.MACX, new TextEncoder().encode(text));
    expect(told("file://localhost/Disks/p.vhd\0\0")).toBe("/Disks/p.vhd");
    expect(told("file:///Disks/p%20q.vhd")).toBe("/Disks/p q.vhd");
    expect(told("file://other.host/p.vhd")).toBe(null);
    expect(told("file:///%zz")).toBe(null);
    expect(readLocatorPath(PlatformCode.MAC, new Uint8Array(9))).toBe(null);
  });
});

describe("a sector bitmap", () => {
  it("begins with the most significant bit", () => {
    const bitmap = new SectorBitmap(new Uint8Array(512), 4096);
    expect([bitmap.isEmpty, bitmap.isFull]).toEqual([true, false]);
    expect(bitmap.setRun(0, 1)).toBe(true);
    expect(bitmap.setRun(9, 3)).toBe(true);
    expect([...bitmap.bytes.subarray(0, 3)]).toEqual([0x80, 0x70, 0]);
    expect(bitmap.setRun(9, 3)).toBe(false);
    expect([bitmap.runLength(0, 4096), bitmap.runLength(1, 4095), bitmap.runLength(9, 10)]).toEqual([1, 8, 3]);
    expect(bitmap.runLength(12, 4084)).toBe(4084);
    bitmap.setRun(0, 4096);
    expect([bitmap.isFull, bitmap.runLength(7, 100)]).toEqual([true, 100]);
  });

  it("does not count bits beyond the block", () => {
    expect(new SectorBitmap(Uint8Array.of(0xff), 3).isFull).toBe(true);
    expect(new SectorBitmap(Uint8Array.of(0x1f), 3).isEmpty).toBe(true);
  });
});

describe("the block table", () => {
  const table = () => new BlockTable(new Uint8Array(tableBytes(200)).fill(0xff), 200);

  it("holds entries back until they are committed, and shows them all the time", () => {
    const t = table();
    t.change(150, 77);
    t.capture();
    t.change(3, 99);
    expect([t.lookup(150), t.lookup(3), t.stored(150)]).toEqual([77, 99, UNUSED]);
    expect(t.apply()).toEqual([1]);
    t.release(true);
    expect([t.stored(150), t.stored(3), t.lookup(3)]).toEqual([77, UNUSED, 99]);
  });

  it("takes back a commit that failed, but not over what is newer", () => {
    const t = table();
    t.change(1, 10);
    t.change(2, 20);
    t.capture();
    t.change(2, UNUSED);
    t.release(false);
    expect([...t.pending]).toEqual([
      [1, 10],
      [2, UNUSED],
    ]);
  });
});

describe("a new image", () => {
  it("is laid out as the specification's figure shows", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 300 * 2 ** 20 });
    const bytes = images.folder.contents("a.vhd").copy();
    expect(bytes.length).toBe(512 + 1024 + 1024 + 512);
    expect(sameBytes(bytes.subarray(0, 512), bytes.subarray(-512))).toBe(true);
    const { header, faults } = readHeader(bytes.subarray(512, 1536));
    expect(faults).toEqual([]);
    expect(header).toMatchObject({ tableOffset: 1536n, maxTableEntries: 150, blockSize: 2 ** 21, parentTimeStamp: 0 });
    expect(bytes.subarray(1536, 1536 + 1024).every((byte) => byte === 0xff)).toBe(true);
  });

  it("refuses sizes that no disk has", async () => {
    const images = testImages();
    for (const bytes of [0, -512, 100, 1.5, Number.NaN, 2 ** 60]) {
      expect((await failure(() => createImage(images, "a.vhd", { kind: "fixed", bytes }))).code).toBe("bad-request");
    }
    const large = await failure(() => createImage(images, "a.vhd", { kind: "dynamic", bytes: 2041 * 2 ** 30 }));
    expect(large).toEqual({
      code: "limit",
      message:
        "a VHD cannot be that large (found 2191507062784, expected at most 2190433320960 (2040 GiB)); use a raw image",
    });
    expect(await images.folder.list()).toEqual([]);
  });

  it("may be as large as the format allows, and takes no room for that", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 2040 * 2 ** 30 });
    const disk = await images.open("a.vhd", "write");
    const data = pattern(1024, 5);
    await disk.write(disk.sectors - 2, [data]);
    await disk.close();
    const again = await images.open("a.vhd", "read");
    const back = new Uint8Array(1024);
    await again.read(again.sectors - 2, [back]);
    expect(sameBytes(back, data)).toBe(true);
    expect(again.sectors).toBe(2040 * 2 ** 21);
    expect(images.folder.contents("a.vhd").size).toBeLessThan(7 * 2 ** 20);
  });
});

describe("an image of others", () => {
  it("may have a footer of 511 bytes, as before Virtual PC 2004", async () => {
    const images = testImages();
    for (const kind of ["fixed", "dynamic"] as const) {
      await createImage(images, "a.vhd", { kind, bytes: 65536 });
      const bytes = images.folder.contents("a.vhd").copy();
      images.folder.put("a.vhd", bytes.subarray(0, bytes.length - 1));
      const disk = await images.open("a.vhd", "write");
      await disk.write(3, [pattern(512, 1)]);
      await disk.close();
      expect((await checkImage(images, "a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
      expect(sameBytes((await imageContents(images, "a.vhd")).subarray(1536, 2048), pattern(512, 1))).toBe(true);
      await images.folder.remove("a.vhd");
    }
  });

  it("has bits that are clear where it was never written, whatever the file holds there", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    const disk = (await images.open("a.vhd", "write")) as SparseDisk;
    await disk.write(0, [pattern(4096, 1)]);
    await disk.close();
    const bytes = images.folder.contents("a.vhd").copy();
    const [entry] = [...disk.table.used()];
    bytes[entry!.sector * SECTOR_BYTES] = 0b1010_0000;
    images.folder.put("a.vhd", bytes);
    const again = await images.open("a.vhd", "write");
    const expected = new Uint8Array(4096);
    for (const sector of [0, 2])
      expected.set(pattern(4096, 1).subarray(sector * 512, sector * 512 + 512), sector * 512);
    expect(sameBytes((await contentsOf(again)).subarray(0, 4096), expected)).toBe(true);
    await again.write(5, [pattern(512, 9)]);
    expected.set(pattern(512, 9), 5 * 512);
    await again.close();
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(0, 4096), expected)).toBe(true);
  });
});

describe("a fixed image of others with room between its data and the footer", () => {
  const SIZE = 65536;

  /** What lies in the room is nobody's. */
  async function prepare(room: number) {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "fixed", bytes: SIZE });
    const bytes = images.folder.contents("a.vhd").copy();
    const file = new Uint8Array(SIZE + room + 512).fill(0xee, SIZE);
    file.set(bytes.subarray(0, SIZE));
    file.set(bytes.subarray(SIZE), SIZE + room);
    images.folder.put("a.vhd", file);
    return images;
  }

  it.each([
    [1024, 512],
    [1024, 1024],
    [1024, 8192],
    [1000, 1024],
  ])("of %d bytes grows by %d with zeros", async (room, more) => {
    const images = await prepare(room);
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(127, [pattern(512, 1)]);
    await grow(disk, (SIZE + more) / 512);
    await disk.close();
    const expected = new Uint8Array(SIZE + more);
    expected.set(pattern(512, 1), 127 * 512);
    expect(sameBytes(await imageContents(images, "a.vhd"), expected)).toBe(true);
    expect((await checkImage(images, "a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
  });

  it("takes over the identity of what is merged into it", async () => {
    const images = await prepare(1024);
    const disk = await LiveDisk.open(images, "a.vhd");
    await takeSnapshot(disk, "s.vhd");
    await disk.write(3, [pattern(512, 2)]);
    await takeSnapshot(disk, "t.vhd");
    await coalesce(disk, { image: "t.vhd" });
    await disk.close();
    const bytes = await imageContents(images, "a.vhd");
    expect(sameBytes(bytes.subarray(3 * 512, 4 * 512), pattern(512, 2))).toBe(true);
  });
});

it("a raw image whose last part fills no sector grows with zeros", async () => {
  const images = testImages();
  images.folder.put("a.raw", new Uint8Array(1000).fill(0xee));
  const disk = await LiveDisk.open(images, "a.raw");
  await grow(disk, 3);
  await disk.close();
  const bytes = await imageContents(images, "a.raw");
  expect(bytes.indexOf(0)).toBe(512);
  expect(bytes.subarray(512).every((byte) => byte === 0)).toBe(true);
});

describe("a dynamic disk", () => {
  it("has no block where the table's entries cannot point to", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 65536, blockBytes: 4096 });
    const file = await images.folder.open("a.vhd", "write");
    const image = await readSparseImage(file, await findFooter(file));
    const written: number[] = [];
    const huge = Object.assign(Object.create(file) as typeof file, { write: (at: number) => void written.push(at) });
    const end = 2 ** 32 - 8;
    const disk = new SparseDisk(huge, { ...image, end, usedEnd: end }, null);
    expect(await failure(() => disk.write(0, [new Uint8Array(512)]))).toMatchObject({ code: "limit" });
    expect(written).toEqual([]);
  });

  it.each([4096, 65536, 2 ** 21, 2 ** 23])("of blocks of %d bytes gives back what was written", async (blockBytes) => {
    const images = testImages();
    const bytes = 9 * 2 ** 20 + 512 * 5;
    await createImage(images, "a.vhd", { kind: "dynamic", bytes, blockBytes });
    const expected = new Uint8Array(bytes);
    const disk = await images.open("a.vhd", "write");
    for (let i = 0; i < 30; i++) {
      const data = pattern(SECTOR_BYTES * (1 + ((i * 37) % 90)), i + 1);
      const sector = (i * 7919) % (disk.sectors - 90);
      expected.set(data, sector * SECTOR_BYTES);
      await disk.write(
        sector,
        [data.subarray(0, 512), data.subarray(512)].filter((part) => part.length > 0),
      );
      if (i % 7 === 0) await disk.flush();
    }
    expect(sameBytes(await contentsOf(disk), expected)).toBe(true);
    await disk.close();
    const again = await images.open("a.vhd", "read");
    expect(sameBytes(await contentsOf(again), expected)).toBe(true);
  });

  it("commits once at a time, whoever asks the moment that one is done", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 64 * 1024, blockBytes: 4096 });
    const disk = await images.open("a.vhd", "write");
    await disk.write(0, [pattern(512, 1)]);
    const first = disk.flush() as Promise<void>;
    const afterwards = first.then(() => {
      void disk.write(16, [pattern(512, 2)]);
      return disk.flush();
    });
    const waiting = disk.flush();
    await Promise.all([first, afterwards, waiting]);
    const expected = new Uint8Array(disk.sectors * SECTOR_BYTES);
    expected.set(pattern(512, 1));
    expected.set(pattern(512, 2), 16 * SECTOR_BYTES);
    expect(sameBytes(await contentsOf(disk), expected)).toBe(true);
    await disk.close();
    expect(sameBytes(await imageContents(images, "a.vhd"), expected)).toBe(true);
  });

  it("aligns its data, so that pages of the host are written whole", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 8 * 2 ** 20 });
    const disk = (await images.open("a.vhd", "write")) as SparseDisk;
    for (const sector of [0, 4096, 8192]) await disk.write(sector, [pattern(512, 1)]);
    expect([...disk.table.used()].map(({ sector }) => (sector + 1) % 8)).toEqual([0, 0, 0]);
  });

  it("gives back blocks that are discarded, and shows zeros when they are used again", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 2 ** 20, blockBytes: 4096 });
    const disk = (await images.open("a.vhd", "write")) as SparseDisk;
    await disk.write(0, [pattern(64 * 512, 1)]);
    await disk.flush();
    const { size } = disk.file;
    await disk.discard(3, 30);
    const bytes = await contentsOf(disk);
    expect(bytes.subarray(8 * 512, 32 * 512).every((byte) => byte === 0)).toBe(true);
    expect(sameBytes(bytes.subarray(0, 8 * 512), pattern(64 * 512, 1).subarray(0, 8 * 512))).toBe(true);
    await disk.flush();
    await disk.write(200, [pattern(512, 2)]);
    expect(disk.file.size).toBe(size);
    const back = await contentsOf(disk);
    expect(sameBytes(back.subarray(200 * 512, 201 * 512), pattern(512, 2))).toBe(true);
    expect(back.subarray(201 * 512, 208 * 512).every((byte) => byte === 0)).toBe(true);
    await disk.close();
    // Also to those who look at no bits.
    const { sector } = [...disk.table.used()].find(({ block }) => block === 25)!;
    const place = images.folder
      .contents("a.vhd")
      .copy()
      .subarray(sector * 512, (sector + 9) * 512);
    expect([place[0], place.subarray(1024).every((byte) => byte === 0)]).toEqual([0xff, true]);
  });

  it("refuses what is beyond its end, not whole, or read-only", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 5120 });
    const disk = await images.open("a.vhd", "read");
    expect((await failure(() => disk.read(9, [new Uint8Array(1024)]))).code).toBe("out-of-range");
    expect((await failure(() => disk.read(-1, [new Uint8Array(512)]))).code).toBe("out-of-range");
    expect((await failure(() => disk.read(0, [new Uint8Array(100)]))).code).toBe("bad-request");
    expect((await failure(() => disk.write(0, [new Uint8Array(512)]))).code).toBe("read-only");
    await disk.close();
    expect((await failure(() => disk.read(0, [new Uint8Array(512)]))).code).toBe("closed");
  });
});
