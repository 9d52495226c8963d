/**
 * Waking vCPUs and the pCPUs that sleep. A vCPU that waits is woken by whoever set one of its event bits; it looks for
 * itself whether there is something to do and blocks again when there is not, so a wake too many is harmless.
 */
import { Domain, Machine, MachineOff, MAX_PCPUS, PcpuOff, Vcpu, VcpuOff, VcpuRunState } from "../gen/layout";
import { domainVcpu } from "../mem/domains";
import { pcpuOf } from "../mem/machine";
import { ring } from "../util/atomics";
import { NEVER } from "../util/host";
import { block, dropDomain, enqueue, lockSched, mayRun, unlockSched } from "./queue";

@inline
function runStateOf(cpu: Vcpu): u32 {
  return atomic.load<u32>(changetype<usize>(cpu), VcpuOff.runState);
}

/** Takes one sleeping pCPU out of the idle set: its number, -1 when none sleeps. With schedLock held. */
function takeIdle(m: Machine): i32 {
  const words = changetype<usize>(m) + MachineOff.idlePcpus;
  for (let i = 0; i < <i32>MAX_PCPUS / 32; i++) {
    const word = load<u32>(words + (i << 2));
    if (word == 0) continue;
    const bit = ctz(word);
    store<u32>(words + (i << 2), word & (word - 1));
    return (i << 5) + <i32>bit;
  }
  return -1;
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

/** Makes the vCPU run if it waits. Event bits must be set before. */
export function vcpuWake(cpu: Vcpu): void {
  if (runStateOf(cpu) != VcpuRunState.BLOCKED) return;
  const m = lockSched();
  let idle = -1;
  if (cpu.runState == VcpuRunState.BLOCKED && mayRun(changetype<Domain>(<usize>cpu.domain))) {
    enqueue(m, cpu);
    idle = takeIdle(m);
  }
  unlockSched(m);
  if (idle >= 0) ringPcpu(<u32>idle);
}

/** Sets EventBit `bits` and wakes the vCPU. */
export function vcpuKick(cpu: Vcpu, bits: u32): void {
  atomic.or<u32>(changetype<usize>(cpu), bits, VcpuOff.events);
  vcpuWake(cpu);
}

/** Wakes every vCPU of a domain, after unpause. */
export function wakeDomain(dom: Domain): void {
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) != 0) vcpuWake(cpu);
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

/** Wakes the blocked vCPUs whose timers are due and finds the next deadline. */
export function wakeDue(now: u64): void {
  const m = lockSched();
  let next = NEVER;
  let woken = 0;
  for (
    let d = changetype<Domain>(<usize>m.domainList);
    changetype<usize>(d) != 0;
    d = changetype<Domain>(<usize>d.next)
  ) {
    if (!mayRun(d)) continue;
    for (let i: u32 = 0; i < d.maxVcpus; i++) {
      const cpu = domainVcpu(d, i);
      if (changetype<usize>(cpu) == 0 || cpu.runState != VcpuRunState.BLOCKED) continue;
      if (cpu.wakeTime <= now) {
        enqueue(m, cpu);
        woken++;
      } else {
        next = min(next, cpu.wakeTime);
      }
    }
  }
  m.nextWake = next;
  // The caller takes one of them itself; sleepers help with the rest.
  while (--woken > 0) {
    const idle = takeIdle(m);
    if (idle < 0) break;
    ringPcpu(<u32>idle);
  }
  unlockSched(m);
}

/**
 * Blocks a vCPU that a pCPU just ran, until `cpu.wakeTime` or an event. An event set just before is not seen here: the
 * caller looks at the events again afterwards and wakes the vCPU itself.
 */
export function park(cpu: Vcpu, pcpu: u32): void {
  const m = lockSched();
  cpu.pcpu = <u32>-1;
  block(cpu);
  let ringKeeper = -1;
  if (cpu.wakeTime < m.nextWake && mayRun(changetype<Domain>(<usize>cpu.domain))) {
    m.nextWake = cpu.wakeTime;
    if (m.timekeeper >= 0 && m.timekeeper != <i32>pcpu) ringKeeper = m.timekeeper;
  }
  unlockSched(m);
  if (ringKeeper >= 0) ringPcpu(<u32>ringKeeper);
}
