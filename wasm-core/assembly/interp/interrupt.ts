/**
 * Software interrupts, BOUND, the interrupt flag, PUSHF and POPF, HLT. What IOPL, CR4.VME and CR4.PVI allow follows the
 * tables of [SDM] vol. 2, "CLI", "STI", "PUSHF", "POPF" and vol. 3B, 20.3.
 */
import { RECORD_BYTES, Status, Vcpu, VcpuOff } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { raise, raiseError, Vector } from "../cpu/faults";
import { Flag, overflow, readFlags } from "../cpu/flags";
import { iopl, isReal, isVm86 } from "../cpu/modes";
import { getReg } from "../cpu/regs";
import { nextRip, Rec } from "../decode/record";
import { memR } from "../mmu/access";
import { codeCache } from "../mmu/code-cache";
import {
  deliverIcebp,
  EventKind,
  interruptFlagRose,
  setFlags,
  softwareInterrupt,
  USER_FLAGS,
  USER_FLAGS_WIDE,
} from "../system";
import { dropStack, peekStack, push } from "./stack";

export function int3(cpu: Vcpu, rec: Rec): i32 {
  return softwareInterrupt(cpu, Vector.BP, EventKind.TRAP, nextRip(cpu, rec));
}

export function into(cpu: Vcpu, rec: Rec): i32 {
  if (!overflow(cpu)) return Status.NEXT;
  return softwareInterrupt(cpu, Vector.OF, EventKind.TRAP, nextRip(cpu, rec));
}

export function intN(cpu: Vcpu, rec: Rec, vector: u8): i32 {
  return softwareInterrupt(cpu, vector, EventKind.SOFTWARE, nextRip(cpu, rec));
}

/** INT1: a debug exception that no privilege check stops and that leaves DR6 alone. */
export function int1(cpu: Vcpu, rec: Rec): i32 {
  cpu.rip = nextRip(cpu, rec);
  return deliverIcebp(cpu);
}

/** BOUND: #BR when the signed index lies outside the pair of bounds in memory. */
export function bound<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, 2 * sizeof<T>());
  if (p == 0) return Status.FAULT;
  const index = signed<T>(getReg<T>(cpu, rec.reg));
  if (index < signed<T>(load<T>(p)) || index > signed<T>(load<T>(p + sizeof<T>()))) return raise(cpu, Vector.BR);
  return Status.NEXT;
}

@inline
function signed<T>(v: T): i64 {
  return sizeof<T>() == 2 ? <i64>(<i16>v) : <i64>(<i32>v);
}

/** Which flag CLI and STI work on at the present level: IF, VIF, or 0 for #GP(0). */
function interruptFlag(cpu: Vcpu): u32 {
  if (isReal(cpu) || <u32>cpu.cpl <= iopl(cpu)) return Flag.IF;
  const assist = isVm86(cpu) ? Cr4.VME : cpu.cpl == 3 ? Cr4.PVI : 0;
  return cpu.cr4 & assist ? Flag.VIF : 0;
}

export function cli(cpu: Vcpu, rec: Rec): i32 {
  const flag = interruptFlag(cpu);
  if (flag == 0) return raiseError(cpu, Vector.GP, 0);
  cpu.eflags &= ~flag;
  return Status.NEXT;
}

/**
 * STI: interrupts stay off for one more instruction when they were off. With none waiting, and that instruction in the same
 * block, there is nothing to do for it: events are looked at between blocks, and kernels set IF all the time.
 */
export function sti(cpu: Vcpu, rec: Rec): i32 {
  const flag = interruptFlag(cpu);
  if (flag == 0 || (flag == Flag.VIF && cpu.eflags & Flag.VIP)) return raiseError(cpu, Vector.GP, 0);
  if (flag == Flag.VIF || cpu.eflags & Flag.IF) {
    cpu.eflags |= flag;
    return Status.NEXT;
  }
  cpu.eflags |= Flag.IF;
  const waits = atomic.load<u32>(changetype<usize>(cpu), VcpuOff.events) | cpu.interruptHeld;
  if (!waits && !isLast(rec)) return Status.NEXT;
  shadow(cpu);
  interruptFlagRose(cpu);
  return Status.END;
}

/** Whether the block ends behind the instruction of `rec`. */
@inline
function isLast(rec: Rec): bool {
  return changetype<Rec>(changetype<usize>(rec) + RECORD_BYTES).fn == <u16>codeCache().endFn;
}

/** Holds interrupts until the next instruction is done. */
export function shadow(cpu: Vcpu): void {
  cpu.interruptShadow = 1;
}

export function hlt(cpu: Vcpu, rec: Rec): i32 {
  cpu.halted = 1;
  return Status.END;
}

/** Flags that PUSHF stores: VM and RF read as zero. */
export function pushf<T>(cpu: Vcpu, rec: Rec): i32 {
  let image = readFlags(cpu) & ~(Flag.VM | Flag.RF);
  if (isVm86(cpu) && iopl(cpu) < 3) {
    if (!(cpu.cr4 & Cr4.VME) || sizeof<T>() != 2) return raiseError(cpu, Vector.GP, 0);
    image = (image & ~Flag.IF) | Flag.IOPL | (image & Flag.VIF ? Flag.IF : 0);
  }
  return push<T>(cpu, <T>image) ? Status.NEXT : Status.FAULT;
}

export function popf<T>(cpu: Vcpu, rec: Rec): i32 {
  const virtual = isVm86(cpu) && iopl(cpu) < 3;
  if (virtual && (!(cpu.cr4 & Cr4.VME) || sizeof<T>() != 2)) return raiseError(cpu, Vector.GP, 0);
  const p = peekStack(cpu, 0, sizeof<T>());
  if (p == 0) return Status.FAULT;
  const image = <u32>load<T>(p);
  if (virtual) return popfVirtual(cpu, image);
  let mask = USER_FLAGS;
  if (sizeof<T>() > 2) mask |= USER_FLAGS_WIDE;
  if (isReal(cpu) || cpu.cpl == 0) mask |= Flag.IF | Flag.IOPL;
  else if (<u32>cpu.cpl <= iopl(cpu)) mask |= Flag.IF;
  const old = readFlags(cpu);
  const flags = (old & ~(mask | Flag.RF)) | (image & mask);
  dropStack(cpu, sizeof<T>());
  if (!((old ^ flags) & ~Flag.ARITH)) {
    cpu.eflags = flags;
    return Status.NEXT;
  }
  setFlags(cpu, flags);
  return Status.END;
}

/** POPF under CR4.VME at IOPL below 3: IF of the image goes to VIF. */
function popfVirtual(cpu: Vcpu, image: u32): i32 {
  if (image & Flag.TF || (image & Flag.IF && cpu.eflags & Flag.VIP)) return raiseError(cpu, Vector.GP, 0);
  const old = readFlags(cpu);
  dropStack(cpu, 2);
  const kept = old & ~(USER_FLAGS | Flag.VIF | Flag.RF);
  setFlags(cpu, kept | (image & USER_FLAGS) | (image & Flag.IF ? Flag.VIF : 0));
  return Status.END;
}
