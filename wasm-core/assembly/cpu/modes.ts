/**
 * Operating modes: predicates, and the decoding mode derived from CR0, EFLAGS, EFER and CS. [SDM] vol. 3A, 2.2.
 */
import { ModeKey, SegIndex, Vcpu } from "../gen/layout";
import { Cr0, Efer } from "./control-bits";
import { getDr } from "./debug";
import { Flag } from "./flags";
import { segReg } from "./regs";
import { SegAttr } from "./segments";

@inline
export function isReal(cpu: Vcpu): bool {
  return !(cpu.cr0 & Cr0.PE);
}

@inline
export function isVm86(cpu: Vcpu): bool {
  return (cpu.eflags & Flag.VM) != 0;
}

/** Protected mode proper: descriptors rule. */
@inline
export function isProtected(cpu: Vcpu): bool {
  return (cpu.modeKey & ModeKey.PROTECTED) != 0;
}

/** IA-32e mode, 64-bit or compatibility. */
@inline
export function isLong(cpu: Vcpu): bool {
  return (cpu.efer & Efer.LMA) != 0;
}

/** 64-bit mode. */
@inline
export function is64(cpu: Vcpu): bool {
  return (cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64;
}

@inline
export function iopl(cpu: Vcpu): u32 {
  return (cpu.eflags >> 12) & 3;
}

/** Recomputes singleStep and modeKey. */
export function updateModeKey(cpu: Vcpu): void {
  const step = (cpu.eflags & Flag.TF) != 0 || (getDr(cpu, 7) & 0xff) != 0 || cpu.forceSingleStep != 0;
  cpu.singleStep = step ? 1 : 0;
  const cs = <u32>segReg(cpu, SegIndex.CS).attr;
  let key: u32 = step ? ModeKey.SINGLE : 0;
  if (cpu.efer & Efer.LMA) {
    key |= ModeKey.LONG;
    if (cs & SegAttr.LONG) {
      cpu.modeKey = key | ModeKey.CODE64 | ModeKey.PROTECTED | ModeKey.STACK32;
      return;
    }
  }
  if (cs & SegAttr.BIG) key |= ModeKey.CODE32;
  if ((<u32>segReg(cpu, SegIndex.SS).attr) & SegAttr.BIG) key |= ModeKey.STACK32;
  if (cpu.eflags & Flag.VM) key |= ModeKey.VM86;
  else if (cpu.cr0 & Cr0.PE) key |= ModeKey.PROTECTED;
  cpu.modeKey = key;
}
