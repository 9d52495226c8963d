/**
 * The timers of a vCPU: one-shot and periodic of vcpu_op and set_timer_op, the end of a poll, the local APIC's. They
 * fire on the pCPU that has the vCPU; a vCPU that waits is woken at cpu.wakeTime for them.
 */
import { BlockMode, Domain, DomainStat, DomainOff, Vcpu, VcpuOff, Virq } from "../gen/layout";
import { lapicTimerDeadline, lapicTimerFire } from "../irq/lapic";
import { count, domainOfVcpu } from "../mem/domains";
import { machineTime, NEVER } from "../util/host";
import { raiseVirq } from "./evtchn/channel";
import { xenOf } from "./evtchn/upcall";
import { platformDeadline, platformFire } from "../bus";
import { watchdogDeadline, watchdogFire } from "./watchdog";

/** The earliest of the timers that vCPU 0 keeps for the whole domain. */
function domainDeadline(dom: Domain): u64 {
  return min(platformDeadline(dom), watchdogDeadline(dom));
}

/** Computes and keeps the vCPU's earliest deadline. */
export function nextDeadline(cpu: Vcpu): u64 {
  const x = xenOf(cpu);
  let at = min(x.singleshot, x.pollDeadline);
  if (x.periodic != 0) at = min(at, x.periodicNext);
  at = min(at, lapicTimerDeadline(cpu));
  if (cpu.id == 0) {
    // A device that is set on another pCPU from here on makes this vCPU look again; one set before is found now.
    atomic.store<u64>(changetype<usize>(cpu), NEVER, VcpuOff.wakeTime);
    at = min(at, domainDeadline(domainOfVcpu(cpu)));
  }
  cpu.wakeTime = at;
  return at;
}

/** Fires whatever is due and returns the next deadline. The caller has the vCPU. */
export function fireTimers(cpu: Vcpu, now: u64): u64 {
  if (nextDeadline(cpu) > now) return cpu.wakeTime;
  const x = xenOf(cpu);
  const dom = domainOfVcpu(cpu);
  let due = false;
  if (x.singleshot <= now) {
    x.singleshot = NEVER;
    due = true;
  }
  if (x.periodic != 0 && x.periodicNext <= now) {
    // Periods missed while the vCPU did not run collapse into one event.
    x.periodicNext += ((now - x.periodicNext) / x.periodic + 1) * x.periodic;
    due = true;
  }
  if (due) {
    count(dom, DomainStat.TIMER_FIRES);
    raiseVirq(dom, cpu.id, Virq.TIMER);
  }
  if (x.pollDeadline <= now) endPoll(cpu);
  if (lapicTimerDeadline(cpu) <= now) lapicTimerFire(cpu);
  if (cpu.id == 0) {
    if (platformDeadline(dom) <= now) platformFire(dom);
    if (watchdogDeadline(dom) <= now) watchdogFire(dom, now);
  }
  return nextDeadline(cpu);
}

/** Address of the word of Domain.pollers with this vCPU's bit. */
@inline
function pollWord(cpu: Vcpu): usize {
  return <usize>cpu.domain + DomainOff.pollers + (((<usize>cpu.id) >> 5) << 2);
}

/** Marks the vCPU as polling, before it looks at the ports. */
export function beginPoll(cpu: Vcpu, port: u32, deadline: u64): void {
  const x = xenOf(cpu);
  x.pollPort = port;
  x.pollDeadline = deadline;
  x.block = BlockMode.POLL;
  atomic.or<u32>(pollWord(cpu), (<u32>1) << (cpu.id & 31));
}

/** True until a port, an event or the deadline ended the poll. */
export function isPolling(cpu: Vcpu): bool {
  return (atomic.load<u32>(pollWord(cpu)) & ((<u32>1) << (cpu.id & 31))) != 0;
}

export function endPoll(cpu: Vcpu): void {
  const x = xenOf(cpu);
  atomic.and<u32>(pollWord(cpu), ~((<u32>1) << (cpu.id & 31)));
  x.pollDeadline = NEVER;
  x.block = BlockMode.NONE;
}

/** Sets the one-shot timer. The tick that runs was cut for the old deadline, so it ends. */
export function setSingleshot(cpu: Vcpu, deadline: u64): void {
  xenOf(cpu).singleshot = deadline;
  if (deadline != NEVER) cpu.budget = 0;
}

/** Starts the periodic timer, or stops it with 0. */
export function setPeriodic(cpu: Vcpu, period: u64): void {
  const x = xenOf(cpu);
  x.periodic = period;
  x.periodicNext = machineTime() + period;
  if (period != 0) cpu.budget = 0;
}
