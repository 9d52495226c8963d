/** Saved state of a local APIC: the Lapic struct with the timer as time left. IA32_APIC_BASE belongs to the vCPU. */
import { Lapic, Lapic_SIZE, LapicOff, Vcpu } from "../../gen/layout";
import { machineTime } from "../../util/host";
import { Dfr, FIRST_VECTOR, lapicOf, Message, Svr } from "../message";
import { checkHeader, deadlineIn, HEADER_BYTES, timeLeft, writeHeader } from "../saved-header";
import { lvtWritable } from "./device";
import { reconsider } from "./priority";
import { LvtIndex } from "./regs";

/** "LAPC" */
const TAG: u32 = 0x4350414c;
const VERSION: u32 = 1;

/** Bytes that lapicSave writes. */
export const LAPIC_SAVED_BYTES: u32 = HEADER_BYTES + <u32>Lapic_SIZE;

/** Saves the local APIC of a vCPU that does not run; returns the bytes written. */
export function lapicSave(cpu: Vcpu, at: usize): u32 {
  const saved = writeHeader(at, TAG, VERSION, <u32>Lapic_SIZE);
  const apic = lapicOf(cpu);
  memory.copy(saved, changetype<usize>(apic), Lapic_SIZE);
  changetype<Lapic>(saved).timerDeadline = timeLeft(apic.timerDeadline, machineTime());
  return LAPIC_SAVED_BYTES;
}

/** Restores it; false when the bytes are not a saved local APIC. Reserved bits are dropped. */
export function lapicRestore(cpu: Vcpu, at: usize, length: u32): bool {
  if (!checkHeader(at, length, TAG, VERSION, <u32>Lapic_SIZE)) return false;
  const apic = lapicOf(cpu);
  memory.copy(changetype<usize>(apic), at + HEADER_BYTES, Lapic_SIZE);
  apic.tpr &= 0xff;
  apic.svr &= Svr.WRITABLE_MASK;
  apic.divideConfig &= 0xb;
  apic.dfr |= Dfr.RESET >> 4;
  for (let i: u32 = 0; i < LvtIndex.COUNT; i++) {
    const entry = changetype<usize>(apic) + LapicOff.lvt + ((<usize>i) << 2);
    store<u32>(entry, load<u32>(entry) & lvtWritable(i));
  }
  // Vectors below 16 cannot be requested.
  if (apic.latched < FIRST_VECTOR || apic.latched > Message.VECTOR_MASK) apic.latched = 0;
  store<u16>(changetype<usize>(apic), 0, LapicOff.irr);
  store<u16>(changetype<usize>(apic), 0, LapicOff.isr);
  apic.timerDeadline = deadlineIn(apic.timerDeadline, machineTime());
  reconsider(cpu);
  return true;
}
