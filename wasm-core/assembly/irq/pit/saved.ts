/** Saved state of the PIT: the Pit struct, its clocks relative to the clock of saving. Callers hold the platform lock. */
import { Domain, Pit, Pit_SIZE, PitChannel, PitChannel_SIZE, PitOff } from "../../gen/layout";
import { machineTime, NEVER } from "../../util/host";
import { checkHeader, HEADER_BYTES, writeHeader } from "../saved-header";
import { clockAt } from "./clock";
import { pitOf, pitSync } from "./device";

/** "8254" */
const TAG: u32 = 0x34353238;
const VERSION: u32 = 1;
const MAX_COUNT: u32 = 65536;

export const PIT_SAVED_BYTES: u32 = HEADER_BYTES + <u32>Pit_SIZE;

@inline
function channelOf(pit: usize, index: usize): PitChannel {
  return changetype<PitChannel>(pit + PitOff.channels + index * PitChannel_SIZE);
}

/** Moves every clock in the struct by `by`; they wrap, and NEVER stays. */
function shiftClocks(pit: usize, by: u64): void {
  changetype<Pit>(pit).edge += by;
  for (let i: usize = 0; i < 3; i++) {
    const ch = channelOf(pit, i);
    ch.start += by;
    ch.nextStart += by;
    if (ch.nextAt != NEVER) ch.nextAt += by;
  }
}

/** Saves the PIT; returns the bytes written. */
export function pitSave(dom: Domain, at: usize): u32 {
  const clock = pitSync(dom);
  const saved = writeHeader(at, TAG, VERSION, <u32>Pit_SIZE);
  memory.copy(saved, changetype<usize>(pitOf(dom)), Pit_SIZE);
  shiftClocks(saved, -clock);
  return PIT_SAVED_BYTES;
}

/** True when no counter has a divisor that would break its arithmetic. */
function isSound(pit: usize): bool {
  for (let i: usize = 0; i < 3; i++) {
    const ch = channelOf(pit, i);
    if (ch.count == 0 || ch.count > MAX_COUNT || ch.next > MAX_COUNT) return false;
    if (ch.nextAt != NEVER && ch.next == 0) return false;
  }
  return true;
}

/** Restores it; false when the bytes are not a saved PIT. */
export function pitRestore(dom: Domain, at: usize, length: u32): bool {
  if (!checkHeader(at, length, TAG, VERSION, <u32>Pit_SIZE) || !isSound(at + HEADER_BYTES)) return false;
  const pit = changetype<usize>(pitOf(dom));
  memory.copy(pit, at + HEADER_BYTES, Pit_SIZE);
  shiftClocks(pit, clockAt(machineTime()));
  return true;
}
