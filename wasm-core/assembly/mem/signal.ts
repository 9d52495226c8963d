/** Telling a vCPU, from wherever, that there is something to look at. Whoever may have to wake it calls vcpuKick instead. */
import { Vcpu, VcpuOff } from "../gen/layout";

/** Sets EventBits of the vCPU. One that spins, and whose thread naps meanwhile, looks at them at once. */
export function signal(cpu: Vcpu, bits: u32): void {
  const at = changetype<usize>(cpu);
  atomic.or<u32>(at, bits, VcpuOff.events);
  if (atomic.load<u32>(at, VcpuOff.napping) != 0) atomic.notify(at + VcpuOff.events, 1);
}
