/**
 * TLB shootdown: after an entry of a p2m was removed or lost rights, no vCPU of the domain may go on using what it
 * cached of it. Each gets EventBit.FLUSH_TLB, which it obeys before its next block; a vCPU that is inside a block on
 * another pCPU is waited for.
 */
import { Domain, EventBit, Vcpu, VcpuOff, VcpuRunState } from "../gen/layout";
import { domainVcpu } from "./domains";
import { signal } from "./signal";

/** Returns when no vCPU of the domain can reach what its p2m no longer says. */
export function flushDomainTlb(dom: Domain): void {
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) != 0) signal(cpu, EventBit.FLUSH_TLB);
  }
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) != 0) while (inGuest(cpu)) {}
  }
}

/** Whether the vCPU executes guest instructions and has not seen the flush. The caller's own vCPU is in the hypervisor. */
function inGuest(cpu: Vcpu): bool {
  const at = changetype<usize>(cpu);
  return (
    atomic.load<u32>(at, VcpuOff.runState) == VcpuRunState.RUNNING &&
    atomic.load<u32>(at, VcpuOff.inHypervisor) == 0 &&
    (atomic.load<u32>(at, VcpuOff.events) & EventBit.FLUSH_TLB) != 0
  );
}
