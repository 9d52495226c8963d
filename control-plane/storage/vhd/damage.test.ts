/** Damaged and hostile VHDs: each kind of damage is named, nothing else than a StorageError ever comes of one. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { Images } from "../images.js";
import { checkImage, repairImage } from "../operations/check.js";
import { cloneImage, createImage } from "../operations/create.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { imageInfo, imageTree } from "../tree.js";
import { vhdChecksum } from "./checksum.js";

const BLOCK_BYTES = 4096;
const BLOCK_SECTORS = 9;
const TABLE = 1536;

type Change = (bytes: Uint8Array, view: DataView) => Uint8Array;

/** An image of 16 blocks, of which four are in the file, with a clone. */
async function damaged(change: Change, name = "a.vhd") {
  const images = testImages();
  await createImage(images, "a.vhd", { kind: "dynamic", bytes: 16 * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
  const disk = await images.open("a.vhd", "write");
  for (const block of [0, 3, 5, 9]) await disk.write(block * 8, [pattern(BLOCK_BYTES, block + 1)]);
  await disk.close();
  await cloneImage(images, "a.vhd", "b.vhd");
  const bytes = images.folder.contents(name).copy();
  images.folder.put(name, change(bytes, new DataView(bytes.buffer)));
  return images;
}

/** Puts the checksums right after a change, so that only the change is wrong. */
function sealed(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  for (const [at, length, checksum] of [
    [0, 512, 64],
    [512, 1024, 36],
    [bytes.length - 512, 512, 64],
  ] as const) {
    view.setUint32(at + checksum, vhdChecksum(bytes.subarray(at, at + length), checksum));
  }
}

/** A change of fields that the checksums agree with. */
const field =
  (change: (view: DataView) => void): Change =>
  (bytes, view) => {
    change(view);
    sealed(bytes);
    return bytes;
  };

const bothBytes = (view: DataView, offset: number, value: number): void => {
  view.setUint8(offset, value);
  view.setUint8(view.byteLength - 512 + offset, value);
};

/** A fixed image of 16 sectors. */
async function fixed(change: Change) {
  const images = testImages();
  await createImage(images, "f.vhd", { kind: "fixed", bytes: 8192 });
  const bytes = images.folder.contents("f.vhd").copy();
  images.folder.put("f.vhd", change(bytes, new DataView(bytes.buffer)));
  return images;
}

/** Puts bytes in front of the footer. */
const roomBeforeFooter =
  (count: number): Change =>
  (bytes) =>
    Uint8Array.from([...bytes.subarray(0, -512), ...new Uint8Array(count), ...bytes.subarray(-512)]);

/** A change of the block table. */
const entry =
  (change: (view: DataView) => number): Change =>
  (bytes, view) => {
    view.setUint32(TABLE + 12, change(view));
    return bytes;
  };

const both = (view: DataView, offset: number, value: number): void => {
  view.setUint32(offset, value);
  view.setUint32(view.byteLength - 512 + offset, value);
};

const CASES: readonly [string, Change, string, string, string][] = [
  [
    "no footer at all",
    (b) => b.fill(1, 0, 512).fill(1, b.length - 512),
    "no-footer",
    "corrupt",
    "this is no VHD footer",
  ],
  ["an empty file", () => new Uint8Array(0), "no-footer", "truncated", "too short"],
  ["a future version", field((v) => both(v, 12, 0x00020000)), "no-footer", "unsupported", "another version"],
  ["an unknown type", field((v) => both(v, 60, 9)), "no-footer", "unsupported", "unknown type"],
  ["a size that overflows", field((v) => both(v, 48, 0x7fffffff)), "no-footer", "limit", "size overflows"],
  ["a size above 2040 GiB", field((v) => both(v, 48, 0x400)), "no-footer", "limit", "larger than the format"],
  ["a header outside", field((v) => both(v, 20, 0x7fffffff)), "header", "corrupt", "outside of the file"],
  ["a damaged header", (b) => b.fill(3, 600, 604), "header", "corrupt", "header's checksum is wrong"],
  ["another header version", field((v) => v.setUint32(512 + 24, 0x20000)), "header", "unsupported", "another version"],
  ["an odd block size", field((v) => v.setUint32(512 + 32, 5000)), "header", "corrupt", "impossible block size"],
  ["a table of millions", field((v) => v.setUint32(512 + 28, 0xffffffff)), "header", "limit", "table is too large"],
  ["a table beyond the file", field((v) => v.setUint32(512 + 28, 0xfffff)), "table", "corrupt", "outside of the file"],
  ["a table too small", field((v) => v.setUint32(512 + 28, 3)), "table", "corrupt", "too small for the disk"],
  ["a block beyond the file", entry(() => 0x7fffffff), "block", "corrupt", "reaches beyond the end"],
  ["a block on the table", entry(() => 3), "block", "corrupt", "lies on the block table"],
  ["a block on the header", entry(() => 2), "block", "corrupt", "lies on the dynamic disk header"],
  ["two blocks in one place", entry((v) => v.getUint32(TABLE)), "block", "corrupt", "two blocks overlap"],
  ["overlapping blocks", entry((v) => v.getUint32(TABLE) + 4), "block", "corrupt", "two blocks overlap"],
  ["a cut end", (b) => b.slice(0, b.length - 512 - 4096), "block", "corrupt", "reaches beyond the end"],
];

describe("an image with", () => {
  it.each(CASES)("%s is named by the check and refused by the rest", async (_, change, kind, code, what) => {
    const images = await damaged(change);
    const before = images.folder.contents("a.vhd").copy();
    const errors = (await checkImage(images, "a.vhd")).filter((f) => f.severity === "error");
    expect(errors.map((f) => f.kind)).toContain(kind);
    expect(errors.map((f) => f.fault.what).join()).toContain(what);
    const refused = await failure(() => images.openShared("a.vhd"));
    expect(refused).toMatchObject({ code });
    expect(refused.message).toMatch(/^a\.vhd: .*\(.*\)/);
    expect((await failure(() => images.openShared("b.vhd"))).code).toBe(code);
    // The check of a clone comes to the same.
    expect((await checkImage(images, "b.vhd")).map((f) => f.kind)).toContain(kind);
    expect(images.folder.contents("a.vhd").copy()).toEqual(before);
  });

  it("a copy of the footer that is of another type has that named and mended", async () => {
    const copy: Change = (bytes, view) => {
      view.setUint32(60, 2);
      sealed(bytes);
      return bytes;
    };
    const images = await damaged(copy);
    expect((await checkImage(images, "a.vhd")).map((f) => f.kind)).toContain("footer-copy");
    expect((await repairImage(images, "a.vhd")).map((f) => f.kind)).toEqual(["footer-copy"]);
    expect((await checkImage(images, "a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
  });

  it("less room than its fixed disk needs is named, and refused", async () => {
    const images = await fixed((bytes) => bytes.slice(512));
    expect(await checkImage(images, "f.vhd")).toMatchObject([
      { kind: "truncated", severity: "error", repair: "none", fault: { found: "8192", expected: "7680" } },
    ]);
    expect((await failure(() => images.openShared("f.vhd"))).code).toBe("truncated");
  });

  it("bad blocks loses those when that is asked for, and no others", async () => {
    const images = await damaged(entry(() => 0x7fffffff));
    expect(await repairImage(images, "a.vhd")).toEqual([]);
    expect((await repairImage(images, "a.vhd", { giveUpBlocks: true })).map((f) => f.kind)).toEqual(["block"]);
    const bytes = await imageContents(images, "b.vhd");
    const block = (n: number) => Buffer.from(bytes.subarray(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES));
    for (const good of [0, 5, 9]) expect(block(good).equals(pattern(BLOCK_BYTES, good + 1))).toBe(true);
    expect(block(3).every((byte) => byte === 0)).toBe(true);
  });
});

/** What stands in nobody's way: image, change, kind, severity, a part of what is said, what repair does. */
const HARMLESS: readonly [string, string, Change, string, string, string, string][] = [
  ["a.vhd", "a damaged footer", (b) => b.fill(1, b.length - 9), "end-footer", "warning", "checksum is wrong", "safe"],
  ["a.vhd", "a damaged copy of the footer", (b) => b.fill(1, 100, 101), "footer-copy", "warning", "checksum", "safe"],
  ["a.vhd", "footers that differ", field((v) => v.setUint8(70, 7)), "footers-differ", "warning", "different", "safe"],
  [
    "b.vhd",
    "a locator too far",
    field((v) => v.setUint32(512 + 596, 1 << 30)),
    "locator",
    "warning",
    "outside",
    "none",
  ],
  ["a.vhd", "a saved machine", field((v) => bothBytes(v, 84, 1)), "saved-state", "note", "saved machine", "none"],
  ["a.vhd", "another geometry", field((v) => bothBytes(v, 59, 18)), "geometry", "note", "geometry is not", "none"],
  ["a.vhd", "space of no block", roomBeforeFooter(3 * 4608), "unused-space", "note", "bytes of the file hold", "none"],
];

describe("an image that can be used, though it has", () => {
  it.each(HARMLESS)(
    "%s: %s, has that named, and mended where it can be",
    async (name, _, change, kind, severity, what, repair) => {
      const whole = await damaged((bytes) => bytes);
      const images = await damaged(change, name);
      const [before, changed] = [whole, images].map((i) => i.folder.contents(name).copy()) as [Uint8Array, Uint8Array];
      expect(sameBytes(before, changed)).toBe(false);
      const findings = await checkImage(images, name);
      expect(findings).toMatchObject([{ kind, severity, repair, fault: { what: expect.stringContaining(what) } }]);
      expect(sameBytes(await imageContents(images, name), await imageContents(whole, name))).toBe(true);
      const isMended = repair === "safe";
      expect(await repairImage(images, name)).toEqual(isMended ? findings : []);
      expect(await checkImage(images, name)).toEqual(isMended ? [] : findings);
      const first = images.folder.contents(name).copy().subarray(0, 512);
      expect(sameBytes(first, (isMended ? before : changed).subarray(0, 512))).toBe(true);
    },
  );

  it("gaps that align its blocks alone, and a table larger than those, has nothing to tell of", async () => {
    const images = await damaged((bytes) => bytes);
    expect(await checkImage(images, "b.vhd")).toEqual([]);
    await createImage(images, "t.vhd", { kind: "dynamic", bytes: 2048 * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    const disk = await images.open("t.vhd", "write");
    await disk.write(0, [pattern(BLOCK_BYTES, 1)]);
    await disk.close();
    expect(await checkImage(images, "t.vhd")).toEqual([]);
  });

  it("room before a fixed disk's footer, has that named", async () => {
    const images = await fixed(roomBeforeFooter(1000));
    expect(await checkImage(images, "f.vhd")).toMatchObject([
      { kind: "unused-space", severity: "note", fault: { what: expect.stringContaining("1000 bytes lie unused") } },
    ]);
    expect((await imageContents(images, "f.vhd")).length).toBe(8192);
  });
});

describe("a chain", () => {
  it("without its parent says where that was looked for", async () => {
    const images = await damaged((bytes) => bytes);
    await images.folder.remove("a.vhd");
    const { code, message } = await failure(() => images.openShared("b.vhd"));
    expect(code).toBe("parent-missing");
    expect(message).toContain('found ".\\\\a.vhd", "./a.vhd", "\\\\a.vhd", "a.vhd"');
    const [finding] = await checkImage(images, "b.vhd");
    expect(finding).toMatchObject({ kind: "parent", fault: { code: "parent-missing" } });
    expect((await imageTree(images)).map((n) => [n.name, n.info?.parent?.name])).toEqual([["b.vhd", null]]);
  });

  it("over another parent is refused", async () => {
    const images = await damaged((bytes) => bytes);
    await images.folder.remove("a.vhd");
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 16 * BLOCK_BYTES });
    expect((await failure(() => images.openShared("b.vhd"))).code).toBe("parent-changed");
    const what = "a.vhd is not the parent that the image was made for; put the right parent there";
    const [finding] = await checkImage(images, "b.vhd");
    expect(finding).toMatchObject({ kind: "parent", file: "b.vhd", fault: { code: "parent-changed", what } });
  });

  it("that is a loop is refused, from either end and from both at once", async () => {
    const images = await damaged((bytes) => bytes);
    // A clone that names itself as its parent's parent.
    await cloneImage(images, "b.vhd", "c.vhd");
    const c = images.folder.contents("c.vhd").copy();
    const b = images.folder.contents("b.vhd").copy();
    const uuidOf = (bytes: Uint8Array) => bytes.slice(68, 84);
    b.set(c.subarray(512, 1536), 512);
    b.set(uuidOf(c), 512 + 40);
    for (let at = TABLE; at < b.length - 512; at++) b[at] = c[at]!;
    const text = new TextEncoder();
    for (let at = TABLE; at + 16 < b.length; at++) {
      if (b[at] === 0x62 && (b[at + 1] === 0x2e || b[at + 2] === 0x2e)) b[at] = text.encode("c")[0]!;
    }
    sealed(b);
    images.folder.put("b.vhd", b);
    expect((await failure(() => images.openShared("b.vhd"))).code).toBe("parent-loop");
    expect((await failure(() => images.openShared("c.vhd"))).code).toBe("parent-loop");
    const fresh = testImages({ folder: images.folder });
    const outcomes = await Promise.all([
      failure(() => fresh.openShared("b.vhd")),
      failure(() => fresh.openShared("c.vhd")),
    ]);
    expect(outcomes.map((o) => o.code)).toEqual(["parent-loop", "parent-loop"]);
    expect((await checkImage(images, "c.vhd")).map((f) => f.fault.code)).toContain("parent-loop");
    expect((await imageTree(images)).length).toBeGreaterThan(1);
  });
});

/** Damage may make a disk large. */
const MOST_SECTORS = 4096;

async function readSome(images: Images, name: string): Promise<void> {
  const disk = await images.openShared(name);
  await disk.read(0, [new Uint8Array(Math.min(disk.sectors, MOST_SECTORS) * SECTOR_BYTES)]);
  await disk.close();
}

describe("random damage", () => {
  it("is refused, or does no harm", async () => {
    const random = new SeededRandom(11);
    const fine = await damaged((bytes) => bytes);
    const whole = fine.folder.contents("b.vhd").copy();
    const parent = fine.folder.contents("a.vhd").copy();
    for (let round = 0; round < 400; round++) {
      const images = testImages();
      for (const [name, original] of [
        ["a.vhd", parent],
        ["b.vhd", whole],
      ] as const) {
        const bytes = original.slice();
        const changes = random.u32() % 4;
        for (let i = 0; i < changes; i++) bytes[random.u32() % bytes.length] = random.u32();
        if (random.u32() % 3 > 0) sealed(bytes);
        images.folder.put(name, random.u32() % 8 === 0 ? bytes.slice(0, random.u32() % bytes.length) : bytes);
      }
      for (const work of [
        () => readSome(images, "b.vhd"),
        () => checkImage(images, "b.vhd"),
        () => imageInfo(images, "b.vhd"),
        () => imageTree(images),
        () => repairImage(images, "b.vhd", { giveUpBlocks: true }),
      ]) {
        try {
          await work();
        } catch (error) {
          expect(error, `round ${round}`).toBeInstanceOf(StorageError);
        }
      }
    }
  });

  it("of many sectors leaves a disk that can be written to, or none", async () => {
    const random = new SeededRandom(12);
    for (let round = 0; round < 60; round++) {
      const images = await damaged((bytes) => {
        for (let i = 0; i < 3; i++) {
          const at = (random.u32() % (bytes.length / SECTOR_BYTES)) * SECTOR_BYTES;
          for (let k = 0; k < SECTOR_BYTES; k++) bytes[at + k] = random.u32();
        }
        return bytes;
      });
      try {
        const disk = await images.open("a.vhd", "write");
        for (let sector = 0; sector < Math.min(disk.sectors, MOST_SECTORS); sector += BLOCK_SECTORS)
          await disk.write(sector, [pattern(512, 1)]);
        await disk.close();
        await readSome(images, "a.vhd");
      } catch (error) {
        expect(error, `round ${round}`).toBeInstanceOf(StorageError);
      }
    }
  });
});
