import fc from "fast-check";
import { gzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { makeBzImage, makeElf } from "../testing/kernels.js";
import { loadKernel } from "./index.js";

const refusal = (bytes: Uint8Array): string => {
  const kernel = loadKernel(bytes);
  return kernel.ok ? "loaded" : `${kernel.error.code}: ${kernel.error.message}`;
};

/** The file with some bytes replaced. */
function patched(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

describe("loadKernel", () => {
  it("loads 64- and 32-bit ELF files with a PVH note", () => {
    for (const bits of [64, 32] as const) {
      const kernel = loadKernel(makeElf({ bits, paddr: 0x200000, memoryBytes: 0x5000 }));
      expect(kernel).toMatchObject({ ok: true, value: { entry: 0x200000, start: 0x200000, end: 0x205000 } });
      if (kernel.ok) expect([...kernel.value.segments[0]!.data]).toEqual([0xf4, 0xeb, 0xfd]);
    }
  });

  it("takes the ELF file out of a bzImage, packed or not", () => {
    const elf = makeElf();
    expect(refusal(makeBzImage(elf))).toBe("loaded");
    expect(refusal(makeBzImage(gzipSync(elf)))).toBe("loaded");
    expect(refusal(makeBzImage(elf, 39))).toBe("loaded");
  });

  it.each([
    ["neither an ELF file nor a bzImage", new Uint8Array(4096)],
    ["neither an ELF file nor a bzImage", new Uint8Array(0)],
    ["no Xen PHYS32_ENTRY note", makeElf({ entry: null })],
    ["lies in no PT_LOAD segment", makeElf({ entry: 0x900000 })],
    ["not little-endian", patched(makeElf(), 5, 2)],
    ["e_ident class", patched(makeElf(), 4, 7)],
    ["e_machine 183", patched(makeElf(), 18, 183)],
    ["e_phnum 0", patched(makeElf(), 56, 0, 0)],
    ["e_phentsize 8", patched(makeElf(), 54, 8)],
    ["e_phoff", patched(makeElf(), 32, 0xff, 0xff, 0xff, 0xff)],
    ["program header 0: p_offset + p_filesz", patched(makeElf(), 64 + 8, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ["program header 0: p_filesz is larger", patched(makeElf(), 64 + 40, 1)],
    ["p_paddr + p_memsz is not an address", patched(makeElf(), 64 + 40, 0, 0, 0, 0, 0, 0, 0, 0xff)],
    ["above 4 GiB", patched(makeElf(), 64 + 40, 0, 0, 0, 0, 2)],
    ["the ELF header ends early", makeElf().slice(0, 40)],
    ["payload_offset and payload_length", makeBzImage(new Uint8Array(8)).slice(0, 2570)],
    ["older than 2.08", patched(makeBzImage(makeElf()), 0x206, 7, 2)],
    ["bzImage payload:", makeBzImage(new Uint8Array(64).fill(7))],
  ])("refuses: %s", (message, bytes) => {
    expect(refusal(bytes)).toContain(message);
    expect(refusal(bytes)).toMatch(/^bad-kernel: /);
  });

  it("never throws, whatever the bytes", () => {
    const images = [makeElf(), makeElf({ bits: 32 }), makeBzImage(makeElf())];
    const edits = fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...images), edits, fc.nat(3000), (image, changes, cut) => {
        const bytes = image.slice(0, cut);
        for (const [at, value] of changes) bytes[at] = value;
        loadKernel(bytes);
        for (const [at, value] of changes) image = patched(image, Math.min(at, image.length - 1), value);
        loadKernel(image);
      }),
    );
  });
});
