/**
 * A pCPU's turn: take the next runnable vCPU, run it for a slice, put it back; with nothing to run, say so and for how
 * long. A slice is cut into ticks of about a millisecond, measured in instructions by the pCPU's observed rate,
 * so that timers fire on time without a clock in the run loop. Which vCPU comes next is sched/'s business.
 */
import {
  BlockMode,
  CrashReason,
  EventBit,
  ExitReason,
  Machine,
  MachineOff,
  Pcpu,
  PcpuExit,
  Priority,
  PRIORITY_NONE,
  RunState,
  Vcpu,
  VcpuOff,
  VcpuRunState,
} from "../gen/layout";
import { Flag } from "../cpu/flags";
import { domainCrash, domainOfVcpu, goneDown, notifyDomain0 } from "../mem/domains";
import { pcpuOf } from "../mem/machine";
import { allowRegions } from "../jit/allow";
import { runVcpu } from "./run";
import { machine, machineTime, NEVER, NS_PER_INSTRUCTION } from "../util/host";
import { xenOf } from "../xen/evtchn/upcall";
import { writeRunstate } from "../xen/runstate";
import { endPoll, fireTimers, isPolling, nextDeadline } from "../xen/timers";
import { isAllowed } from "../sched/affinity";
import { accountIfDue, BOOST_NS, charge, endBoost } from "../sched/credit";
import {
  AT_END,
  AT_FRONT,
  dequeue,
  enqueue,
  enterRunstate,
  GIVING_WAY,
  hasParked,
  lockSched,
  mayRun,
  unlockSched,
  waitsAtLeast,
} from "../sched/queue";
import { findIdle, findPcpu, park, ringPcpu, setIdle, spread, vcpuWake, wakeDue } from "../sched/wake";

const TICK_NS: u64 = 1_000_000;
/** Longest time without a return to the worker's event loop. */
const TURN_NS: u64 = 5_000_000;
const MIN_BUDGET: u64 = 500;
/** More would last for too long where the code is suddenly slow, as the interpreter is at what has never run. */
const MAX_BUDGET: u64 = 400_000;
/** A measurement needs this much host time to mean something. */
const MEASURE_NS: u64 = 50_000;
const WAKING: u32 = EventBit.NMI | EventBit.INIT | EventBit.SIPI | EventBit.MCE;

/** Runs vCPUs until none is left or the turn is over. A PcpuExit. */
export function pcpuRun(id: u32): u32 {
  const p = pcpuOf(id);
  const m = machine();
  if (m.deterministic) skipIdleTime(id);
  // The clock is read once a tick: what a vCPU that spins costs is mostly this.
  const start = machineTime();
  let now = start;
  while (true) {
    keepTime(m, now, id);
    const cpu = take(p, now);
    if (changetype<usize>(cpu) == 0) return PcpuExit.IDLE;
    now = slice(p, cpu, now);
    if (m.deterministic || now - start >= TURN_NS) return PcpuExit.AGAIN;
  }
}

/** What is due for the whole machine: vCPUs whose timers have come, and credits. */
function keepTime(m: Machine, now: u64, id: u32): void {
  if (now >= nextWake()) wakeDue(now, id);
  if (accountIfDue(m, now)) spread();
}

/** Nanoseconds until this pCPU must look again: only one sleeper keeps the time for all. */
export function pcpuIdleNs(id: u32): f64 {
  const m = machine();
  const at = nextWake();
  if (at == NEVER || m.timekeeper != <i32>id) return Infinity;
  const now = machineTime();
  return m.deterministic || at <= now ? 0 : <f64>(at - now);
}

@inline
function nextWake(): u64 {
  return atomic.load<u64>(changetype<usize>(machine()), MachineOff.nextWake);
}

/** Deterministic mode: with nothing to run, time jumps to the next timer when the pCPU is called again. */
function skipIdleTime(id: u32): void {
  const m = machine();
  if (m.runMask == 0 && m.timekeeper == <i32>id && nextWake() != NEVER) m.virtualNs = max(m.virtualNs, nextWake());
}

