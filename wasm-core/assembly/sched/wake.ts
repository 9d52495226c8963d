/**
 * Waking vCPUs and the pCPUs that sleep. A vCPU that waits is woken by whoever set one of its event bits; it looks for
 * itself whether there is something to do and blocks again when there is not, so a wake too many is harmless.
 */
import {
  Domain,
  EventBit,
  Machine,
  MachineOff,
  PcpuOff,
  Priority,
  PRIORITY_NONE,
  Vcpu,
  VcpuOff,
  VcpuRunState,
} from "../gen/layout";
import { domainVcpu } from "../mem/domains";
import { pcpuOf } from "../mem/machine";
import { signal } from "../mem/signal";
import { ring } from "../util/atomics";
import { machineTime, NEVER } from "../util/host";
import { bestIdle, isAllowed, SET_WORDS } from "./affinity";
import { boost } from "./credit";
import { AT_END, block, dropDomain, enqueue, hasParked, headOf, lockSched, mayRun, unlockSched } from "./queue";

const NOBODY: u32 = 0xffffffff;

@inline
function runStateOf(cpu: Vcpu): u32 {
  return atomic.load<u32>(changetype<usize>(cpu), VcpuOff.runState);
}

export function setIdle(m: Machine, pcpu: u32, idle: bool): void {
  const word = changetype<usize>(m) + MachineOff.idlePcpus + (((<usize>pcpu) >> 5) << 2);
  const bit: u32 = 1 << (pcpu & 31);
  store<u32>(word, idle ? load<u32>(word) | bit : load<u32>(word) & ~bit);
}

/** Rings the doorbell of a pCPU. */
export function ringPcpu(pcpu: u32): void {
  ring(changetype<usize>(pcpuOf(pcpu)) + PcpuOff.doorbell);
}

/**
 * Finds a pCPU for a vCPU that was queued: an idle one, whose number is the answer and whose doorbell is to be rung, or
 * one that runs something of lower priority, which is told to stop; then, and when there is none, -1.
 */
export function findPcpu(m: Machine, cpu: Vcpu): i32 {
  const idle = findIdle(m, cpu);
  if (idle < 0 && !cpu.parked) preempt(m, cpu);
  return idle;
}

/** The same among the idle ones alone. */
export function findIdle(m: Machine, cpu: Vcpu): i32 {
  const idle = cpu.parked ? -1 : bestIdle(m, cpu);
  if (idle >= 0) setIdle(m, <u32>idle, false);
  return idle;
}

/** Stops the vCPU of the lowest priority, if that is lower, where `cpu` may run. */
function preempt(m: Machine, cpu: Vcpu): void {
  let lowest = cpu.priority;
  let victim = NOBODY;
  for (let i: u32 = 0; i < m.pcpus && lowest > Priority.OVER; i++) {
    const priority = pcpuOf(i).priority;
    if (priority == PRIORITY_NONE || priority >= lowest || !isAllowed(cpu, i)) continue;
    lowest = priority;
    victim = i;
  }
  if (victim == NOBODY) return;
  const p = pcpuOf(victim);
  // Whoever is queued next looks for another pCPU.
  p.priority = cpu.priority;
  if (p.current != 0) signal(changetype<Vcpu>(<usize>p.current), EventBit.STOP);
}

/** Makes the vCPU run if it waits. Event bits must be set before. */
export function vcpuWake(cpu: Vcpu): void {
  if (runStateOf(cpu) == VcpuRunState.BLOCKED) wakeBlocked(cpu);
}

function wakeBlocked(cpu: Vcpu): void {
  const m = lockSched();
  let idle = -1;
  if (cpu.runState == VcpuRunState.BLOCKED && mayRun(changetype<Domain>(<usize>cpu.domain))) {
    boost(cpu);
    enqueue(m, cpu, AT_END, machineTime());
    // Who waits for credit needs no pCPU but whoever keeps the time.
    idle = cpu.parked ? m.timekeeper : findPcpu(m, cpu);
  }
  unlockSched(m);
  if (idle >= 0) ringPcpu(<u32>idle);
}

/** Sets EventBit `bits` and wakes the vCPU. */
export function vcpuKick(cpu: Vcpu, bits: u32): void {
  signal(cpu, bits);
  vcpuWake(cpu);
}

/** Wakes every vCPU of a domain, after unpause. */
export function wakeDomain(dom: Domain): void {
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    // With the lock, whatever the vCPU's state: a pCPU that still saw the domain paused may be about to block it.
    if (changetype<usize>(cpu) != 0) wakeBlocked(cpu);
  }
}

