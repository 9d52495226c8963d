/**
 * A kernel as the builder loads it: from a bzImage or a bare ELF file, entered at its PVH note.
 * [XEN] docs/misc/pvh.pandoc, public/elfnote.h
 */
import { ByteView, err, ok, type Result } from "../../util/index.js";
import { extractBzImage, isBzImage } from "./bzimage.js";
import { type ElfImage, type ElfSegment, hasElfMagic, readElf } from "./elf.js";

export type { ElfSegment } from "./elf.js";

const XEN_NOTE_NAME = "Xen";
const XEN_ELFNOTE_PHYS32_ENTRY = 18;

export interface KernelImage {
  /** Physical address of the 32-bit entry point. */
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  /** First and one past the last physical byte that the kernel takes. */
  readonly start: number;
  readonly end: number;
}

export function loadKernel(bytes: Uint8Array): Result<KernelImage, "bad-kernel"> {
  const elf = openElf(bytes);
  if (!elf.ok) return elf;
  const entry = findEntry(elf.value);
  if (!entry.ok) return entry;
  const { segments } = elf.value;
  const start = Math.min(...segments.map(({ paddr }) => paddr));
  const end = Math.max(...segments.map(({ paddr, memoryBytes }) => paddr + memoryBytes));
  if (end > 0x1_0000_0000)
    return err("bad-kernel", "an ELF segment lies above 4 GiB (p_paddr), where PVH entry cannot reach");
  return ok({ entry: entry.value, segments, start, end });
}

/** The ELF file in a bzImage, or the file itself when it is one. */
export function unpackKernel(bytes: Uint8Array): Result<Uint8Array, "bad-kernel"> {
  if (hasElfMagic(bytes)) return ok(bytes);
  if (!isBzImage(bytes)) return err("bad-kernel", "the kernel is neither an ELF file nor a bzImage");
  return extractBzImage(bytes);
}

function openElf(bytes: Uint8Array): Result<ElfImage, "bad-kernel"> {
  const file = unpackKernel(bytes);
  return file.ok ? readElf(file.value) : file;
}

function findEntry(elf: ElfImage): Result<number, "bad-kernel"> {
  const note = elf.notes.find(({ name, type }) => name === XEN_NOTE_NAME && type === XEN_ELFNOTE_PHYS32_ENTRY);
  if (!note) {
    return err(
      "bad-kernel",
      "the ELF file has no Xen PHYS32_ENTRY note (type 18): it was not built for PVH (CONFIG_PVH)",
    );
  }
  const value = new ByteView(note.description);
  const entry = value.length >= 8 ? value.u64(0) : value.u32(0);
  if (value.length < 4 || entry === 0 || entry > 0xffffffff) {
    return err("bad-kernel", "the PHYS32_ENTRY note does not hold a 32-bit address");
  }
  const inside = elf.segments.some(({ paddr, memoryBytes }) => entry >= paddr && entry < paddr + memoryBytes);
  if (!inside) return err("bad-kernel", `the PHYS32_ENTRY address 0x${entry.toString(16)} lies in no PT_LOAD segment`);
  return ok(entry);
}
