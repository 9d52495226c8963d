/**
 * Which interrupt is next: IRR against ISR and the task priority. [SDM] 3A 11.8.3 "Interrupt, Task, and Processor
 * Priority". A vector's priority class is its upper four bits; only a class above PPR's interrupts the processor.
 */
import { EventBit, Lapic, LapicOff, Vcpu, VcpuOff } from "../../gen/layout";
import { FIRST_VECTOR, lapicOf, lapicPresent, vectorWord } from "../message";

/** Highest vector set in a 256-bit register, -1 when none. */
export function highestVector(apic: Lapic, register: usize): i32 {
  for (let word = 3; word >= 0; word--) {
    const bits = atomic.load<u64>(changetype<usize>(apic) + register + ((<usize>word) << 3));
    if (bits != 0) return (word << 6) + 63 - <i32>clz<u64>(bits);
  }
  return -1;
}

/** Processor priority register. */
export function processorPriority(apic: Lapic): u32 {
  const inService = highestVector(apic, LapicOff.isr);
  const serviceClass: u32 = inService < 0 ? 0 : inService & 0xf0;
  return (apic.tpr & 0xf0) >= serviceClass ? apic.tpr : serviceClass;
}

/** Arbitration priority register, as it would stand for a request that waits. */
export function arbitrationPriority(apic: Lapic): u32 {
  const waiting = highestVector(apic, LapicOff.irr);
  const requestClass: u32 = waiting < 0 ? 0 : waiting & 0xf0;
  const inService = highestVector(apic, LapicOff.isr);
  const serviceClass: u32 = inService < 0 ? 0 : inService & 0xf0;
  const highest = max(requestClass, serviceClass);
  return (apic.tpr & 0xf0) >= requestClass && (apic.tpr & 0xf0) > serviceClass ? apic.tpr : highest;
}

/** Highest vector that may interrupt the processor now, -1 when there is none. */
export function lapicPending(cpu: Vcpu): i32 {
  if (!lapicPresent(cpu)) return -1;
  const apic = lapicOf(cpu);
  const vector = highestVector(apic, LapicOff.irr);
  if (vector < <i32>FIRST_VECTOR) return -1;
  return <u32>(vector & 0xf0) > (processorPriority(apic) & 0xf0) ? vector : -1;
}

/**
 * The processor takes the pending interrupt: its vector moves from IRR to ISR. With nothing to take it is the spurious
 * vector, which is not in service.
 */
export function lapicAck(cpu: Vcpu): u32 {
  const apic = lapicOf(cpu);
  const vector = lapicPending(cpu);
  if (vector < 0) return apic.svr & 0xff;
  const bit: u32 = 1 << (vector & 31);
  atomic.and<u32>(vectorWord(apic, LapicOff.irr, vector), ~bit);
  const service = vectorWord(apic, LapicOff.isr, vector);
  store<u32>(service, load<u32>(service) | bit);
  return vector;
}

/** Makes the run loop look at interrupts again when one became deliverable. */
export function reconsider(cpu: Vcpu): void {
  if (lapicPending(cpu) >= 0) atomic.or<u32>(changetype<usize>(cpu), EventBit.INTERRUPT, VcpuOff.events);
}

/** Task priority register, 8 bits. */
export function lapicTpr(cpu: Vcpu): u32 {
  return lapicOf(cpu).tpr;
}

export function lapicSetTpr(cpu: Vcpu, value: u32): void {
  lapicOf(cpu).tpr = value & 0xff;
  reconsider(cpu);
}
