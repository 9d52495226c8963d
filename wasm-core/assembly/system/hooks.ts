/**
 * What the processor asks of the rest of the machine: hypercalls, the end of a vCPU, its events. Kept in one place so
 * that the processor's other files import no hypervisor part.
 */
import { EventBit, ExitReason, MachineOff, Vcpu, VcpuOff } from "../gen/layout";
import { machine } from "../util/host";
import { xenOf } from "../xen/evtchn/upcall";

@external("env", "hostNap") declare function hostNap(address: usize): void;

export { hypercall } from "../xen/hypercall";
export { writeHypercallPage } from "../xen/hypercall-page";
export { updateTime } from "../xen/time";

/** An exception could not be delivered at all: the processor shuts down. */
export function tripleFault(cpu: Vcpu): void {
  cpu.exitReason = ExitReason.TRIPLE_FAULT;
  raiseEvent(cpu, EventBit.STOP);
}

/** Sets event bits of the vCPU itself. */
export function raiseEvent(cpu: Vcpu, bits: u32): void {
  atomic.or<u32>(changetype<usize>(cpu) + VcpuOff.events, bits);
}

/** EFLAGS.IF went from 0 to 1: an interrupt that was held may be deliverable. */
export function interruptFlagRose(cpu: Vcpu): void {
  if (!cpu.interruptHeld) return;
  cpu.interruptHeld = 0;
  raiseEvent(cpu, EventBit.INTERRUPT);
}

/**
 * Windows of PAUSE in a row after which a vCPU that spins lets the host's processor go: some 0.1 ms, as a nap takes. An
 * interrupt is answered, and a spinlock released, in a tenth of that.
 */
const NAP_AFTER: u32 = 512;
/** Two windows are in a row when no more instructions lie between their ends. */
const WINDOW_INSTRUCTIONS: u32 = 512;

/** Ends the slice of a vCPU that spins; false when nobody else wants its pCPU. */
export function giveWay(cpu: Vcpu): bool {
  const m = machine();
  if (atomic.load<u32>(changetype<usize>(m), MachineOff.runMask) == 0) {
    if (m.pcpus != 1) spin(cpu);
    return false;
  }
  endSlice(cpu);
  return true;
}

/**
 * A vCPU spins, and what it waits for is at work on another pCPU. If that is for long, the other's thread may be waiting
 * for the very processor that this one burns: the host may have fewer of them than there are pCPUs. Events end the nap: the
 * other may wait for this one to answer an interrupt.
 */
function spin(cpu: Vcpu): void {
  // By the budget: a region settles the count of instructions only when it is left.
  const inRow = cpu.spinAt - <u32>cpu.budget < WINDOW_INSTRUCTIONS;
  cpu.spinAt = <u32>cpu.budget;
  cpu.spins = inRow ? cpu.spins + 1 : 0;
  if (cpu.spins < NAP_AFTER) return;
  cpu.spins = 0;
  const at = changetype<usize>(cpu);
  atomic.store<u32>(at, 1, VcpuOff.napping);
  hostNap(at + VcpuOff.events);
  atomic.store<u32>(at, 0, VcpuOff.napping);
}

/** Gives the pCPU away after this instruction. */
export function endSlice(cpu: Vcpu): void {
  xenOf(cpu).yielded = 1;
  cpu.budget = 0;
}
