/** On which pCPUs a vCPU may run, and on which it is to run by preference: a bit each. [XEN] xl vcpu-pin */
import { Machine, MachineOff, Vcpu, VcpuOff } from "../gen/layout";

/** Words of a set of pCPUs. */
export const SET_WORDS: u32 = 4;

@inline
function has(set: usize, pcpu: u32): bool {
  return ((load<u32>(set + (((<usize>pcpu) >> 5) << 2)) >> (pcpu & 31)) & 1) != 0;
}

/** Whether the vCPU may run there. */
@inline
export function isAllowed(cpu: Vcpu, pcpu: u32): bool {
  return has(changetype<usize>(cpu) + VcpuOff.affinity, pcpu);
}

/** Whether it is to run there by preference. */
@inline
export function isPreferred(cpu: Vcpu, pcpu: u32): bool {
  return has(changetype<usize>(cpu) + VcpuOff.softAffinity, pcpu);
}

/** Every pCPU, for a new vCPU. */
export function resetAffinity(cpu: Vcpu): void {
  memory.fill(changetype<usize>(cpu) + VcpuOff.affinity, 0xff, SET_WORDS * 4);
  memory.fill(changetype<usize>(cpu) + VcpuOff.softAffinity, 0xff, SET_WORDS * 4);
}

/** The pCPU of the idle ones on which the vCPU runs best: where it ran last, where it prefers to; -1 when none is idle. */
export function bestIdle(m: Machine, cpu: Vcpu): i32 {
  const idle = changetype<usize>(m) + MachineOff.idlePcpus;
  const last = cpu.lastPcpu;
  if (last < m.pcpus && has(idle, last) && isAllowed(cpu, last) && isPreferred(cpu, last)) return <i32>last;
  const affinity = changetype<usize>(cpu) + VcpuOff.affinity;
  const soft = changetype<usize>(cpu) + VcpuOff.softAffinity;
  let other = -1;
  for (let i: u32 = 0; i < SET_WORDS; i++) {
    const at = (<usize>i) << 2;
    const may = load<u32>(idle + at) & load<u32>(affinity + at);
    if (may == 0) continue;
    const wants = may & load<u32>(soft + at);
    if (wants != 0) return <i32>((i << 5) + ctz(wants));
    if (other < 0) other = <i32>((i << 5) + ctz(may));
  }
  return other;
}
