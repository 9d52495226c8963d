/**
 * ELF64 executables around an assembled image, with the note that tells a Xen toolstack where a PVH guest is entered.
 * [ELF] chapters 4 and 5; [XEN] public/elfnote.h.
 */
import type { Image } from "./assemble.js";

const FILE_HEADER = 64;
const PROGRAM_HEADER = 56;
const PT_LOAD = 1;
const PT_NOTE = 4;
const EM_X86_64 = 62;
const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const NOTE_BYTES = 20;
const PAGE = 4096;

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly align: number;
}

function writeSegment(view: DataView, at: number, s: Segment): void {
  view.setUint32(at, s.type, true);
  view.setUint32(at + 4, s.flags, true);
  const words = [s.offset, s.address, s.address, s.fileBytes, s.memoryBytes, s.align];
  words.forEach((value, n) => {
    view.setBigUint64(at + 8 + 8 * n, BigInt(value), true);
  });
}

function writeFileHeader(view: DataView, entry: number, segments: number): void {
  [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].forEach((byte, n) => {
    view.setUint8(n, byte);
  });
  view.setUint16(16, 2, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(FILE_HEADER), true);
  view.setUint16(52, FILE_HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, segments, true);
  view.setUint16(58, 64, true);
}

/** A PVH guest: the image at its origin, entered in 32-bit protected mode at `entry`. */
export function pvhElf(image: Image, entry: number): Uint8Array {
  const file = new Uint8Array(PAGE + image.bytes.length);
  const view = new DataView(file.buffer);
  writeFileHeader(view, entry, 2);
  const note = FILE_HEADER + 2 * PROGRAM_HEADER;
  const load = { type: PT_LOAD, flags: 7, offset: PAGE, address: image.origin, align: PAGE };
  writeSegment(view, FILE_HEADER, { ...load, fileBytes: image.bytes.length, memoryBytes: image.memoryBytes });
  const place = { offset: note, address: 0, fileBytes: NOTE_BYTES, memoryBytes: NOTE_BYTES };
  writeSegment(view, FILE_HEADER + PROGRAM_HEADER, { type: PT_NOTE, flags: 4, align: 4, ...place });
  view.setUint32(note, 4, true);
  view.setUint32(note + 4, 4, true);
  view.setUint32(note + 8, XEN_ELFNOTE_PHYS32_ENTRY, true);
  file.set([0x58, 0x65, 0x6e, 0], note + 12);
  view.setUint32(note + 16, entry, true);
  file.set(image.bytes, PAGE);
  return file;
}
