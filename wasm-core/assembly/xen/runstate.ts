/**
 * The runstate area: how long a vCPU ran, waited and was blocked. Kept by the scheduler; written to the guest's memory by
 * the vCPU itself, at an address that is only mapped in some of its address spaces, so a failed write is tried again later.
 */
import { Vcpu, XenVcpu, XenVcpuOff } from "../gen/layout";
import { domainOfVcpu } from "../mem/domains";
import { copyToGuest } from "../mmu/access";
import { machineTime } from "../util/host";
import { xenOf } from "./evtchn/upcall";

/** vcpu_runstate_info: state 0, entry time 8, time[4] 16; in 32-bit guests 0, 4, 12. */
const RUNSTATE_BYTES: u32 = 48;
const RUNSTATE_BYTES_32: u32 = 44;
const ENTRY_AT: u32 = 8;
const ENTRY_AT_32: u32 = 4;
const UPDATING: u64 = 1 << 63;
const ASSIST_RUNSTATE: u32 = 5;
/** In the scratch page, behind what a hypercall uses. */
const RECORD_AT: usize = 3072;

/** Puts the record of a vCPU, as of now, at `at`. */
export function fillRunstate(cpu: Vcpu, at: usize): void {
  const x = xenOf(cpu);
  store<u64>(at, x.runstate);
  store<u64>(at, x.runstateEntry, 8);
  memory.copy(at + 16, changetype<usize>(x) + XenVcpuOff.runstateTime, 32);
  const slot = at + 16 + ((<usize>x.runstate) << 3);
  // The change may have been made by a pCPU whose clock is ahead of this one's.
  const now = machineTime();
  if (now > x.runstateEntry) store<u64>(slot, load<u64>(slot) + (now - x.runstateEntry));
}

/** Turns the record at `at` into that of a 32-bit guest. */
export function narrowRunstate(at: usize): void {
  memory.copy(at + ENTRY_AT_32, at + ENTRY_AT, RUNSTATE_BYTES - ENTRY_AT);
}

export function runstateBytes(narrow: bool): u32 {
  return narrow ? RUNSTATE_BYTES_32 : RUNSTATE_BYTES;
}

/** The record as the area holds it: times up to the last change only. */
function fillArea(x: XenVcpu, at: usize): void {
  store<u64>(at, x.runstate);
  store<u64>(at, x.runstateEntry, 8);
  memory.copy(at + 16, changetype<usize>(x) + XenVcpuOff.runstateTime, 32);
}

/** Writes the vCPU's own area if it changed. False when the guest's address does not take it now. */
export function writeRunstate(cpu: Vcpu): bool {
  const x = xenOf(cpu);
  if (!x.runstateSet) return true;
  const at = <usize>x.scratch + RECORD_AT;
  fillArea(x, at);
  x.runstateStale = 1;
  const narrow = x.runstateNarrow != 0;
  if (narrow) narrowRunstate(at);
  const entryAt = narrow ? ENTRY_AT_32 : ENTRY_AT;
  const gva = x.runstateGva;
  const flagged = (domainOfVcpu(cpu).vmAssist & (1 << ASSIST_RUNSTATE)) != 0;
  if (flagged) {
    store<u64>(at + entryAt, x.runstateEntry | UPDATING);
    if (!copyToGuest(cpu, gva + entryAt, at + entryAt, 8)) return false;
  }
  if (!copyToGuest(cpu, gva, at, runstateBytes(narrow))) return false;
  if (flagged) {
    store<u64>(at + entryAt, x.runstateEntry);
    if (!copyToGuest(cpu, gva + entryAt, at + entryAt, 8)) return false;
  }
  x.runstateStale = 0;
  return true;
}
