/** Reading an ELF core file back, as gdb and crash(8) would. [ELF] chapters 4 and 5 */

export interface CoreFile {
  readonly type: number;
  readonly machine: number;
  readonly notes: number;
  /** Bytes at a physical address; null when the file does not hold them. */
  bytes(paddr: number, length: number): Uint8Array | null;
  readonly loadedBytes: number;
}

const PT_LOAD = 1;
const PT_NOTE = 4;
const NT_PRSTATUS = 1;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly paddr: number;
  readonly bytes: number;
}

function readSegments(view: DataView): Segment[] {
  const at = Number(view.getBigUint64(32, true));
  const entry = view.getUint16(54, true);
  return Array.from({ length: view.getUint16(56, true) }, (_, i) => {
    const ph = at + i * entry;
    const u64 = (offset: number) => Number(view.getBigUint64(ph + offset, true));
    return { type: view.getUint32(ph, true), offset: u64(8), paddr: u64(24), bytes: u64(32) };
  });
}

function countPrstatus(view: DataView, segment: Segment): number {
  const align = (n: number) => (n + 3) & ~3;
  let count = 0;
  for (let at = segment.offset; at + 12 <= segment.offset + segment.bytes; ) {
    if (view.getUint32(at + 8, true) === NT_PRSTATUS) count++;
    at += 12 + align(view.getUint32(at, true)) + align(view.getUint32(at + 4, true));
  }
  return count;
}

export function readCore(file: Uint8Array): CoreFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(0, false) !== 0x7f454c46) throw new Error("not an ELF file");
  const segments = readSegments(view);
  const loads = segments.filter((s) => s.type === PT_LOAD);
  for (const { offset, bytes } of segments) if (offset + bytes > file.length) throw new Error("a segment is cut off");
  return {
    type: view.getUint16(16, true),
    machine: view.getUint16(18, true),
    notes: segments.filter((s) => s.type === PT_NOTE).reduce((sum, s) => sum + countPrstatus(view, s), 0),
    bytes: (paddr, length) => {
      const home = loads.find((s) => paddr >= s.paddr && paddr + length <= s.paddr + s.bytes);
      return home ? file.subarray(home.offset + paddr - home.paddr, home.offset + paddr - home.paddr + length) : null;
    },
    loadedBytes: loads.reduce((sum, s) => sum + s.bytes, 0),
  };
}
