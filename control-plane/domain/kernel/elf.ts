/**
 * ELF executables as a domain builder reads them: program headers to load by physical address, and notes. 32- and
 * 64-bit, little-endian x86. Every length and offset is the file's word, so each is checked and named when it lies.
 * [ELF] System V ABI, "Program Header", "Note Section"
 */
import { ByteView, byteString, err, ok, type Result } from "../../util/index.js";

export interface ElfSegment {
  readonly paddr: number;
  /** Bytes from the file; the rest up to `memoryBytes` is zero. */
  readonly data: Uint8Array;
  readonly memoryBytes: number;
}

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly description: Uint8Array;
}

export interface ElfImage {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  readonly notes: readonly ElfNote[];
}

const MAGIC = 0x464c457f;
const IDENT_CLASS_OFFSET = 4;
const IDENT_DATA_OFFSET = 5;
const LITTLE_ENDIAN = 1;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const SHT_NOTE = 7;
const MAX_HEADERS = 512;
const MAX_NOTES = 1024;

type Bad = { readonly ok: false; readonly error: { readonly code: "bad-kernel"; readonly message: string } };
const bad = (message: string): Bad => err("bad-kernel", message);

interface Header {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly programs: Table;
  readonly sections: Table;
}

interface Table {
  readonly offset: number;
  readonly entryBytes: number;
  readonly count: number;
}

interface Range {
  readonly type: number;
  readonly offset: number;
  readonly fileBytes: number;
  readonly paddr: number;
  readonly memoryBytes: number;
}

export const hasElfMagic = (bytes: Uint8Array): boolean => new ByteView(bytes).u32(0) === MAGIC;

export function readElf(bytes: Uint8Array): Result<ElfImage, "bad-kernel"> {
  const file = new ByteView(bytes);
  const header = readHeader(file);
  if (!header.ok) return header;
  const { bits, entry, programs, sections } = header.value;
  const ranges = readPrograms(file, bits, programs);
  if (!ranges.ok) return ranges;
  const segments = ranges.value
    .filter((range) => range.type === PT_LOAD && range.memoryBytes > 0)
    .map(({ paddr, memoryBytes, offset, fileBytes }) => ({ paddr, memoryBytes, data: file.slice(offset, fileBytes) }));
  if (segments.length === 0) return bad("the ELF file has no PT_LOAD segment");
  let noteRanges = ranges.value.filter((range) => range.type === PT_NOTE);
  if (noteRanges.length === 0) noteRanges = readNoteSections(file, bits, sections);
  return ok({ bits, entry, segments, notes: noteRanges.flatMap((range) => readNotes(file, range)) });
}

function readHeader(file: ByteView): Result<Header, "bad-kernel"> {
  if (file.u32(0) !== MAGIC) return bad("not an ELF file: e_ident lacks the magic 7f 45 4c 46");
  const bits = file.u8(IDENT_CLASS_OFFSET) === 2 ? 64 : 32;
  if (file.u8(IDENT_CLASS_OFFSET) !== 1 && bits !== 64) return bad("ELF e_ident class is neither 32 nor 64 bit");
  if (file.u8(IDENT_DATA_OFFSET) !== LITTLE_ENDIAN) return bad("ELF e_ident data: not little-endian");
  if (!file.has(0, bits === 64 ? 64 : 52)) return bad("the ELF header ends early");
  const machine = file.u16(18);
  if (machine !== EM_386 && machine !== EM_X86_64) return bad(`ELF e_machine ${machine} is not x86`);
  if (bits === 64) {
    return ok({
      bits,
      entry: file.u64(24),
      programs: { offset: file.u64(32), entryBytes: file.u16(54), count: file.u16(56) },
      sections: { offset: file.u64(40), entryBytes: file.u16(58), count: file.u16(60) },
    });
  }
  return ok({
    bits,
    entry: file.u32(24),
    programs: { offset: file.u32(28), entryBytes: file.u16(42), count: file.u16(44) },
    sections: { offset: file.u32(32), entryBytes: file.u16(46), count: file.u16(48) },
  });
}

