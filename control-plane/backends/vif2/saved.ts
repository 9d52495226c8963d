/**
 * What a netchannel2 device keeps across save and restore: its counters. Rings are guest memory and travel with it;
 * bypasses do not, and are made anew where the guests still share a host.
 */
import { err, ok, type Result } from "../../util/index.js";

const VERSION = 1;

/** Sent and received are the guest's words. */
export interface Vif2Counters {
  txPackets: number;
  txBytes: number;
  rxPackets: number;
  rxBytes: number;
  /** Packets that the guest sent badly, or that were not its own to send. */
  txErrors: number;
  /** Packets for the guest that it could not be given. */
  rxDropped: number;
  /** Bypasses that were made, one for each queue. */
  bypasses: number;
}

export interface SavedVif2 {
  readonly version: number;
  readonly counters: Readonly<Vif2Counters>;
}

export const newCounters = (): Vif2Counters => ({
  txPackets: 0,
  txBytes: 0,
  rxPackets: 0,
  rxBytes: 0,
  txErrors: 0,
  rxDropped: 0,
  bypasses: 0,
});

export const saveVif2 = (counters: Vif2Counters): SavedVif2 => ({ version: VERSION, counters: { ...counters } });

export function restoreVif2(counters: Vif2Counters, saved: SavedVif2): Result<void, "unsupported"> {
  if (saved.version !== VERSION) return err("unsupported", `saved version ${saved.version} is not ${VERSION}`);
  Object.assign(counters, saved.counters);
  return ok(undefined);
}
