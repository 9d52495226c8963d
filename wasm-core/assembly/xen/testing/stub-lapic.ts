/** Stand-in for irq/lapic: an injected vector is kept in the first word of the APIC's page; there is no timer. */
import { EventBit, Vcpu, VcpuOff } from "../../gen/layout";
import { NEVER } from "../../util/host";

export function lapicInject(cpu: Vcpu, vector: u32, level: bool): bool {
  store<u32>(<usize>cpu.lapic, vector);
  store<u32>(<usize>cpu.lapic, load<u32>(<usize>cpu.lapic, 4) + 1, 4);
  atomic.or<u32>(changetype<usize>(cpu), EventBit.INTERRUPT, VcpuOff.events);
  return true;
}

export function lapicReset(cpu: Vcpu): void {}

export function lapicTimerDeadline(cpu: Vcpu): u64 {
  return NEVER;
}

export function lapicTimerFire(cpu: Vcpu): void {}

export function lapicLatch(cpu: Vcpu, vector: u32): void {
  lapicInject(cpu, vector, false);
}
