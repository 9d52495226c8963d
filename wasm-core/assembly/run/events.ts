/** What a vCPU looks at between blocks when Vcpu.events is nonzero or it is halted. [SDM] vol. 3A, 6.9. */
import { EventBit, ExitReason, Vcpu, VcpuOff } from "../gen/layout";
import { Flag } from "../cpu/flags";
import { vcpuInit, vcpuStartup } from "../cpu/reset";
import { leaveCode } from "../decode/cache-lock";
import { lapicAck, lapicInitReset, lapicPending, lapicSipiVector } from "../irq/lapic";
import { tlbFlushAll } from "../mmu/tlb";
import { deliverInterrupt, deliverNmi } from "../system/delivery";
import { deliverMachineCheck } from "../system/machine-check";
import { reassertUpcall, xenAckVector, xenPendingVector } from "../xen/evtchn/upcall";

/** IA32_APIC_BASE: this is the bootstrap processor. */
const APIC_BASE_BSP: u64 = 0x100;
/** Go on running. */
const GO_ON: i32 = -1;

@inline
function clear(cpu: Vcpu, bits: u32): void {
  atomic.and<u32>(changetype<usize>(cpu), ~bits, VcpuOff.events);
}

/** Acts on the vCPU's events; an ExitReason to leave the run loop with, or -1. */
export function takeEvents(cpu: Vcpu): i32 {
  const events = atomic.load<u32>(changetype<usize>(cpu), VcpuOff.events);
  if (events & EventBit.SETTLE) clear(cpu, EventBit.SETTLE);
  if (events & EventBit.FLUSH_TLB) {
    // Acknowledged after it is done: whoever asked may be waiting for the bit.
    tlbFlushAll(cpu);
    clear(cpu, EventBit.FLUSH_TLB);
  }
  if (events & EventBit.FLUSH_CODE) leaveCode(cpu);
  if (events & EventBit.STOP) {
    clear(cpu, EventBit.STOP);
    const reason = cpu.exitReason;
    cpu.exitReason = ExitReason.BUDGET;
    return reason == ExitReason.TRIPLE_FAULT ? <i32>reason : <i32>ExitReason.STOP;
  }
  if (events & EventBit.INIT) {
    clear(cpu, EventBit.INIT);
    vcpuInit(cpu);
    tlbFlushAll(cpu);
    lapicInitReset(cpu);
    reassertUpcall(cpu);
    // The bootstrap processor starts at the reset vector, the others wait.
    cpu.waitForSipi = (cpu.apicBase & APIC_BASE_BSP) != 0 ? 0 : 1;
  }
  if (events & EventBit.SIPI) {
    clear(cpu, EventBit.SIPI);
    if (cpu.waitForSipi) vcpuStartup(cpu, lapicSipiVector(cpu));
  }
  if (cpu.waitForSipi) return ExitReason.HALT;
  if (events & EventBit.MCE) {
    clear(cpu, EventBit.MCE);
    deliverMachineCheck(cpu);
  }
  if (!cpu.interruptShadow) takeInterrupts(cpu, events);
  return cpu.halted | cpu.mwait ? ExitReason.HALT : GO_ON;
}

/** NMIs, then maskable interrupts: the event channel upcall injected directly, then the local APIC's. */
function takeInterrupts(cpu: Vcpu, events: u32): void {
  if (events & EventBit.NMI) {
    clear(cpu, EventBit.NMI);
    cpu.nmiPending = 1;
  }
  if (cpu.nmiPending && !cpu.nmiBlocked) {
    deliverNmi(cpu);
    return;
  }
  if (!(events & EventBit.INTERRUPT)) return;
  // Cleared before looking, so that one raised meanwhile is seen next time. With IF clear, its rise sets the bit again.
  clear(cpu, EventBit.INTERRUPT);
  if (!(cpu.eflags & Flag.IF)) {
    cpu.interruptHeld = 1;
    return;
  }
  let vector = xenPendingVector(cpu);
  if (vector >= 0) xenAckVector(cpu);
  else {
    if (lapicPending(cpu) < 0) return;
    vector = <i32>lapicAck(cpu);
  }
  atomic.or<u32>(changetype<usize>(cpu), EventBit.INTERRUPT, VcpuOff.events);
  deliverInterrupt(cpu, <u32>vector);
}
