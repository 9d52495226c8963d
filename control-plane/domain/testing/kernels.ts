/** Small kernel files made to measure, good and bad, for tests of the builder. */
import { ByteWriter, concatBytes } from "../../util/index.js";

export interface ElfSketch {
  readonly bits?: 32 | 64;
  readonly paddr?: number;
  readonly data?: Uint8Array;
  readonly memoryBytes?: number;
  /** Value of the PHYS32_ENTRY note; null for a file without one. */
  readonly entry?: number | null;
}

/** An executable with one PT_LOAD and, unless asked otherwise, a PVH note. */
export function makeElf(sketch: ElfSketch = {}): Uint8Array {
  const { bits = 64, paddr = 0x100000, data = Uint8Array.of(0xf4, 0xeb, 0xfd), entry = paddr } = sketch;
  const memoryBytes = sketch.memoryBytes ?? data.length;
  const note = entry === null ? new Uint8Array(0) : makeNote(entry);
  const [headerBytes, programBytes] = bits === 64 ? [64, 56] : [52, 32];
  const dataAt = headerBytes + 2 * programBytes;
  const noteAt = dataAt + Math.ceil(data.length / 8) * 8;
  const writer = new ByteWriter()
    .u32(0x464c457f)
    .u8(bits === 64 ? 2 : 1)
    .u8(1)
    .u8(1)
    .zeros(9);
  writer
    .u16(2)
    .u16(bits === 64 ? 62 : 3)
    .u32(1);
  const word = (value: number) => (bits === 64 ? writer.u64(value) : writer.u32(value));
  word(paddr);
  word(headerBytes);
  word(0);
  writer.u32(0).u16(headerBytes).u16(programBytes).u16(2).u16(0).u16(0).u16(0);
  const program = (type: number, offset: number, address: number, fileBytes: number, size: number) => {
    writer.u32(type);
    if (bits === 64) writer.u32(7).u64(offset).u64(address).u64(address).u64(fileBytes).u64(size).u64(4096);
    else writer.u32(offset).u32(address).u32(address).u32(fileBytes).u32(size).u32(7).u32(4096);
  };
  program(1, dataAt, paddr, data.length, memoryBytes);
  program(4, noteAt, 0, note.length, note.length);
  return writer
    .append(data)
    .zeros(noteAt - dataAt - data.length)
    .append(note)
    .finish();
}

function makeNote(entry: number): Uint8Array {
  return new ByteWriter().u32(4).u32(8).u32(18).text("Xen", 4).u64(entry).finish();
}

/** A bzImage around a payload; Linux appends the unpacked size to all but gzip. */
export function makeBzImage(payload: Uint8Array, setupSectors = 4): Uint8Array {
  const setup = new Uint8Array((setupSectors + 1) * 512);
  const view = new DataView(setup.buffer);
  setup[0x1f1] = setupSectors;
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint32(0x248, 16, true);
  view.setUint32(0x24c, payload.length, true);
  return concatBytes([setup, new Uint8Array(16), payload]);
}