/** Takes a domain's vCPUs out of the queue, after it was paused or shut down. */
export function unqueueDomain(dom: Domain): void {
  const m = lockSched();
  dropDomain(m, dom);
  unlockSched(m);
}

/** True when no pCPU has one of the domain's vCPUs. */
export function isQuiescent(dom: Domain): bool {
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) != 0 && runStateOf(cpu) == VcpuRunState.RUNNING) return false;
  }
  return true;
}

/** Wakes the blocked vCPUs whose timers are due and finds the next deadline. `self` is the caller's pCPU. */
export function wakeDue(now: u64, self: u32): void {
  const m = lockSched();
  let next = NEVER;
  let d = changetype<Domain>(<usize>m.domainList);
  for (; changetype<usize>(d) != 0; d = changetype<Domain>(<usize>d.next)) {
    if (!mayRun(d)) continue;
    for (let i: u32 = 0; i < d.maxVcpus; i++) {
      const cpu = domainVcpu(d, i);
      if (changetype<usize>(cpu) == 0 || cpu.runState != VcpuRunState.BLOCKED) continue;
      if (cpu.wakeTime <= now) {
        // The ticks of many idle vCPUs must not keep the one that works from working.
        if (m.runCount < m.pcpus) boost(cpu);
        enqueue(m, cpu, AT_END, now);
        const idle = findPcpu(m, cpu);
        if (idle >= 0 && idle != <i32>self) ringPcpu(<u32>idle);
      } else {
        next = min(next, cpu.wakeTime);
      }
    }
  }
  if (hasParked(m)) next = min(next, m.accountAt);
  atomic.store<u64>(changetype<usize>(m), next, MachineOff.nextWake);
  unlockSched(m);
}

/** Rings idle pCPUs for vCPUs that wait, after many were queued at once. */
export function spread(): void {
  const m = lockSched();
  for (let list: u32 = Priority.BOOST; list >= Priority.OVER; list--) {
    let cpu = changetype<Vcpu>(<usize>headOf(m, list));
    for (; changetype<usize>(cpu) != 0; cpu = changetype<Vcpu>(<usize>cpu.next)) {
      const idle = bestIdle(m, cpu);
      if (idle < 0) continue;
      setIdle(m, <u32>idle, false);
      ringPcpu(<u32>idle);
    }
  }
  unlockSched(m);
}

/**
 * Blocks a vCPU that a pCPU just ran, until `cpu.wakeTime` or an event. An event set just before is not seen here: the
 * caller looks at the events again afterwards and wakes the vCPU itself.
 */
export function park(cpu: Vcpu, pcpu: u32, now: u64): void {
  const m = lockSched();
  const p = pcpuOf(pcpu);
  p.current = 0;
  p.priority = PRIORITY_NONE;
  cpu.pcpu = NOBODY;
  block(cpu, now);
  let ringKeeper = -1;
  if (cpu.wakeTime < m.nextWake && mayRun(changetype<Domain>(<usize>cpu.domain))) {
    atomic.store<u64>(changetype<usize>(m), cpu.wakeTime, MachineOff.nextWake);
    if (m.timekeeper >= 0 && m.timekeeper != <i32>pcpu) ringKeeper = m.timekeeper;
  }
  unlockSched(m);
  if (ringKeeper >= 0) ringPcpu(<u32>ringKeeper);
}

/**
 * Sets where a vCPU may run, or with `soft` where it is to run by preference; false for a set without a pCPU that the
 * machine has. It moves at once when it is somewhere else.
 */
export function setAffinity(cpu: Vcpu, soft: bool, w0: u32, w1: u32, w2: u32, w3: u32): bool {
  const m = lockSched();
  const at = changetype<usize>(cpu) + (soft ? VcpuOff.softAffinity : VcpuOff.affinity);
  const some = hasPcpu(m, w0, w1, w2, w3);
  let idle = -1;
  if (some) {
    store<u32>(at, w0);
    store<u32>(at, w1, 4);
    store<u32>(at, w2, 8);
    store<u32>(at, w3, 12);
    const state = cpu.runState;
    if (state == VcpuRunState.RUNNING) signal(cpu, EventBit.STOP);
    else if (state == VcpuRunState.RUNNABLE) idle = findPcpu(m, cpu);
  }
  unlockSched(m);
  if (idle >= 0) ringPcpu(<u32>idle);
  return some;
}

function hasPcpu(m: Machine, w0: u32, w1: u32, w2: u32, w3: u32): bool {
  for (let i: u32 = 0; i < m.pcpus && i < SET_WORDS * 32; i++) {
    const word = i < 32 ? w0 : i < 64 ? w1 : i < 96 ? w2 : w3;
    if ((word >> (i & 31)) & 1) return true;
  }
  return false;
}
