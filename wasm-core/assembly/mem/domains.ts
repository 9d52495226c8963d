/**
 * What every layer needs of a domain: finding it, counting, and stopping it. Creation, destruction and the rest of its
 * life are in xen/. Domain structs are never reused for anything else, so a stale pointer still leads to a lock and a
 * domid that tell that the domain is gone.
 */
import {
  CrashReason,
  Domain,
  DomainOff,
  DomainState,
  EventBit,
  MachineOff,
  ShutdownReason,
  TraceCode,
  Vcpu,
  VcpuOff,
} from "../gen/layout";
import { ring, spinLock, spinUnlock } from "../util/atomics";
import { signal } from "./signal";
import { machine, trace } from "../util/host";

const DOMID_SLOTS: u32 = 32768;

/** The domain of that number; a null pointer when there is none. */
export function domainOf(domid: u32): Domain {
  if (domid >= DOMID_SLOTS) return changetype<Domain>(0);
  return changetype<Domain>(<usize>atomic.load<u32>(<usize>machine().domainTable + ((<usize>domid) << 2)));
}

/** True when `dom` still is the live domain `domid`. Meaningful under one of its locks. */
@inline
export function isLive(dom: Domain, domid: u32): bool {
  return dom.domid == domid && dom.state == DomainState.LIVE;
}

/** A vCPU by number; a null pointer when there is none. */
export function domainVcpu(dom: Domain, id: u32): Vcpu {
  if (id >= dom.maxVcpus) return changetype<Vcpu>(0);
  return changetype<Vcpu>(<usize>load<u32>(changetype<usize>(dom) + DomainOff.vcpus + ((<usize>id) << 2)));
}

/**
 * The first vCPU of a domain, or of the machine when `only` is null; with nextVcpu a walk over all of them. The caller
 * sees to it that no domain goes meanwhile: `only` is the one of the vCPU that it runs, or lockDomains.
 */
export function firstVcpu(only: Domain): Vcpu {
  return firstFrom(changetype<usize>(only) == 0 ? changetype<Domain>(<usize>machine().domainList) : only, only);
}

/** The vCPU behind `cpu` in that walk; null at the end. */
export function nextVcpu(cpu: Vcpu, only: Domain): Vcpu {
  const dom = domainOfVcpu(cpu);
  const next = domainVcpu(dom, cpu.id + 1);
  if (changetype<usize>(next) != 0 || changetype<usize>(only) != 0) return next;
  return firstFrom(changetype<Domain>(<usize>dom.next), only);
}

/** The first vCPU of `dom`, or of the next domain that has one unless `only` forbids. */
function firstFrom(dom: Domain, only: Domain): Vcpu {
  while (changetype<usize>(only) == 0 && changetype<usize>(dom) != 0 && dom.maxVcpus == 0)
    dom = changetype<Domain>(<usize>dom.next);
  return changetype<usize>(dom) == 0 ? changetype<Vcpu>(0) : domainVcpu(dom, 0);
}

/** Holds the list of domains still. */
export function lockDomains(): void {
  spinLock(changetype<usize>(machine()) + MachineOff.domainLock);
}

export function unlockDomains(): void {
  spinUnlock(changetype<usize>(machine()) + MachineOff.domainLock);
}

/** The domain of a vCPU. */
@inline
export function domainOfVcpu(cpu: Vcpu): Domain {
  return changetype<Domain>(<usize>cpu.domain);
}

/** Adds to a DomainStat. */
@inline
export function count(dom: Domain, stat: u32, by: u64 = 1): void {
  atomic.add<u64>(changetype<usize>(dom) + DomainOff.stats + ((<usize>stat) << 3), by);
}

/** Makes every vCPU of the domain leave the run loop at its next block. */
export function stopVcpus(dom: Domain): void {
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) != 0) signal(cpu, EventBit.STOP);
  }
}

/** Tells Domain0 that the state of some domain changed. */
export function notifyDomain0(): void {
  const m = changetype<usize>(machine());
  atomic.add<u32>(m + MachineOff.domExc, 1);
  ring(m + MachineOff.doorbell);
}

/**
 * Shuts the domain down with a ShutdownReason; the first reason stands. Its vCPUs run no more. Whoever finds it shut down
 * finds the reason too: Domain0 may look at any moment.
 */
export function domainShutdown(dom: Domain, reason: u32): void {
  const at = changetype<usize>(dom);
  const none = <u32>ShutdownReason.NONE;
  if (atomic.cmpxchg<u32>(at, none, reason, DomainOff.shutdownReason) != none) return;
  if (reason == ShutdownReason.CRASH && dom.crashReason == CrashReason.NONE) dom.crashReason = CrashReason.GUEST;
  atomic.store<u32>(at, 1, DomainOff.shutdown);
  trace(TraceCode.SHUTDOWN, dom.domid, reason);
  stopVcpus(dom);
  notifyDomain0();
}

/**
 * The vCPU goes down. When none is left that is up nobody could bring one back: the domain is off then, and that is the
 * answer. [XEN] common/domain.c, arch/x86/hvm/hvm.c
 */
export function goneDown(dom: Domain, cpu: Vcpu): bool {
  const lock = changetype<usize>(dom) + DomainOff.lock;
  // Of two that go down at once one is the last.
  spinLock(lock);
  cpu.online = 0;
  let last = true;
  for (let i: u32 = 0; last && i < dom.maxVcpus; i++) {
    const other = domainVcpu(dom, i);
    // One that has been told to start comes up by itself.
    last = other.online == 0 && (atomic.load<u32>(changetype<usize>(other), VcpuOff.events) & EventBit.SIPI) == 0;
  }
  spinUnlock(lock);
  if (last) domainShutdown(dom, ShutdownReason.POWEROFF);
  return last;
}

/** Crashes the domain for a CrashReason. Safe from any layer and with any lock held. */
export function domainCrash(dom: Domain, reason: u32): void {
  if (atomic.load<u32>(changetype<usize>(dom), DomainOff.shutdownReason) != <u32>ShutdownReason.NONE) return;
  dom.crashReason = reason;
  trace(TraceCode.CRASH, dom.domid, reason);
  domainShutdown(dom, ShutdownReason.CRASH);
}
