/**
 * What a disk keeps across save and restore: its counters. Rings are guest memory and travel with it; a paused disk has
 * answered all it took, so that its successor goes on where the ring's own index of answers stands.
 */
import { err, ok, type Result } from "../../util/index.js";

const VERSION = 1;

/** What the disk did, by kind of request. */
export interface BlkCounters {
  reads: number;
  writes: number;
  readSectors: number;
  writtenSectors: number;
  flushes: number;
  barriers: number;
  discards: number;
  errors: number;
}

export interface SavedBlk {
  readonly version: number;
  readonly counters: Readonly<BlkCounters>;
}

export const newCounters = (): BlkCounters => ({
  reads: 0,
  writes: 0,
  readSectors: 0,
  writtenSectors: 0,
  flushes: 0,
  barriers: 0,
  discards: 0,
  errors: 0,
});

export function saveBlk(counters: BlkCounters): SavedBlk {
  return { version: VERSION, counters: { ...counters } };
}

export function restoreBlk(counters: BlkCounters, saved: SavedBlk): Result<void, "unsupported"> {
  if (saved.version !== VERSION) return err("unsupported", `saved disk version ${saved.version} is not ${VERSION}`);
  Object.assign(counters, saved.counters);
  return ok(undefined);
}
