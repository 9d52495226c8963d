/**
 * MONITOR's watch on a line of memory. A frame with an armed line is never entered for writing, so that every write to
 * it comes by here, as with frames that hold code. What others write by a hold of their own does not come by here: MWAIT
 * goes on at once for a page that is lent to them, and whoever takes a hold to write ends the waits. The hypervisor has holds
 * of vcpu_info and the like, and writes to those with an event for the vCPU: a processor that is down waits on the same page,
 * and has to sleep. [SDM] vol. 2B, "MONITOR"; vol. 3A, 10.10.
 */
import { Access, Domain, DomainOff, Frame, FrameFlag, FrameOff, Vcpu, VcpuOff } from "../gen/layout";
import { domainOf, domainOfVcpu, firstVcpu, lockDomains, nextVcpu, unlockDomains } from "../mem/domains";
import { frameOf, isMonitored } from "../mem/frames";
import { p2mMfn, p2mPin } from "../mem/p2m";
import { askToSettle, isSettled } from "../mem/settle";
import { vcpuKick } from "../sched/wake";
import { spinLock, spinUnlock } from "../util/atomics";
import { tlbProtectEverywhere } from "./writers";

/** Bytes that one MONITOR watches. */
export const MONITOR_LINE: u64 = 64;
/** Vcpu.monitorGpa when nothing is armed. */
export const NO_MONITOR: u64 = 0xffffffffffffffff;

@inline
function monitorLock(dom: Domain): usize {
  return changetype<usize>(dom) + DomainOff.monitorLock;
}

@inline
function setLine(cpu: Vcpu, line: u64): void {
  atomic.store<u64>(changetype<usize>(cpu), line, VcpuOff.monitorGpa);
}

/** Whether others than the domain of `cpu` may write to the frame by a hold that they have. */
function isLent(cpu: Vcpu, frame: Frame): bool {
  const flags = atomic.load<u8>(changetype<usize>(frame) + FrameOff.flags);
  if (<u32>frame.owner != domainOfVcpu(cpu).domid) return true;
  return (flags & (<u8>FrameFlag.LENT)) != 0 && frame.refs != 1;
}

/**
 * Arms the line around guest-physical `gpa`, whose frame lies at machine address `host`. While a store that began before may
 * be under way on another pCPU, the line is no reason to sleep: the guest may look at it too soon, and the store is not seen.
 * It is where the frame has been watched since an earlier time and all have answered.
 */
export function armMonitor(cpu: Vcpu, gpa: u64, host: u32): void {
  const frame = frameOf(host >> 12);
  if (isLent(cpu, frame)) return;
  const lock = monitorLock(domainOfVcpu(cpu));
  spinLock(lock);
  setLine(cpu, gpa & ~(MONITOR_LINE - 1));
  const flags = atomic.or<u8>(changetype<usize>(frame), <u8>FrameFlag.MONITORED, FrameOff.flags);
  if (!(flags & (<u8>FrameFlag.MONITORED))) {
    tlbProtectEverywhere(cpu, host & ~4095, false);
    askToSettle(cpu, false);
  }
  cpu.monitorHolds = isSettled(cpu, false) ? 1 : 0;
  spinUnlock(lock);
  // Who borrows it says so before looking at the flag.
  if (isLent(cpu, frame)) setLine(cpu, NO_MONITOR);
}

/**
 * Halts the vCPU in MWAIT; false when nothing is armed, or when a write may have been missed: MWAIT may end for any reason, and
 * the guest then looks at the line again.
 */
export function waitForWrite(cpu: Vcpu): bool {
  if (cpu.monitorGpa == NO_MONITOR || !cpu.monitorHolds) return false;
  cpu.halted = 1;
  atomic.store<u8>(changetype<usize>(cpu), 1, VcpuOff.mwait);
  // The writer disarms before it looks whether anybody waits.
  if (atomic.load<u64>(changetype<usize>(cpu), VcpuOff.monitorGpa) != NO_MONITOR) return true;
  cpu.mwait = 0;
  cpu.halted = 0;
  return false;
}

@inline
function hits(line: u64, gpa: u64, size: u32): bool {
  return line < gpa + <u64>size && gpa < line + MONITOR_LINE;
}

/** `size` bytes at `gpa` in `frame` are about to be written: whoever waits for that goes on. */
export function writeToMonitored(cpu: Vcpu, frame: Frame, gpa: u64, size: u32): void {
  const dom = domainOfVcpu(cpu);
  const lock = monitorLock(dom);
  let armed = false;
  spinLock(lock);
  for (let other = firstVcpu(dom); changetype<usize>(other) != 0; other = nextVcpu(other, dom)) {
    const line = other.monitorGpa;
    if (line == NO_MONITOR || (line ^ gpa) >> 12 != 0) continue;
    if (hits(line, gpa, size)) wake(other);
    else armed = true;
  }
  if (!armed) atomic.and<u8>(changetype<usize>(frame), ~(<u8>FrameFlag.MONITORED), FrameOff.flags);
  spinUnlock(lock);
}

/**
 * Somebody writes to the frame by its machine address, or is about to with a hold of it: every wait for its owner's lines
 * ends. Call without locks of domains held.
 */
export function endWaits(mfn: u32): void {
  const frame = frameOf(mfn);
  if (!isMonitored(frame)) return;
  lockDomains();
  const dom = domainOf(frame.owner);
  if (changetype<usize>(dom) != 0 && dom.maxVcpus != 0) {
    const lock = monitorLock(dom);
    spinLock(lock);
    for (let cpu = firstVcpu(dom); changetype<usize>(cpu) != 0; cpu = nextVcpu(cpu, dom)) {
      if (cpu.monitorGpa != NO_MONITOR) wake(cpu);
    }
    // None of the owner's lines is armed now, and others have none in its pages.
    atomic.and<u8>(changetype<usize>(frame), ~(<u8>FrameFlag.MONITORED), FrameOff.flags);
    spinUnlock(lock);
  }
  unlockDomains();
}

/** Somebody else than its owner has got a hold of the frame, and writes to it whenever he likes: waits for that end. */
export function lend(mfn: u32): void {
  atomic.or<u8>(changetype<usize>(frameOf(mfn)), <u8>FrameFlag.LENT, FrameOff.flags);
  endWaits(mfn);
}

/** As p2mPin for writing by the frame's machine address, which nobody watches: waits for it end. */
export function pinToWrite(dom: Domain, gfn: u64): u32 {
  const entry = p2mPin(dom, gfn, Access.WRITE);
  if (entry != 0) endWaits(p2mMfn(entry));
  return entry;
}

/** Disarms a vCPU's line and ends its MWAIT. */
function wake(cpu: Vcpu): void {
  setLine(cpu, NO_MONITOR);
  if (!atomic.load<u8>(changetype<usize>(cpu), VcpuOff.mwait)) return;
  cpu.mwait = 0;
  cpu.halted = 0;
  vcpuKick(cpu, 0);
}
