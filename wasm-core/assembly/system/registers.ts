/** MOV to and from control and debug registers, by number. [SDM] vol. 2, "MOV"; vol. 3B, 18.2. */
import { Vcpu } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { Dr6, Dr7, getDr, setDr } from "../cpu/debug";
import { raise, Vector } from "../cpu/faults";
import { Flag } from "../cpu/flags";
import { hasDataBreakpoints } from "../cpu/watch";
import { lapicSetTpr, lapicTpr } from "../irq/lapic";
import { tlbFlushAll } from "../mmu/tlb";
import { setCr3 } from "./address-space";
import { setCr0, setCr4 } from "./control-regs";
import { updateMode } from "./modes";
import { failGp } from "./tables";

/** Value of CR0, CR2, CR3, CR4 or CR8. */
export function readControl(cpu: Vcpu, n: u32): u64 {
  switch (n) {
    case 0:
      return cpu.cr0;
    case 2:
      return cpu.cr2;
    case 3:
      return cpu.cr3;
    case 4:
      return cpu.cr4;
    default:
      return <u64>(lapicTpr(cpu) >> 4);
  }
}

/** Writes CR0, CR2, CR3, CR4 or CR8; false for #GP(0). */
export function writeControl(cpu: Vcpu, n: u32, value: u64): bool {
  switch (n) {
    case 0:
      return setCr0(cpu, value);
    case 2:
      cpu.cr2 = value;
      return true;
    case 3:
      return setCr3(cpu, value);
    case 4:
      return setCr4(cpu, value);
    default:
      if (value > 15) return false;
      lapicSetTpr(cpu, (<u32>value) << 4);
      return true;
  }
}

/** Whether debug register `n` may be accessed now. DR4 and DR5 are aliases of DR6 and DR7 unless CR4.DE is set. */
function debugAccess(cpu: Vcpu, n: u32): bool {
  if (n > 7 || ((n & 6) == 4 && cpu.cr4 & Cr4.DE)) {
    raise(cpu, Vector.UD);
    return false;
  }
  if (getDr(cpu, 7) & Dr7.GD) {
    setDr(cpu, 6, getDr(cpu, 6) | Dr6.BD);
    setDr(cpu, 7, getDr(cpu, 7) & ~Dr7.GD);
    // Unlike an instruction breakpoint this fault's saved image has RF set.
    cpu.eflags |= Flag.RF;
    raise(cpu, Vector.DB);
    return false;
  }
  return true;
}

@inline
function aliased(n: u32): u32 {
  return (n & 6) == 4 ? n + 2 : n;
}

/** Reads a debug register into cpu.popped; false with an exception raised. */
export function readDebug(cpu: Vcpu, n: u32): bool {
  if (!debugAccess(cpu, n)) return false;
  cpu.popped = getDr(cpu, aliased(n));
  return true;
}

/** Writes a debug register; false with an exception raised. */
export function writeDebug(cpu: Vcpu, n: u32, value: u64): bool {
  if (!debugAccess(cpu, n)) return false;
  const register = aliased(n);
  if (register < 6) setDr(cpu, register, value);
  else if (value >> 32) return failGp(cpu);
  else if (register == 6) setDr(cpu, 6, (value & Dr6.WRITABLE) | Dr6.FIXED);
  else setDr(cpu, 7, (value & Dr7.WRITABLE) | Dr7.FIXED);
  watchAgain(cpu);
  return true;
}

/** After a change of breakpoints: watched pages must miss the TLB, and instructions run one at a time. */
function watchAgain(cpu: Vcpu): void {
  const watching = hasDataBreakpoints(getDr(cpu, 7));
  if (watching || cpu.dataBreakpoints) tlbFlushAll(cpu);
  cpu.dataBreakpoints = watching ? 1 : 0;
  updateMode(cpu);
}

/** Debug registers at reset. */
export function resetDebug(cpu: Vcpu): void {
  for (let n: u32 = 0; n < 6; n++) setDr(cpu, n, 0);
  setDr(cpu, 6, Dr6.FIXED);
  setDr(cpu, 7, Dr7.FIXED);
  cpu.dataBreakpoints = 0;
}
