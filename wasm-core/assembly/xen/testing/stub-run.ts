/**
 * Stand-in for run: a guest that spends its whole budget, or that halts at once when bit 0 of RBX is set, or polls first
 * when RBX is 4, and has an interrupt raised before it has left the run loop. When RBX is 6 it shuts down with the last
 * of its budget. Pending upcalls are taken (upcall_pending cleared) when interrupts are on, and counted in R15.
 */
import { EventBit, ExitReason, Vcpu, VcpuInfoOff, VcpuOff, XenVcpu } from "../gen/layout";
import { NEVER } from "../util/host";
import { POLL_MANY } from "../xen/evtchn/upcall";
import { beginPoll } from "../xen/timers";

const RBX: usize = 24;
const R15: usize = 120;

export function runVcpu(cpu: Vcpu): u32 {
  const self = changetype<usize>(cpu);
  const events = atomic.load<u32>(self, VcpuOff.events);
  if ((events & EventBit.STOP) != 0) return ExitReason.STOP;
  if ((events & EventBit.SIPI) != 0) {
    atomic.and<u32>(self, ~(<u32>EventBit.SIPI), VcpuOff.events);
    cpu.waitForSipi = 0;
    cpu.online = 1;
  }
  if (cpu.waitForSipi) return ExitReason.HALT;
  if ((events & EventBit.INTERRUPT) != 0) {
    atomic.and<u32>(self, ~(<u32>EventBit.INTERRUPT), VcpuOff.events);
    const x = changetype<XenVcpu>(<usize>cpu.xen);
    if ((cpu.eflags & 0x200) != 0 && atomic.xchg<u8>(<usize>x.info, 0, VcpuInfoOff.upcallPending) != 0) {
      store<u64>(self + R15, load<u64>(self + R15) + 1);
      cpu.halted = 0;
    }
  }
  if (load<u64>(self + RBX) == 4) {
    store<u64>(self + RBX, 0);
    beginPoll(cpu, POLL_MANY, NEVER);
    atomic.or<u32>(self, EventBit.INTERRUPT, VcpuOff.events);
    return ExitReason.STOP;
  }
  if (load<u64>(self + RBX) == 3) return ExitReason.TRIPLE_FAULT;
  if (load<u64>(self + RBX) == 6) {
    cpu.exitReason = ExitReason.TRIPLE_FAULT;
    atomic.or<u32>(self, EventBit.STOP, VcpuOff.events);
    return ExitReason.BUDGET;
  }
  if ((load<u64>(self + RBX) & 1) != 0) {
    cpu.icount += 10;
    cpu.halted = 1;
    return ExitReason.HALT;
  }
  cpu.icount += cpu.budget;
  cpu.budget = 0;
  return ExitReason.BUDGET;
}
