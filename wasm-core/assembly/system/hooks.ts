/**
 * What the processor asks of the rest of the machine: hypercalls, the end of a vCPU, its events. Kept in one place so
 * that the processor's other files import no hypervisor part.
 */
import { EventBit, ExitReason, MachineOff, Vcpu, VcpuOff } from "../gen/layout";
import { machine } from "../util/host";
import { xenOf } from "../xen/evtchn/upcall";

export { hypercall } from "../xen/hypercall";
export { writeHypercallPage } from "../xen/hypercall-page";

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
  raiseEvent(cpu, EventBit.INTERRUPT);
}

/** Ends the slice of a vCPU that spins; false when nobody else wants its pCPU. */
export function giveWay(cpu: Vcpu): bool {
  if (atomic.load<u32>(changetype<usize>(machine()), MachineOff.runMask) == 0) return false;
  endSlice(cpu);
  return true;
}

/** Gives the pCPU away after this instruction. */
export function endSlice(cpu: Vcpu): void {
  xenOf(cpu).yielded = 1;
  cpu.budget = 0;
}
