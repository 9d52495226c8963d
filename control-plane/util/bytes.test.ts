import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteView, ByteWriter, byteString, bytesOf, concatBytes, textOfByteString, utf8ByteString } from "./index.js";

describe("bytes", () => {
  it("reads back what was written", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(65535), fc.nat(0xffffffff), fc.nat(Number.MAX_SAFE_INTEGER), (a, b, c, d) => {
        const view = new ByteView(new ByteWriter().u8(a).u16(b).u32(c).u64(d).finish());
        expect([view.u8(0), view.u16(1), view.u32(3), view.u64(7), view.length]).toEqual([a, b, c, d, 15]);
      }),
    );
  });

  it("reads nothing beyond the end", () => {
    const view = new ByteView(Uint8Array.of(1, 2, 3));
    expect([view.u32(0), view.u16(2), view.u8(3), view.u8(-1), view.has(1, 2), view.has(2, 2)]).toEqual([
      0,
      0,
      0,
      0,
      true,
      false,
    ]);
  });

  it("pads, cuts and aligns", () => {
    const bytes = new ByteWriter().text("abcdef", 4).u8(1).alignTo(8).text("x", 3).finish();
    expect([...bytes]).toEqual([97, 98, 99, 100, 1, 0, 0, 0, 120, 0, 0]);
  });

  it("keeps byte strings and text apart", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), (bytes) => {
        expect(bytesOf(byteString(bytes))).toEqual(bytes);
      }),
    );
    expect(textOfByteString(utf8ByteString("Grüße €"))).toBe("Grüße €");
    expect([...concatBytes([Uint8Array.of(1), Uint8Array.of(2, 3)])]).toEqual([1, 2, 3]);
  });
});
