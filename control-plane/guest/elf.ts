// The little of ELF64 that module files need: a section by its name. Every offset is checked against the file.
import { readCString } from "../formats/index.js";

const SECTION_HEADER_BYTES = 64;

/** The content of the named section of a 64-bit little-endian ELF file, or undefined when there is none. */
export function readElfSection(file: Uint8Array, name: string): Uint8Array | undefined {
  if (file.length < 64) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const isElf64 = view.getUint32(0) === 0x7f454c46 && file[4] === 2 && file[5] === 1;
  if (!isElf64 || view.getUint16(58, true) !== SECTION_HEADER_BYTES) return undefined;
  const tableOff = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  if (tableOff + count * SECTION_HEADER_BYTES > file.length) return undefined;
  const section = (index: number): Uint8Array | undefined => {
    const header = tableOff + index * SECTION_HEADER_BYTES;
    const off = Number(view.getBigUint64(header + 24, true));
    const size = Number(view.getBigUint64(header + 32, true));
    return off + size <= file.length ? file.subarray(off, off + size) : undefined;
  };
  const namesIndex = view.getUint16(62, true);
  const names = namesIndex < count ? section(namesIndex) : undefined;
  if (!names) return undefined;
  for (let i = 0; i < count; i++) {
    const nameOff = view.getUint32(tableOff + i * SECTION_HEADER_BYTES, true);
    if (nameOff < names.length && readCString(names, nameOff, names.length - nameOff) === name) return section(i);
  }
  return undefined;
}