function readPrograms(file: ByteView, bits: 32 | 64, table: Table): Result<Range[], "bad-kernel"> {
  const { offset, entryBytes, count } = table;
  if (count === 0 || count > MAX_HEADERS) return bad(`ELF e_phnum ${count} is not between 1 and ${MAX_HEADERS}`);
  if (entryBytes < (bits === 64 ? 56 : 32)) return bad(`ELF e_phentsize ${entryBytes} is too small`);
  if (!file.has(offset, entryBytes * count))
    return bad("ELF e_phoff: the program headers lie beyond the end of the file");
  const ranges: Range[] = [];
  for (let index = 0; index < count; index++) {
    const range = readProgram(file, bits, offset + index * entryBytes);
    if (range.type !== PT_LOAD && range.type !== PT_NOTE) continue;
    const wrong = checkProgram(file, range);
    if (wrong !== null) return bad(`ELF program header ${index}: ${wrong}`);
    ranges.push(range);
  }
  return ok(ranges);
}

function readProgram(file: ByteView, bits: 32 | 64, at: number): Range {
  const type = file.u32(at);
  if (bits === 64) {
    const [offset, paddr, fileBytes, memoryBytes] = [
      file.u64(at + 8),
      file.u64(at + 24),
      file.u64(at + 32),
      file.u64(at + 40),
    ];
    return { type, offset, paddr, fileBytes, memoryBytes };
  }
  const [offset, paddr, fileBytes, memoryBytes] = [
    file.u32(at + 4),
    file.u32(at + 12),
    file.u32(at + 16),
    file.u32(at + 20),
  ];
  return { type, offset, paddr, fileBytes, memoryBytes };
}

function checkProgram(file: ByteView, range: Range): string | null {
  if (!file.has(range.offset, range.fileBytes)) return "p_offset + p_filesz lies beyond the end of the file";
  if (range.type === PT_NOTE) return null;
  if (range.fileBytes > range.memoryBytes) return "p_filesz is larger than p_memsz";
  if (!Number.isSafeInteger(range.paddr + range.memoryBytes)) return "p_paddr + p_memsz is not an address";
  return null;
}

/** Note sections of files without a PT_NOTE header; a broken section table only means that there are none. */
function readNoteSections(file: ByteView, bits: 32 | 64, table: Table): Range[] {
  const { offset, entryBytes, count } = table;
  if (count > MAX_HEADERS * 128 || entryBytes < (bits === 64 ? 64 : 40) || !file.has(offset, entryBytes * count))
    return [];
  const ranges: Range[] = [];
  for (let index = 0; index < count; index++) {
    const at = offset + index * entryBytes;
    if (file.u32(at + 4) !== SHT_NOTE) continue;
    const start = bits === 64 ? file.u64(at + 24) : file.u32(at + 16);
    const fileBytes = bits === 64 ? file.u64(at + 32) : file.u32(at + 20);
    if (file.has(start, fileBytes)) ranges.push({ type: PT_NOTE, offset: start, fileBytes, paddr: 0, memoryBytes: 0 });
  }
  return ranges;
}

function readNotes(file: ByteView, range: Range): ElfNote[] {
  const notes: ElfNote[] = [];
  const end = range.offset + range.fileBytes;
  let at = range.offset;
  while (at + 12 <= end && notes.length < MAX_NOTES) {
    const [nameBytes, descriptionBytes, type] = [file.u32(at), file.u32(at + 4), file.u32(at + 8)];
    const description = at + 12 + roundUp4(nameBytes);
    if (description + descriptionBytes > end) break;
    const name = byteString(file.slice(at + 12, nameBytes)).replace(/\0+$/, "");
    notes.push({ name, type, description: file.slice(description, descriptionBytes) });
    at = description + roundUp4(descriptionBytes);
  }
  return notes;
}

const roundUp4 = (value: number): number => Math.ceil(value / 4) * 4;
