/**
 * A pCPU's turn: take the next runnable vCPU, run it for a slice, put it back; with nothing to run, say so and for how
 * long. A slice is cut into ticks of about a millisecond, measured in instructions by the pCPU's observed rate, so that
 * timers fire on time without a clock in the run loop.
 */
import {
  BlockMode,
  CrashReason,
  EventBit,
  ExitReason,
  MachineOff,
  Pcpu,
  PcpuExit,
  RunState,
  Vcpu,
  VcpuOff,
  VcpuRunState,
} from "../gen/layout";
import { Flag } from "../cpu/flags";
import { domainCrash, domainOfVcpu, notifyDomain0 } from "../mem/domains";
import { pcpuOf } from "../mem/machine";
import { runVcpu } from "./run";
import { hostTime, machine, machineTime, NEVER, NS_PER_INSTRUCTION } from "../util/host";
import { xenOf } from "../xen/evtchn/upcall";
import { writeRunstate } from "../xen/runstate";
import { endPoll, fireTimers, isPolling, nextDeadline } from "../xen/timers";
import { dequeue, enqueue, enterRunstate, lockSched, mayRun, unlockSched } from "../sched/queue";
import { park, setIdle, vcpuWake, wakeDue } from "../sched/wake";

const TICK_NS: u64 = 1_000_000;
const SLICE_NS: u64 = 4_000_000;
/** Longest time without a return to the worker's event loop. */
const TURN_NS: u64 = 5_000_000;
const MIN_BUDGET: u64 = 500;
const MAX_BUDGET: u64 = 4_000_000;
/** A measurement needs this much host time to mean something. */
const MEASURE_NS: u64 = 50_000;
const WAKING: u32 = EventBit.NMI | EventBit.INIT | EventBit.SIPI | EventBit.MCE;

/** Runs vCPUs until none is left or the turn is over. A PcpuExit. */
export function pcpuRun(id: u32): u32 {
  const p = pcpuOf(id);
  const m = machine();
  const start = hostTime();
  if (m.deterministic) skipIdleTime(id);
  while (true) {
    if (machineTime() >= nextWake()) wakeDue(machineTime());
    const cpu = take(p);
    if (changetype<usize>(cpu) == 0) return PcpuExit.IDLE;
    slice(p, cpu);
    if (m.deterministic || hostTime() - start >= TURN_NS) return PcpuExit.AGAIN;
  }
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
  if (m.runHead == 0 && m.timekeeper == <i32>id && nextWake() != NEVER) m.virtualNs = max(m.virtualNs, nextWake());
}

/** The next vCPU, now this pCPU's; null when there is none and the pCPU counts as idle. */
function take(p: Pcpu): Vcpu {
  const m = lockSched();
  const cpu = dequeue(m);
  if (changetype<usize>(cpu) == 0) {
    setIdle(m, p.id, true);
    if (m.timekeeper < 0) m.timekeeper = p.id;
  } else {
    setIdle(m, p.id, false);
    if (m.timekeeper == <i32>p.id) m.timekeeper = -1;
    cpu.pcpu = p.id;
    atomic.store<u32>(changetype<usize>(cpu), VcpuRunState.RUNNING, VcpuOff.runState);
    enterRunstate(cpu, RunState.RUNNING);
  }
  unlockSched(m);
  return cpu;
}

/** Runs one vCPU until its slice is over or it waits, and puts it where it belongs. */
function slice(p: Pcpu, cpu: Vcpu): void {
  const start = machineTime();
  const dom = domainOfVcpu(cpu);
  let now = start;
  const x = xenOf(cpu);
  fireTimers(cpu, now);
  x.yielded = 0;
  p.current = <u32>changetype<usize>(cpu);
  cpu.regionsAt = p.regionsAt;
  if (x.runstateSet) writeRunstate(cpu);
  // A vCPU that waits for SIPI enters the run loop only to take it.
  let again = !cpu.waitForSipi || shouldRun(cpu);
  while (again) {
    endWait(cpu);
    tick(p, cpu, now);
    const reason = cpu.exitReason;
    now = machineTime();
    fireTimers(cpu, now);
    again = goesOn(cpu, reason) && now - start < SLICE_NS && x.yielded == 0 && mayRun(dom);
    if (again && now >= nextWake()) wakeDue(now);
  }
  leave(p, cpu);
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

/** Enters the run loop once, for a tick at most. */
function tick(p: Pcpu, cpu: Vcpu, now: u64): void {
  const m = machine();
  const left = cpu.wakeTime > now ? min(cpu.wakeTime - now, TICK_NS) : 0;
  const instructions = m.deterministic ? left / NS_PER_INSTRUCTION : (left * p.rate) / 1000;
  cpu.budget = <i32>min(max(instructions, MIN_BUDGET), MAX_BUDGET);
  const before = cpu.icount + cpu.repeats;
  p.sliceWork = before;
  const t0 = hostTime();
  cpu.exitReason = runVcpu(cpu);
  const spent = hostTime() - t0;
  const retired = cpu.icount + cpu.repeats - before;
  if (m.deterministic) m.virtualNs += retired * NS_PER_INSTRUCTION;
  p.sliceWork = before + retired;
  p.slices += 1;
  p.busyNs += spent;
  cpu.cpuNs += (spent * p.cpuShare) >> 16;
  if (spent >= MEASURE_NS && retired >= 1000) {
    p.rate = <u32>max<u64>((<u64>p.rate * 3 + (retired * 1000) / spent) / 4, 1);
  }
  atomic.and<u32>(changetype<usize>(cpu), ~(<u32>EventBit.STOP), VcpuOff.events);
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

/** The vCPU leaves the pCPU: to the queue when it can run, else to wait. */
function leave(p: Pcpu, cpu: Vcpu): void {
  const dom = domainOfVcpu(cpu);
  p.current = 0;
  nextDeadline(cpu);
  if (shouldRun(cpu) && mayRun(dom)) {
    const m = lockSched();
    cpu.pcpu = 0xffffffff;
    enqueue(m, cpu);
    unlockSched(m);
    return;
  }
  park(cpu, p.id);
  // From here on wakers see it blocked. Whatever was set just before is seen here.
  if (!mayRun(dom)) notifyDomain0();
  else if (shouldRun(cpu)) vcpuWake(cpu);
}
