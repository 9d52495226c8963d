/**
 * Watching a frame for writes, with several pCPUs at work. Whoever begins to watch takes the write right out of every
 * TLB, but a vCPU on another pCPU may have compared its entry just before and be about to store. Nobody waits for it,
 * which would be to wait for the host's scheduler: it is asked, by EventBit.SETTLE, to say when its block is over, and
 * until then the watch has not settled, and what relies on it (a decoded block, a sleep in MWAIT) must not last.
 */
import { Domain, EventBit, Frame, Vcpu, VcpuOff, VcpuRunState } from "../gen/layout";
import { domainOfVcpu, firstVcpu, lockDomains, nextVcpu, unlockDomains } from "./domains";
import { signal } from "./signal";

/** Whether others than the domain of `cpu` may have the frame mapped: grants, shared and foreign pages. */
@inline
export function isShared(cpu: Vcpu, frame: Frame): bool {
  return frame.refs != 1 || <u32>frame.owner != domainOfVcpu(cpu).domid;
}

/** The domain whose vCPUs can write what `cpu` watches; null for all of the machine. */
@inline
function scope(cpu: Vcpu, shared: bool): Domain {
  return shared ? changetype<Domain>(0) : domainOfVcpu(cpu);
}

/** After write rights were taken from all of them: asks the other vCPUs whether a store is under way. */
export function askToSettle(cpu: Vcpu, shared: bool): void {
  const only = scope(cpu, shared);
  if (shared) lockDomains();
  for (let other = firstVcpu(only); changetype<usize>(other) != 0; other = nextVcpu(other, only)) {
    if (other != cpu) signal(other, EventBit.SETTLE);
  }
  if (shared) unlockDomains();
}

/** Whether all that were asked have answered: from now on every write to the frame is seen. */
export function isSettled(cpu: Vcpu, shared: bool): bool {
  const only = scope(cpu, shared);
  if (shared) lockDomains();
  let settled = true;
  for (let other = firstVcpu(only); changetype<usize>(other) != 0; other = nextVcpu(other, only)) {
    if (other != cpu && mayStore(other)) settled = false;
  }
  if (shared) unlockDomains();
  return settled;
}

/** Whether the vCPU executes guest instructions and has not answered. */
function mayStore(cpu: Vcpu): bool {
  const at = changetype<usize>(cpu);
  return (
    (atomic.load<u32>(at, VcpuOff.events) & EventBit.SETTLE) != 0 &&
    atomic.load<u32>(at, VcpuOff.runState) == VcpuRunState.RUNNING &&
    atomic.load<u32>(at, VcpuOff.inHypervisor) == 0
  );
}
