/**
 * The run queue: one list of runnable vCPUs for the whole machine, first come, first served. Everything here is called
 * with Machine.schedLock held. Also kept here, because every change of a vCPU's state passes by: the runstate clock.
 */
import {
  Domain,
  DomainState,
  Machine,
  MachineOff,
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
export function enterRunstate(cpu: Vcpu, state: u32): void {
  const x = changetype<XenVcpu>(<usize>cpu.xen);
  const now = machineTime();
  const slot = changetype<usize>(x) + XenVcpuOff.runstateTime + ((<usize>x.runstate) << 3);
  store<u64>(slot, load<u64>(slot) + (now - x.runstateEntry));
  x.runstateEntry = now;
  x.runstate = state;
  x.runstateStale = 1;
}

/** Puts a vCPU at the end of the queue. */
export function enqueue(m: Machine, cpu: Vcpu): void {
  cpu.next = 0;
  append(m, cpu);
  // Atomic, like every change of it: what the vCPU stored is seen before it counts as not running.
  atomic.store<u32>(changetype<usize>(cpu), VcpuRunState.RUNNABLE, VcpuOff.runState);
  enterRunstate(cpu, RunState.RUNNABLE);
}

/** Takes the first vCPU whose domain may run; those of paused domains leave the queue blocked. Null when there is none. */
export function dequeue(m: Machine): Vcpu {
  while (true) {
    const cpu = changetype<Vcpu>(<usize>m.runHead);
    if (changetype<usize>(cpu) == 0) return cpu;
    m.runHead = cpu.next;
    if (cpu.next == 0) m.runTail = 0;
    m.runCount -= 1;
    cpu.next = 0;
    if (mayRun(changetype<Domain>(<usize>cpu.domain))) return cpu;
    block(cpu);
  }
}

/** Marks a vCPU blocked that is in no queue. */
export function block(cpu: Vcpu): void {
  atomic.store<u32>(changetype<usize>(cpu), VcpuRunState.BLOCKED, VcpuOff.runState);
  enterRunstate(cpu, cpu.online ? RunState.BLOCKED : RunState.OFFLINE);
}

/** Removes the vCPUs of one domain from the queue, blocked. */
export function dropDomain(m: Machine, dom: Domain): void {
  let cpu = changetype<Vcpu>(<usize>m.runHead);
  m.runHead = 0;
  m.runTail = 0;
  m.runCount = 0;
  while (changetype<usize>(cpu) != 0) {
    const next = changetype<Vcpu>(<usize>cpu.next);
    cpu.next = 0;
    if (cpu.domain == <u32>changetype<usize>(dom)) block(cpu);
    else append(m, cpu);
    cpu = next;
  }
}

/** Makes the queue anew from what the vCPUs say of themselves, after whoever changed it died doing so. */
export function rebuildQueue(m: Machine): void {
  const all = changetype<Domain>(0);
  m.runHead = 0;
  m.runTail = 0;
  m.runCount = 0;
  for (let cpu = firstVcpu(all); changetype<usize>(cpu) != 0; cpu = nextVcpu(cpu, all)) {
    cpu.next = 0;
    if (cpu.runState == VcpuRunState.RUNNABLE) append(m, cpu);
  }
}

function append(m: Machine, cpu: Vcpu): void {
  const tail = changetype<Vcpu>(<usize>m.runTail);
  if (changetype<usize>(tail) == 0) m.runHead = <u32>changetype<usize>(cpu);
  else tail.next = <u32>changetype<usize>(cpu);
  m.runTail = <u32>changetype<usize>(cpu);
  m.runCount += 1;
}
