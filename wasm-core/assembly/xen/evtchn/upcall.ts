/**
 * Telling a vCPU that events wait: upcall_pending, then an interrupt through its local APIC (the vector set with
 * HVMOP_set_evtchn_upcall_vector), the direct vector of HVM_PARAM_CALLBACK_IRQ type 2, which the run loop asks for, or
 * the I/O APIC pin of its types 0 and 1.
 */
import { Domain, DomainOff, DomainStat, EventBit, Vcpu, VcpuInfoOff, XenVcpu } from "../../gen/layout";
import { ioapicRaiseCallback } from "../../irq/ioapic";
import { lapicLatch } from "../../irq/lapic";
import { count, domainOfVcpu, domainVcpu } from "../../mem/domains";
import { vcpuKick } from "../../sched/wake";

/** pollPort of a vCPU that polls for several ports. */
export const POLL_MANY: u32 = 0xffffffff;
const VIA_VECTOR: u64 = 2;

@inline
export function xenOf(cpu: Vcpu): XenVcpu {
  return changetype<XenVcpu>(<usize>cpu.xen);
}

/** vcpu_info.evtchn_upcall_pending goes up; on its rise the vCPU is interrupted. */
export function markEventsPending(cpu: Vcpu): void {
  const x = xenOf(cpu);
  if (atomic.xchg<u8>(<usize>x.info, 1, VcpuInfoOff.upcallPending) != 0) return;
  assertUpcall(cpu);
}

@inline
function raiseCallbackPin(dom: Domain): void {
  if (dom.callbackPin != 0) ioapicRaiseCallback(dom);
}

/** Interrupts the vCPU for events that wait. */
export function assertUpcall(cpu: Vcpu): void {
  const x = xenOf(cpu);
  count(domainOfVcpu(cpu), DomainStat.UPCALLS);
  if (x.upcallVector != 0) lapicLatch(cpu, x.upcallVector);
  else if (cpu.id == 0) raiseCallbackPin(domainOfVcpu(cpu));
  vcpuKick(cpu, EventBit.INTERRUPT);
}

/**
 * After INIT has emptied the local APIC: events that wait are announced again. The guest prepares an application
 * processor's vcpu_info and upcall vector before it sends INIT, and upcall_pending would never rise again.
 */
export function reassertUpcall(cpu: Vcpu): void {
  if (atomic.load<u8>(<usize>xenOf(cpu).info, VcpuInfoOff.upcallPending) != 0) assertUpcall(cpu);
}

/** The vector to inject past the local APIC, -1 when none: level-triggered by upcall_pending, as in Xen. */
export function xenPendingVector(cpu: Vcpu): i32 {
  const x = xenOf(cpu);
  if (atomic.load<u8>(<usize>x.info, VcpuInfoOff.upcallPending) == 0) return -1;
  const via = domainOfVcpu(cpu).callbackVia;
  return x.upcallVector == 0 && via >> 56 == VIA_VECTOR ? <i32>(via & 0xff) : -1;
}

/** The run loop has injected xenPendingVector's answer. Nothing to do: the guest clears upcall_pending. */
export function xenAckVector(cpu: Vcpu): void {}

/** Ends the poll of vCPUs that wait for `port`. */
export function wakePollers(dom: Domain, port: u32): void {
  for (let word: u32 = 0; word < 4; word++) {
    const slot = changetype<usize>(dom) + DomainOff.pollers + (word << 2);
    let bits = atomic.load<u32>(slot);
    while (bits != 0) {
      const bit = ctz(bits);
      bits &= bits - 1;
      const cpu = domainVcpu(dom, (word << 5) + bit);
      if (changetype<usize>(cpu) == 0) continue;
      const wanted = xenOf(cpu).pollPort;
      if (wanted != POLL_MANY && wanted != port) continue;
      atomic.and<u32>(slot, ~((<u32>1) << bit));
      vcpuKick(cpu, 0);
    }
  }
}
