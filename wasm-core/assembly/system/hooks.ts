/**
 * What the processor asks of the rest of the machine: hypercalls, the end of a vCPU, its local APIC. Kept in one place
 * so that the processor itself imports no device and no hypervisor part.
 */
import { EventBit, ExitReason, Status, Vcpu, VcpuOff } from "../gen/layout";
import { Gpr, setReg } from "../cpu/regs";

const ENOSYS: u64 = 38;

/** VMCALL and VMMCALL. cpu.rip is the next instruction; the result goes to RAX. Returns a Status. */
export function hypercall(cpu: Vcpu): i32 {
  setReg<u64>(cpu, Gpr.RAX, -ENOSYS);
  return Status.END;
}

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

/** WRMSR of Xen's hypercall-page register: `value` is a guest-physical page with the page's number in its low bits. */
export function installHypercallPage(cpu: Vcpu, value: u64): bool {
  return false;
}
