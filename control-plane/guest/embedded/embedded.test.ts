import { expect, it } from "vitest";
import { readElf } from "../../domain/kernel/elf.js";
import { buildEmbeddedGuest } from "./index.js";

it("is an ELF file with a PVH entry note", () => {
  const elf = readElf(buildEmbeddedGuest());
  if (!elf.ok) throw new Error(elf.error.message);
  const { segments, notes, entry } = elf.value;
  expect(notes).toMatchObject([{ name: "Xen", type: 18 }]);
  expect(new DataView(notes[0]!.description.slice().buffer).getUint32(0, true)).toBe(entry);
  expect(segments[0]!.paddr).toBe(0x100000);
  expect(segments[0]!.memoryBytes).toBeGreaterThan(segments[0]!.data.length);
});