/** The next vCPU, now this pCPU's; null when there is none and the pCPU counts as idle. */
function take(p: Pcpu, now: u64): Vcpu {
  const m = lockSched();
  const cpu = dequeue(m, p.id, now);
  if (changetype<usize>(cpu) == 0) {
    p.priority = PRIORITY_NONE;
    setIdle(m, p.id, true);
    // With somebody waiting for credit the keeper may sleep for too long: it does not know of that.
    if (m.timekeeper < 0 || hasParked(m)) m.timekeeper = p.id;
  } else {
    setIdle(m, p.id, false);
    if (m.timekeeper == <i32>p.id) m.timekeeper = -1;
    if (cpu.sliceLeft <= 0) cpu.sliceLeft = <i64>m.timeslice;
    cpu.sharing = 1;
    cpu.pcpu = p.id;
    cpu.lastPcpu = p.id;
    p.priority = cpu.priority;
    p.sliceWork = cpu.icount + cpu.repeats;
    p.current = <u32>changetype<usize>(cpu);
    atomic.store<u32>(changetype<usize>(cpu), VcpuRunState.RUNNING, VcpuOff.runState);
    enterRunstate(cpu, RunState.RUNNING, now);
  }
  unlockSched(m);
  return cpu;
}

/** Runs one vCPU until its slice or the turn is over or it waits, and puts it where it belongs. The time when it left. */
function slice(p: Pcpu, cpu: Vcpu, start: u64): u64 {
  const m = machine();
  let now = start;
  const x = xenOf(cpu);
  fireTimers(cpu, now);
  x.yielded = 0;
  allowRegions(p, cpu);
  if (x.runstateSet) writeRunstate(cpu);
  // A vCPU that waits for SIPI enters the run loop only to take it.
  let again = !cpu.waitForSipi || shouldRun(cpu);
  while (again) {
    endWait(cpu);
    const before = now;
    now = tick(p, cpu, before);
    const reason = cpu.exitReason;
    charge(cpu, now - before);
    fireTimers(cpu, now);
    keepTime(m, now, p.id);
    again = goesOn(cpu, reason) && now - start < TURN_NS && mayStay(m, p, cpu);
  }
  leave(p, cpu, now);
  return now;
}

/** Whether the vCPU may keep the pCPU, as far as others are concerned. */
function mayStay(m: Machine, p: Pcpu, cpu: Vcpu): bool {
  if (xenOf(cpu).yielded || cpu.parked || !mayRun(domainOfVcpu(cpu)) || !isAllowed(cpu, p.id)) return false;
  if (cpu.sliceLeft <= 0) {
    if (waitsAtLeast(m, Priority.OVER)) return false;
    cpu.sliceLeft = <i64>m.timeslice;
  }
  if (<i64>m.timeslice - cpu.sliceLeft >= BOOST_NS) endBoost(cpu);
  return !waitsAtLeast(m, cpu.priority + 1);
}

/** A vCPU that goes on waits no more, also when what ended its wait came before it left its pCPU. */
function endWait(cpu: Vcpu): void {
  const x = xenOf(cpu);
  if (x.block == BlockMode.POLL) endPoll(cpu);
  x.block = BlockMode.NONE;
}

/** What a reason to leave means for the vCPU: true when it could run on. */
function goesOn(cpu: Vcpu, reason: u32): bool {
  switch (reason) {
    case ExitReason.TRIPLE_FAULT:
      domainCrash(domainOfVcpu(cpu), CrashReason.TRIPLE_FAULT);
      return false;
    case ExitReason.INTERNAL:
      domainCrash(domainOfVcpu(cpu), CrashReason.INTERNAL);
      return false;
    default:
      return shouldRun(cpu);
  }
}

/** Enters the run loop once, for a tick at most. The time afterwards. */
function tick(p: Pcpu, cpu: Vcpu, now: u64): u64 {
  const m = machine();
  const until = min(cpu.wakeTime, nextWake());
  const left = until > now ? min(until - now, TICK_NS) : 0;
  const instructions = m.deterministic ? left / NS_PER_INSTRUCTION : (left * p.rate) / 1000;
  cpu.budget = <i32>min(max(instructions, MIN_BUDGET), MAX_BUDGET);
  const before = cpu.icount + cpu.repeats;
  p.sliceWork = before;
  const reason = runVcpu(cpu);
  // A processor that shut down with the last of its budget says so here.
  if (cpu.exitReason != ExitReason.TRIPLE_FAULT) cpu.exitReason = reason;
  const retired = cpu.icount + cpu.repeats - before;
  if (m.deterministic) m.virtualNs += retired * NS_PER_INSTRUCTION;
  p.sliceWork = before + retired;
  const after = machineTime();
  const spent = after - now;
  p.slices += 1;
  p.busyNs += spent;
  cpu.cpuNs += (spent * p.cpuShare) >> 16;
  gauge(p, spent, retired);
  atomic.and<u32>(changetype<usize>(cpu), ~(<u32>EventBit.STOP), VcpuOff.events);
  return after;
}

