/**
 * After a trap: a bug of ours ended an instance of the core in the middle of something. Its worker goes on with the same
 * instance; this puts right what others would stumble over.
 *
 * Every lock that the instance held is released. What a lock of the machine protects is consistent after each store
 * (free lists are changed by one store of their head, the log by one of its end, blocks are linked when they are whole)
 * except the run queue, which is made anew from the states of the vCPUs. What a lock of a domain protects may be half
 * done: that domain is crashed, as is the one whose vCPU ran.
 */
import {
  CodeCacheOff,
  CrashReason,
  Domain,
  DomainOff,
  JitOff,
  Machine,
  MachineOff,
  PRIORITY_NONE,
  Vcpu,
} from "../gen/layout";
import { domainCrash, domainOfVcpu, lockDomains, unlockDomains } from "../mem/domains";
import { pcpuOf } from "../mem/machine";
import { codeCache } from "../mmu/code-cache";
import { block, lockSched, rebuildQueue, unlockSched } from "../sched/queue";
import { holdsLock, spinUnlock } from "../util/atomics";
import { machine, machineTime } from "../util/host";

/** Releases the lock if this instance holds it. */
function release(lock: usize): bool {
  const held = holdsLock(lock);
  if (held) spinUnlock(lock);
  return held;
}

function releaseMachine(m: Machine): void {
  const at = changetype<usize>(m);
  const cache = changetype<usize>(codeCache());
  if (holdsLock(at + MachineOff.schedLock)) {
    rebuildQueue(m);
    spinUnlock(at + MachineOff.schedLock);
  }
  release(at + MachineOff.logLock);
  release(at + MachineOff.frameLock);
  release(at + MachineOff.heapLock);
  release(at + MachineOff.domainLock);
  release(cache + CodeCacheOff.splitLock);
  release(cache + CodeCacheOff.lock);
  release(<usize>codeCache().jit + JitOff.requestLock);
}

/** Releases the locks of a domain; true when there was one to release. */
function releaseDomain(dom: Domain): bool {
  const at = changetype<usize>(dom);
  let held = release(at + DomainOff.monitorLock);
  held = release(at + DomainOff.ioLock) || held;
  held = release(at + DomainOff.p2mLock) || held;
  held = release(at + DomainOff.mapLock) || held;
  held = release(at + DomainOff.gntLock) || held;
  held = release(at + DomainOff.evtLock) || held;
  return release(at + DomainOff.lock) || held;
}

/** Takes a vCPU off the pCPU that died with it. */
function abandonVcpu(cpu: Vcpu): void {
  const m = lockSched();
  cpu.pcpu = <u32>-1;
  cpu.curBlock = 0;
  cpu.inHypervisor = 0;
  block(cpu, machineTime());
  unlockSched(m);
  domainCrash(domainOfVcpu(cpu), CrashReason.INTERNAL);
}

export function pcpuAbandon(id: u32): void {
  const m = machine();
  const p = pcpuOf(id);
  releaseMachine(m);
  // Before a wait for the lock of domains: who holds it may be waiting for this vCPU to leave its block.
  if (p.current != 0) abandonVcpu(changetype<Vcpu>(<usize>p.current));
  p.current = 0;
  p.priority = PRIORITY_NONE;
  lockDomains();
  for (let dom = changetype<Domain>(<usize>m.domainList); changetype<usize>(dom) != 0;) {
    if (releaseDomain(dom) && dom.domid != 0) domainCrash(dom, CrashReason.INTERNAL);
    dom = changetype<Domain>(<usize>dom.next);
  }
  unlockDomains();
}
