/**
 * The state of one local APIC, one per vCPU behind Vcpu.lapic. [SDM] 3A 11.
 * IRR, TMR, esrPending and sipiVector are written atomically by other processors; the rest belongs to the vCPU that
 * runs, and others only read its identity (id, ldr, dfr, svr, tpr) to route an interrupt.
 */
import { struct, u32, u64 } from "../layout.js";

export const Lapic = struct("Lapic", "One local APIC.", {
  irr: u32("Interrupt request register, bit v & 31 of word v >> 5 for vector v", 8),
  isr: u32("In-service register", 8),
  tmr: u32("Trigger mode register, 1 = level", 8),
  tpr: u32("Task priority register, 8 bits"),
  ldr: u32("Logical destination register"),
  dfr: u32("Destination format register, xAPIC mode only"),
  svr: u32("Spurious-interrupt vector register"),
  esr: u32("Error status as latched by the last write to ESR"),
  esrPending: u32("Errors since the last write to ESR, added atomically"),
  icrLow: u32("Interrupt command, low half"),
  icrHigh: u32("Interrupt command, high half: the destination"),
  lvt: u32("Local vector table: timer, thermal, performance, LINT0, LINT1, error, CMCI", 7),
  initialCount: u32("Timer initial count"),
  divideConfig: u32("Timer divide configuration, bits 3, 1 and 0"),
  timerDeadline: u64("Machine time at which the count reaches zero, all ones while the timer stands still"),
  tscDeadline: u64("IA32_TSC_DEADLINE, 0 when disarmed"),
  latched: u32("Vector to request once the APIC is software-enabled, 0 when none"),
  // What INIT keeps stands from here on: others read and write it while a processor takes its INIT.
  id: u32("xAPIC id register, id in bits 31:24; in x2APIC mode the whole word is the id"),
  sipiVector: u32("Vector of the start-up IPI that EventBit.SIPI announces"),
});
