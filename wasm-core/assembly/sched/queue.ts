/**
 * The run queues: for each Priority one list of runnable vCPUs for the whole machine, first come, first served, and one
 * more, number 0, of those whose domain has used up its cap. Everything here is called with Machine.schedLock held. Also
 * kept here, because every change of a vCPU's state passes by: the runstate clock.
 */
import {
  Domain,
  DomainState,
  Machine,
  MachineOff,
  Priority,
  RunState,
  Vcpu,
  VcpuOff,
  VcpuRunState,
  XenVcpu,
  XenVcpuOff,
} from "../gen/layout";
import { firstVcpu, nextVcpu } from "../mem/domains";
import { spinLock, spinUnlock } from "../util/atomics";
import { machine, machineTime } from "../util/host";
import { isAllowed, isPreferred } from "./affinity";

/** Where in its list a vCPU is put. */
export const AT_END: u32 = 0;
/** It has some of its timeslice left. */
export const AT_FRONT: u32 = 1;
/** It gives way to everybody, as it may be waiting for one of a lower priority. */
export const GIVING_WAY: u32 = 2;
const PARKED_LIST: u32 = 0;

export function lockSched(): Machine {
  const m = machine();
  spinLock(changetype<usize>(m) + MachineOff.schedLock);
  return m;
}

export function unlockSched(m: Machine): void {
  spinUnlock(changetype<usize>(m) + MachineOff.schedLock);
}

/** Whether the domain's vCPUs may run at all. */
export function mayRun(dom: Domain): bool {
  return dom.state == DomainState.LIVE && dom.pauseCount <= 0 && dom.shutdown == 0;
}

/** Enters a RunState: the time since the last change is booked on the old one. */
export function enterRunstate(cpu: Vcpu, state: u32, now: u64): void {
  const x = changetype<XenVcpu>(<usize>cpu.xen);
  const slot = changetype<usize>(x) + XenVcpuOff.runstateTime + ((<usize>x.runstate) << 3);
  // Another pCPU may have read the clock later and been here sooner.
  const at = max(now, x.runstateEntry);
  store<u64>(slot, load<u64>(slot) + (at - x.runstateEntry));
  x.runstateEntry = at;
  x.runstate = state;
  x.runstateStale = 1;
}

/** Puts a vCPU into the list of its priority. */
export function enqueue(m: Machine, cpu: Vcpu, place: u32, now: u64): void {
  link(m, cpu, place);
  // Atomic, like every change of it: what the vCPU stored is seen before it counts as not running.
  atomic.store<u32>(changetype<usize>(cpu), VcpuRunState.RUNNABLE, VcpuOff.runState);
  enterRunstate(cpu, RunState.RUNNABLE, now);
}

/** Whether a vCPU of that priority or a higher one waits for a pCPU, perhaps for another one. Needs no lock. */
@inline
export function waitsAtLeast(m: Machine, priority: u32): bool {
  return atomic.load<u32>(changetype<usize>(m), MachineOff.runMask) >> priority != 0;
}

/** Takes the first vCPU for a pCPU, the highest priority first; null when there is none. */
export function dequeue(m: Machine, pcpu: u32, now: u64): Vcpu {
  for (let list: u32 = Priority.BOOST; list >= Priority.OVER; list--) {
    if (((m.runMask >> list) & 1) == 0) continue;
    const cpu = findFor(m, list, pcpu, now);
    if (changetype<usize>(cpu) != 0) {
      unlink(m, list, cpu);
      return cpu;
    }
  }
  return changetype<Vcpu>(0);
}

/** The first of a list that may run on the pCPU, one that prefers it if there is one. Those of paused domains leave, blocked. */
function findFor(m: Machine, list: u32, pcpu: u32, now: u64): Vcpu {
  let second = changetype<Vcpu>(0);
  let cpu = changetype<Vcpu>(<usize>headOf(m, list));
  while (changetype<usize>(cpu) != 0) {
    const next = changetype<Vcpu>(<usize>cpu.next);
    if (!mayRun(changetype<Domain>(<usize>cpu.domain))) {
      unlink(m, list, cpu);
      block(cpu, now);
    } else if (isAllowed(cpu, pcpu)) {
      if (isPreferred(cpu, pcpu)) return cpu;
      if (changetype<usize>(second) == 0) second = cpu;
    }
    cpu = next;
  }
  return second;
}

/** Marks a vCPU blocked that is in no queue. */
export function block(cpu: Vcpu, now: u64): void {
  atomic.store<u32>(changetype<usize>(cpu), VcpuRunState.BLOCKED, VcpuOff.runState);
  enterRunstate(cpu, cpu.online ? RunState.BLOCKED : RunState.OFFLINE, now);
}

/** Removes the vCPUs of one domain from the queues, blocked. */
export function dropDomain(m: Machine, dom: Domain): void {
  const now = machineTime();
  for (let list: u32 = PARKED_LIST; list <= Priority.BOOST; list++) {
    let cpu = takeList(m, list);
    while (changetype<usize>(cpu) != 0) {
      const next = changetype<Vcpu>(<usize>cpu.next);
      if (cpu.domain == <u32>changetype<usize>(dom)) {
        cpu.next = 0;
        block(cpu, now);
      } else append(m, list, cpu);
      cpu = next;
    }
  }
}

