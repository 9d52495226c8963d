/** qcow2 images made by hand: those of others are in `interop.integration.test.ts`. [QCOW-FORMAT] */
import { deflateSync } from "fflate";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../../formats/index.js";
import { checkImage } from "../operations/check.js";
import { cloneImage } from "../operations/create.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";

const CLUSTER = 4096;
const CLUSTERS = 4;
const COMPRESSED = 1n << 62n;
/** Of the header, tables, and what is behind them, in bytes. */
const BACKING_NAME = 512;
const L1 = CLUSTER;
const L2 = 2 * CLUSTER;
const DATA = 3 * CLUSTER;

/** An image of four clusters with such entries; `data` is what lies behind the tables. */
function qcow2(entries: readonly bigint[], data: Uint8Array, backing = ""): Uint8Array {
  const bytes = new Uint8Array(DATA + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x514649fb);
  view.setUint32(4, 3);
  const name = encodeUtf8(backing);
  bytes.set(name, BACKING_NAME);
  view.setBigUint64(8, backing === "" ? 0n : BigInt(BACKING_NAME));
  view.setUint32(16, name.length);
  view.setUint32(20, 12);
  view.setBigUint64(24, BigInt(CLUSTERS * CLUSTER));
  view.setUint32(36, 1);
  view.setBigUint64(40, BigInt(L1));
  view.setUint32(100, 104);
  view.setBigUint64(L1, BigInt(L2));
  entries.forEach((entry, i) => {
    view.setBigUint64(L2 + i * 8, entry);
  });
  bytes.set(data, DATA);
  return bytes;
}

const plain = qcow2([BigInt(DATA)], pattern(CLUSTER, 1));

describe("a compressed cluster", () => {
  const packed = (bytes: Uint8Array) => qcow2([COMPRESSED | (15n << 58n) | BigInt(DATA)], deflateSync(bytes));

  it("is read", async () => {
    const images = testImages();
    images.folder.put("a.qcow2", packed(pattern(CLUSTER, 2)));
    const bytes = await imageContents(images, "a.qcow2");
    expect(sameBytes(bytes.subarray(0, CLUSTER), pattern(CLUSTER, 2))).toBe(true);
    expect(bytes.subarray(CLUSTER).every((byte) => byte === 0)).toBe(true);
  });

  it("that holds less than a cluster is damaged: nothing of before is shown in place of the rest", async () => {
    const images = testImages();
    images.folder.put("a.qcow2", packed(pattern(CLUSTER / 2, 2)));
    const { code, message } = await failure(() => imageContents(images, "a.qcow2"));
    expect([code, message]).toEqual(["corrupt", expect.stringContaining("2048 of 4096 bytes")]);
  });
});

describe("the check of a qcow2 image", () => {
  const kindsOf = async (bytes: Uint8Array, backing?: Uint8Array) => {
    const images = testImages();
    images.folder.put("a.qcow2", bytes);
    if (backing !== undefined) images.folder.put("base.qcow2", backing);
    return (await checkImage(images, "a.qcow2")).map(({ kind, severity, file, fault }) => {
      expect([severity, fault.what !== ""]).toEqual(["error", true]);
      return `${file} ${kind} ${fault.code}`;
    });
  };

  it("finds nothing in a sound one", async () => {
    expect(await kindsOf(plain)).toEqual([]);
    expect(await kindsOf(qcow2([], new Uint8Array(0), "base.qcow2"), plain)).toEqual([]);
  });

  it("names each kind of damage, also below it", async () => {
    const damaged = qcow2([BigInt(2 ** 40), 0n, BigInt(2 ** 41)], new Uint8Array(0));
    expect(await kindsOf(damaged)).toEqual(["a.qcow2 table corrupt", "a.qcow2 table corrupt"]);
    const outside = plain.slice();
    new DataView(outside.buffer).setBigUint64(L1, BigInt(2 ** 40));
    expect(await kindsOf(outside)).toEqual(["a.qcow2 table corrupt"]);
    const top = qcow2([], new Uint8Array(0), "base.qcow2");
    expect(await kindsOf(top)).toEqual(["a.qcow2 parent parent-missing"]);
    expect(await kindsOf(top, damaged.subarray(0, 60))).toEqual(["base.qcow2 header corrupt"]);
    expect(await kindsOf(top, outside)).toEqual(["base.qcow2 table corrupt"]);
    const loop = qcow2([], new Uint8Array(0), "a.qcow2");
    expect(await kindsOf(top, loop)).toEqual(["base.qcow2 parent parent-loop"]);
  });
});

describe("a clone of a qcow2 image", () => {
  it("whose tables are damaged since has that named, and the image can be put right", async () => {
    const images = testImages();
    images.folder.put("a.qcow2", plain);
    await cloneImage(images, "a.qcow2", "c.vhd");
    images.folder.put("a.qcow2", qcow2([BigInt(2 ** 40)], new Uint8Array(0)));
    expect((await failure(() => images.openShared("c.vhd"))).code).toBe("corrupt");
    const [finding] = await checkImage(images, "c.vhd");
    expect(finding).toMatchObject({ kind: "parent", severity: "error" });
    expect(finding?.fault.what).toContain("a table entry points nowhere");
    const file = await images.folder.open("a.qcow2", "write");
    file.write(0, [plain]);
    await file.close();
    expect(sameBytes((await imageContents(images, "c.vhd")).subarray(0, CLUSTER), pattern(CLUSTER, 1))).toBe(true);
  });

  it("is checked without anybody else being kept from what it stands on", async () => {
    const images = testImages();
    images.folder.put("base.qcow2", plain);
    images.folder.put("a.qcow2", qcow2([], new Uint8Array(0), "base.qcow2"));
    await cloneImage(images, "a.qcow2", "c.vhd");
    expect(await checkImage(images, "c.vhd")).toEqual([]);
    for (const name of ["a.qcow2", "base.qcow2"]) await (await images.folder.open(name, "write")).close();
  });
});
