/**
 * What an interface keeps across save and restore: its counters, and what the front end has said once and will not say
 * again: its groups and how it wants flows spread. Rings are guest memory and travel with it; a paused interface has
 * answered all it took.
 */
import { err, ok, type Result } from "../../util/index.js";

const VERSION = 1;

/** What one queue did, as the guest sees it: rx is what it receives. */
export interface QueueCounters {
  rxFrames: number;
  rxBytes: number;
  /** Large ones among them that were given whole, and those that were cut. */
  rxLarge: number;
  rxCut: number;
  /** Not passed on: unfit for the guest; no buffers for too long; into buffers that were none. */
  rxDropped: number;
  rxNoBuffers: number;
  rxErrors: number;
  txFrames: number;
  txBytes: number;
  txLarge: number;
  /** Requests that were answered with an error. */
  txErrors: number;
  /** How often the guest had to wait for the receiver, and for its allowance. */
  txHeld: number;
  txLimited: number;
}

export const newQueueCounters = (): QueueCounters => ({
  rxFrames: 0,
  rxBytes: 0,
  rxLarge: 0,
  rxCut: 0,
  rxDropped: 0,
  rxNoBuffers: 0,
  rxErrors: 0,
  txFrames: 0,
  txBytes: 0,
  txLarge: 0,
  txErrors: 0,
  txHeld: 0,
  txLimited: 0,
});

/** How the front end wants flows spread over its queues. */
export interface SavedSteering {
  readonly algorithm: number;
  readonly flags: number;
  readonly key: readonly number[];
  readonly mapping: readonly number[];
}

export interface SavedVif {
  readonly version: number;
  readonly counters: readonly Readonly<QueueCounters>[];
  /** Addresses as numbers of 48 bits. */
  readonly groups: readonly number[];
  readonly steering: SavedSteering;
}

export function saveVif(saved: Omit<SavedVif, "version">): SavedVif {
  return { version: VERSION, ...saved, counters: saved.counters.map((counters) => ({ ...counters })) };
}

export function checkSaved(saved: SavedVif): Result<void, "unsupported"> {
  if (saved.version === VERSION) return ok(undefined);
  return err("unsupported", `saved interface version ${saved.version} is not ${VERSION}`);
}