/** After priorities were changed: puts everybody into the right list, in the order in which they were. */
export function sortQueues(m: Machine): void {
  const boosted = takeList(m, Priority.BOOST);
  const under = takeList(m, Priority.UNDER);
  const over = takeList(m, Priority.OVER);
  const parked = takeList(m, PARKED_LIST);
  linkAll(m, boosted);
  linkAll(m, under);
  linkAll(m, over);
  linkAll(m, parked);
}

function linkAll(m: Machine, cpu: Vcpu): void {
  while (changetype<usize>(cpu) != 0) {
    const next = changetype<Vcpu>(<usize>cpu.next);
    link(m, cpu, AT_END);
    cpu = next;
  }
}

/** Makes the queues anew from what the vCPUs say of themselves, after whoever changed them died doing so. */
export function rebuildQueue(m: Machine): void {
  const all = changetype<Domain>(0);
  for (let list: u32 = PARKED_LIST; list <= Priority.BOOST; list++) setList(m, list, 0, 0);
  m.runMask = 0;
  m.runCount = 0;
  for (let cpu = firstVcpu(all); changetype<usize>(cpu) != 0; cpu = nextVcpu(cpu, all)) {
    if (cpu.priority < Priority.OVER || cpu.priority > Priority.BOOST) cpu.priority = Priority.UNDER;
    if (cpu.runState == VcpuRunState.RUNNABLE) link(m, cpu, AT_END);
  }
}

/** Whether some vCPU waits until its domain may run again. */
@inline
export function hasParked(m: Machine): bool {
  return headOf(m, PARKED_LIST) != 0;
}

// --- lists

@inline
export function headOf(m: Machine, list: u32): u32 {
  return load<u32>(changetype<usize>(m) + (list << 2), MachineOff.runHead);
}

function setList(m: Machine, list: u32, head: u32, tail: u32): void {
  store<u32>(changetype<usize>(m) + (list << 2), head, MachineOff.runHead);
  store<u32>(changetype<usize>(m) + (list << 2), tail, MachineOff.runTail);
}

/** Sets or clears the list's bit of Machine.runMask, at which others look without the lock. */
function noteList(m: Machine, list: u32): void {
  if (list == PARKED_LIST) return;
  const bit: u32 = 1 << list;
  const mask = headOf(m, list) != 0 ? m.runMask | bit : m.runMask & ~bit;
  atomic.store<u32>(changetype<usize>(m), mask, MachineOff.runMask);
}

/** Empties a list: its first vCPU, linked through Vcpu.next. */
function takeList(m: Machine, list: u32): Vcpu {
  const first = changetype<Vcpu>(<usize>headOf(m, list));
  for (let cpu = first; changetype<usize>(cpu) != 0; cpu = changetype<Vcpu>(<usize>cpu.next)) m.runCount -= 1;
  setList(m, list, 0, 0);
  noteList(m, list);
  return first;
}

function link(m: Machine, cpu: Vcpu, place: u32): void {
  const list = cpu.parked ? PARKED_LIST : cpu.priority;
  // Whoever keeps the time has to give out credits, when all pCPUs are idle.
  if (cpu.parked) atomic.store<u64>(changetype<usize>(m), min(m.nextWake, m.accountAt), MachineOff.nextWake);
  if (place == AT_FRONT) insertAfter(m, list, 0, cpu);
  else append(m, place == GIVING_WAY && !cpu.parked ? Priority.OVER : list, cpu);
}

function append(m: Machine, list: u32, cpu: Vcpu): void {
  insertAfter(m, list, load<u32>(changetype<usize>(m) + (list << 2), MachineOff.runTail), cpu);
}

/** Puts the vCPU behind `before`, at the front when that is 0. */
function insertAfter(m: Machine, list: u32, before: u32, cpu: Vcpu): void {
  const self = <u32>changetype<usize>(cpu);
  const head = headOf(m, list);
  const tail = load<u32>(changetype<usize>(m) + (list << 2), MachineOff.runTail);
  cpu.next = before == 0 ? head : changetype<Vcpu>(<usize>before).next;
  if (before != 0) changetype<Vcpu>(<usize>before).next = self;
  setList(m, list, before == 0 ? self : head, before == tail ? self : tail);
  m.runCount += 1;
  noteList(m, list);
}

function unlink(m: Machine, list: u32, cpu: Vcpu): void {
  let before: u32 = 0;
  let at = headOf(m, list);
  while (at != <u32>changetype<usize>(cpu)) {
    before = at;
    at = changetype<Vcpu>(<usize>at).next;
  }
  const tail = load<u32>(changetype<usize>(m) + (list << 2), MachineOff.runTail);
  if (before != 0) changetype<Vcpu>(<usize>before).next = cpu.next;
  setList(m, list, before == 0 ? cpu.next : headOf(m, list), tail == at ? before : tail);
  cpu.next = 0;
  m.runCount -= 1;
  noteList(m, list);
}
