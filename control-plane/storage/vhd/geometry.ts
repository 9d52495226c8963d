/** Cylinders, heads and sectors of a disk of a given size. [VHD] "Appendix: CHS Calculation" */

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

const MOST_SECTORS = 65535 * 16 * 255;
/** From here on sectors per track are 255. */
const LARGE_SECTORS = 65535 * 16 * 63;

export function geometryOf(sectors: number): Geometry {
  const total = Math.min(sectors, MOST_SECTORS);
  if (total >= LARGE_SECTORS) return cut(total, 16, 255);
  let sectorsPerTrack = 17;
  let tracks = Math.floor(total / sectorsPerTrack);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectorsPerTrack = 31;
    heads = 16;
    tracks = Math.floor(total / sectorsPerTrack);
  }
  if (tracks >= heads * 1024) return cut(total, 16, 63);
  return cut(total, heads, sectorsPerTrack);
}

function cut(total: number, heads: number, sectorsPerTrack: number): Geometry {
  return { cylinders: Math.floor(Math.floor(total / sectorsPerTrack) / heads), heads, sectorsPerTrack };
}
