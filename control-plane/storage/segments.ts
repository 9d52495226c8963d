/** Lists of buffers as one run of bytes. */
import { type Disk, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";

export type Segments = readonly Uint8Array[];

export function segmentsLength(segments: Segments): number {
  let length = 0;
  for (let i = 0; i < segments.length; i++) length += segments[i]!.length;
  return length;
}

/** The bytes `[at, at + count)` of the run; the same list when that is all of it. */
export function cutSegments(segments: Segments, at: number, count: number): Segments {
  if (segments.length === 1) {
    const only = segments[0]!;
    return at === 0 && count === only.length ? segments : [only.subarray(at, at + count)];
  }
  if (at === 0 && count === segmentsLength(segments)) return segments;
  const parts: Uint8Array[] = [];
  let skip = at;
  let left = count;
  for (let i = 0; i < segments.length && left > 0; i++) {
    const segment = segments[i]!;
    if (skip >= segment.length) {
      skip -= segment.length;
      continue;
    }
    const take = Math.min(segment.length - skip, left);
    parts.push(take === segment.length ? segment : segment.subarray(skip, skip + take));
    left -= take;
    skip = 0;
  }
  return parts;
}

/** Zeros to copy: the engine's own `fill` goes byte by byte where memory is shared. */
const ZEROS = new Uint8Array(1 << 16);

export function clearSegments(segments: Segments): void {
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]!;
    let at = 0;
    for (; segment.length - at > ZEROS.length; at += ZEROS.length) segment.set(ZEROS, at);
    segment.set(ZEROS.subarray(0, segment.length - at), at);
  }
}

/** Copies `bytes[from ...]` over the whole run. */
export function scatter(bytes: Uint8Array, from: number, into: Segments): void {
  let at = from;
  for (let i = 0; i < into.length; i++) {
    const segment = into[i]!;
    segment.set(bytes.subarray(at, at + segment.length));
    at += segment.length;
  }
}

/** Copies the whole run to `bytes[to ...]`. */
export function gather(from: Segments, bytes: Uint8Array, to: number): void {
  let at = to;
  for (let i = 0; i < from.length; i++) {
    bytes.set(from[i]!, at);
    at += from[i]!.length;
  }
}

/** Checks a request against the disk and answers its number of sectors. */
export function checkRequest(disk: Disk, sector: number, segments: Segments): number {
  const bytes = segmentsLength(segments);
  if (bytes % SECTOR_BYTES !== 0) {
    throw new StorageError("bad-request", `a request of ${bytes} bytes is no whole number of sectors`, {
      file: disk.description,
    });
  }
  const count = bytes / SECTOR_BYTES;
  checkRange(disk, sector, count);
  return count;
}

export function checkRange(disk: Disk, sector: number, count: number): void {
  const fits = Number.isSafeInteger(sector) && Number.isSafeInteger(count) && sector >= 0 && count >= 0;
  if (fits && sector + count <= disk.sectors) return;
  throw new StorageError("out-of-range", `sectors ${sector} to ${sector + count} are not on the disk`, {
    file: disk.description,
    expected: `below ${disk.sectors}`,
  });
}

export function checkWritable(disk: Disk): void {
  if (!disk.readOnly) return;
  throw new StorageError("read-only", "the disk may only be read", { file: disk.description });
}
