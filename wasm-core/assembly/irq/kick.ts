/** Getting a vCPU's attention, wherever it is: in a pCPU, in a run queue or asleep. */
import { Vcpu, VcpuOff } from "../gen/layout";

/** Adds EventBit `bits` to the vCPU's events and makes it runnable. */
export function vcpuKick(cpu: Vcpu, bits: u32): void {
  atomic.or<u32>(changetype<usize>(cpu), bits, VcpuOff.events);
}
