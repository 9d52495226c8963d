/**
 * SCHEDOP_watchdog: two timers of a domain that shut it down with SHUTDOWN_watchdog unless the guest sets them anew in
 * time. They are kept by vCPU 0's timers, whatever that vCPU does. [XEN] sched.h
 */
import { Domain, DomainOff, Errno, EventBit, ShutdownReason, Vcpu } from "../gen/layout";
import { domainOfVcpu, domainShutdown, domainVcpu } from "../mem/domains";
import { vcpuKick } from "../sched/wake";
import { spinLock, spinUnlock } from "../util/atomics";
import { machineTime, NEVER } from "../util/host";

/** NR_DOMAIN_WATCHDOG_TIMERS */
const WATCHDOGS: u32 = 2;
const NS_PER_SECOND: u64 = 1_000_000_000;

@inline
function slot(dom: Domain, index: u32): usize {
  return changetype<usize>(dom) + DomainOff.watchdogAt + ((<usize>index) << 3);
}

function lock(dom: Domain): void {
  spinLock(changetype<usize>(dom) + DomainOff.lock);
}

function unlock(dom: Domain): void {
  spinUnlock(changetype<usize>(dom) + DomainOff.lock);
}

/** No watchdog is in use. */
export function initWatchdogs(dom: Domain): void {
  dom.watchdogs = 0;
  for (let i: u32 = 0; i < WATCHDOGS; i++) store<u64>(slot(dom, i), NEVER);
}

/** The operation: id 0 takes a free watchdog and answers its id; another id sets that one anew, or with 0 gives it up. */
export function setWatchdog(cpu: Vcpu, id: u32, seconds: u32): i64 {
  if (id > WATCHDOGS) return -Errno.EINVAL;
  const dom = domainOfVcpu(cpu);
  const at = machineTime() + <u64>seconds * NS_PER_SECOND;
  lock(dom);
  const result = id == 0 ? take(dom, at) : change(dom, id - 1, seconds == 0 ? NEVER : at);
  unlock(dom);
  const keeper = domainVcpu(dom, 0);
  // A keeper that sleeps looks at its timers again.
  if (result >= 0 && keeper !== cpu) vcpuKick(keeper, EventBit.INTERRUPT);
  return result;
}

function take(dom: Domain, at: u64): i64 {
  for (let i: u32 = 0; i < WATCHDOGS; i++) {
    const bit: u32 = 1 << i;
    if ((dom.watchdogs & bit) != 0) continue;
    dom.watchdogs |= bit;
    store<u64>(slot(dom, i), at);
    return i + 1;
  }
  return -Errno.ENOSPC;
}

function change(dom: Domain, index: u32, at: u64): i64 {
  const bit: u32 = 1 << index;
  if ((dom.watchdogs & bit) == 0) return -Errno.EINVAL;
  if (at == NEVER) dom.watchdogs &= ~bit;
  store<u64>(slot(dom, index), at);
  return 0;
}

/** Machine time at which the first of them fires. */
export function watchdogDeadline(dom: Domain): u64 {
  return min(atomic.load<u64>(slot(dom, 0)), atomic.load<u64>(slot(dom, 1)));
}

/** Fires what is due. A watchdog that the guest has set anew meanwhile is not. */
export function watchdogFire(dom: Domain, now: u64): void {
  let due = false;
  lock(dom);
  for (let i: u32 = 0; i < WATCHDOGS; i++) {
    if (load<u64>(slot(dom, i)) > now) continue;
    store<u64>(slot(dom, i), NEVER);
    due = true;
  }
  unlock(dom);
  if (due) domainShutdown(dom, ShutdownReason.WATCHDOG);
}
