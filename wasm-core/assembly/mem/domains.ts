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
import { ring } from "../util/atomics";
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
    if (changetype<usize>(cpu) != 0) atomic.or<u32>(changetype<usize>(cpu) + VcpuOff.events, EventBit.STOP);
  }
}

/** Tells Domain0 that the state of some domain changed. */
export function notifyDomain0(): void {
  const m = changetype<usize>(machine());
  atomic.add<u32>(m + MachineOff.domExc, 1);
  ring(m + MachineOff.doorbell);
}

/** Shuts the domain down with a ShutdownReason; the first reason stands. Its vCPUs run no more. */
export function domainShutdown(dom: Domain, reason: u32): void {
  if (atomic.cmpxchg<u32>(changetype<usize>(dom) + DomainOff.shutdown, 0, 1) != 0) return;
  dom.shutdownReason = reason;
  if (reason == ShutdownReason.CRASH && dom.crashReason == CrashReason.NONE) dom.crashReason = CrashReason.GUEST;
  trace(TraceCode.SHUTDOWN, dom.domid, reason);
  stopVcpus(dom);
  notifyDomain0();
}

/** Crashes the domain for a CrashReason. Safe from any layer and with any lock held. */
export function domainCrash(dom: Domain, reason: u32): void {
  if (atomic.load<u32>(changetype<usize>(dom) + DomainOff.shutdown) != 0) return;
  dom.crashReason = reason;
  trace(TraceCode.CRASH, dom.domid, reason);
  domainShutdown(dom, ShutdownReason.CRASH);
}