/** Measures the rate, over as many ticks as it takes: those of a rate that is too low are short. */
function gauge(p: Pcpu, spent: u64, retired: u64): void {
  p.gaugeNs += spent;
  p.gaugeWork += retired;
  if (p.gaugeNs < MEASURE_NS) return;
  if (p.gaugeWork >= 1000) {
    // Down at once, so that a tick of slower code is not long; up by and by.
    const rate = (p.gaugeWork * 1000) / p.gaugeNs;
    p.rate = <u32>max<u64>(min(rate, (<u64>p.rate * 3 + rate) / 4), 1);
  }
  p.gaugeNs = 0;
  p.gaugeWork = 0;
}

/** Whether the vCPU has something to do, by its own state and its event bits. */
function shouldRun(cpu: Vcpu): bool {
  const events = atomic.load<u32>(changetype<usize>(cpu), VcpuOff.events);
  if (cpu.waitForSipi) return (events & (EventBit.INIT | EventBit.SIPI)) != 0;
  if ((events & WAKING) != 0) return true;
  const mode = xenOf(cpu).block;
  if (mode == BlockMode.POLL) return !isPolling(cpu) || (events & EventBit.INTERRUPT) != 0;
  if (mode == BlockMode.BLOCK) return (events & EventBit.INTERRUPT) != 0;
  if (!cpu.halted && !cpu.mwait) return true;
  // With interrupts off nothing but the events above ends a HLT; MWAIT may end on a masked interrupt.
  return (events & EventBit.INTERRUPT) != 0 && (cpu.mwait != 0 || (cpu.eflags & Flag.IF) != 0);
}

/** As in Xen, a processor that halts with interrupts off has gone down. */
@inline
function isDown(cpu: Vcpu): bool {
  return cpu.waitForSipi != 0 || (cpu.halted != 0 && (cpu.eflags & Flag.IF) == 0);
}

/** A write may still end an MWAIT, and events that cannot be held off a HLT. */
function goDown(cpu: Vcpu): void {
  if (cpu.mwait || shouldRun(cpu)) cpu.online = 0;
  else goneDown(domainOfVcpu(cpu), cpu);
}

/** The vCPU leaves the pCPU: to the queue when it can run, else to wait. */
function leave(p: Pcpu, cpu: Vcpu, now: u64): void {
  const dom = domainOfVcpu(cpu);
  if (!isDown(cpu)) cpu.online = 1;
  else if (cpu.online) goDown(cpu);
  nextDeadline(cpu);
  if (shouldRun(cpu) && mayRun(dom)) {
    requeue(p, cpu, now);
    return;
  }
  endBoost(cpu);
  park(cpu, p.id, now);
  // From here on wakers see it blocked. Whatever was set just before is seen here.
  if (!mayRun(dom)) notifyDomain0();
  else if (shouldRun(cpu)) vcpuWake(cpu);
}

/** Back to the queue: to its front with what is left of the slice. */
function requeue(p: Pcpu, cpu: Vcpu, now: u64): void {
  const yielded = xenOf(cpu).yielded != 0;
  const over = cpu.sliceLeft <= 0;
  if (yielded || over) {
    endBoost(cpu);
    cpu.sliceLeft = 0;
  }
  const m = lockSched();
  p.current = 0;
  p.priority = PRIORITY_NONE;
  cpu.pcpu = 0xffffffff;
  enqueue(m, cpu, yielded ? GIVING_WAY : over ? AT_END : AT_FRONT, now);
  // This pCPU looks into the queue next: another is needed for what it may not take, and when others wait that it may take first.
  const other = !isAllowed(cpu, p.id) ? findPcpu(m, cpu) : m.runCount > 1 ? findIdle(m, cpu) : -1;
  unlockSched(m);
  if (other >= 0) ringPcpu(<u32>other);
}
