import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32 } from "./crc32.js";
import { crc64 } from "./crc64.js";
import { sha256 } from "./sha256.js";

const CHECK_STRING = new TextEncoder().encode("123456789");

test("CRC-32 and CRC-64 give their published check values", () => {
  expect(crc32(CHECK_STRING)).toBe(0xcbf43926);
  expect(crc64(CHECK_STRING)).toEqual([0xdf1939fa, 0x995dc9bb]);
});

test("a CRC-32 can be continued at any point", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (data, cut) => {
      expect(crc32(data.subarray(cut), crc32(data.subarray(0, cut)))).toBe(crc32(data));
    }),
  );
});

test("SHA-256 agrees with node:crypto for every length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (data) => {
      expect(Buffer.from(sha256(data)).toString("hex")).toBe(createHash("sha256").update(data).digest("hex"));
    }),
  );
});
