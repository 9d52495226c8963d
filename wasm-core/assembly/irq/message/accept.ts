/**
 * The receiving half of a local APIC: what happens when a message reaches a processor. Runs on any pCPU, so it only
 * adds bits atomically (IRR, TMR, ESR, events). [SDM] 3A 11.8.4 "Interrupt Acceptance for Fixed Interrupts".
 */
import { EventBit, Lapic, LapicOff, Vcpu } from "../../gen/layout";
import { vcpuKick } from "../kick";
import { ApicBase, Esr, FIRST_VECTOR, Message, Svr } from "./regs";

const LVT_ERROR_OFFSET: usize = LapicOff.lvt + 4 * 5;
const LVT_MASKED: u32 = 0x10000;

@inline
export function lapicOf(cpu: Vcpu): Lapic {
  return changetype<Lapic>(<usize>cpu.lapic);
}

/** True when the APIC is enabled in IA32_APIC_BASE. */
@inline
export function lapicPresent(cpu: Vcpu): bool {
  return (cpu.apicBase & ApicBase.ENABLE) != 0;
}

/** True in x2APIC mode: registers are MSRs, ids have 32 bits. */
@inline
export function lapicX2apic(cpu: Vcpu): bool {
  return (cpu.apicBase & (ApicBase.ENABLE | ApicBase.EXTD)) == (ApicBase.ENABLE | ApicBase.EXTD);
}

/** Address of the word of a 256-bit register (IRR, ISR, TMR at `register`) that holds `vector`. */
@inline
export function vectorWord(apic: Lapic, register: usize, vector: u32): usize {
  return changetype<usize>(apic) + register + ((vector >> 5) << 2);
}

/** Notes errors for ESR and raises the LVT error interrupt. */
export function lapicError(cpu: Vcpu, errors: u32): void {
  const apic = lapicOf(cpu);
  atomic.or<u32>(changetype<usize>(apic), errors, LapicOff.esrPending);
  const entry = load<u32>(changetype<usize>(apic) + LVT_ERROR_OFFSET);
  const vector = entry & Message.VECTOR_MASK;
  // An illegal vector here would be an error again, without end.
  if ((entry & LVT_MASKED) == 0 && vector >= FIRST_VECTOR) request(cpu, vector, false);
}

/** Sets the IRR bit; the trigger mode first, so that whoever sees the request knows it. */
function request(cpu: Vcpu, vector: u32, level: bool): void {
  const apic = lapicOf(cpu);
  const bit: u32 = 1 << (vector & 31);
  if (level) atomic.or<u32>(vectorWord(apic, LapicOff.tmr, vector), bit);
  else atomic.and<u32>(vectorWord(apic, LapicOff.tmr, vector), ~bit);
  atomic.or<u32>(vectorWord(apic, LapicOff.irr, vector), bit);
  vcpuKick(cpu, EventBit.INTERRUPT);
}

/**
 * Delivers a fixed interrupt to `cpu`. False when its APIC is disabled or the vector is illegal: nothing happens then.
 */
export function lapicInject(cpu: Vcpu, vector: u32, level: bool): bool {
  if (!lapicPresent(cpu) || (lapicOf(cpu).svr & Svr.ENABLE) == 0) return false;
  vector &= Message.VECTOR_MASK;
  if (vector < FIRST_VECTOR) {
    lapicError(cpu, Esr.RECEIVE_ILLEGAL_VECTOR);
    return false;
  }
  request(cpu, vector, level);
  return true;
}

/**
 * Requests an interrupt; of an APIC that is software-disabled once it is enabled, as Xen does for its upcall: Linux sets
 * the upcall vector long before it enables the APIC, an event that came meanwhile must not be lost, and a request that
 * is there before is a stale one to Linux.
 */
export function lapicLatch(cpu: Vcpu, vector: u32): void {
  if (!lapicPresent(cpu) || vector < FIRST_VECTOR) return;
  const apic = changetype<usize>(lapicOf(cpu));
  // Stored first and looked at after: whoever enables the APIC on another pCPU does it the other way round.
  atomic.store<u32>(apic, vector & Message.VECTOR_MASK, LapicOff.latched);
  if ((atomic.load<u32>(apic, LapicOff.svr) & Svr.ENABLE) != 0) lapicRelease(cpu);
}

/** Requests what was latched. */
export function lapicRelease(cpu: Vcpu): void {
  const vector = atomic.xchg<u32>(changetype<usize>(lapicOf(cpu)), 0, LapicOff.latched);
  if (vector != 0) request(cpu, vector, false);
}

/** Accepts one message of delivery mode `delivery` (a Message bit field). True when the processor took it. */
export function acceptMessage(cpu: Vcpu, delivery: u32, vector: u32, level: bool): bool {
  if (!lapicPresent(cpu)) return false;
  switch (delivery) {
    case Message.FIXED:
    case Message.LOWEST_PRIORITY:
      return lapicInject(cpu, vector, level);
    case Message.NMI:
      vcpuKick(cpu, EventBit.NMI);
      return true;
    case Message.INIT:
      vcpuKick(cpu, EventBit.INIT);
      return true;
    case Message.STARTUP:
      atomic.store<u32>(<usize>cpu.lapic, vector & Message.VECTOR_MASK, LapicOff.sipiVector);
      vcpuKick(cpu, EventBit.SIPI);
      return true;
    default:
      // No SMM and no 8259: SMI and ExtINT have nobody to take them.
      return false;
  }
}
