/** SYSCALL, SYSRET, SYSENTER and SYSEXIT: calls with fixed flat segments. [SDM] vol. 2; vol. 3A, 5.8.7 and 5.8.8. */
import { Status, Vcpu } from "../gen/layout";
import { Efer } from "../cpu/control-bits";
import { Dr6 } from "../cpu/debug";
import { raise, raiseError, Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { is64, isLong, isReal } from "../cpu/modes";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { setFlatCodeAndStack } from "../cpu/segments";
import { nextRip, Rec } from "../decode/record";
import { isCanonical } from "../mmu/canonical";
import { deliverDebugTrap, setFlags, updateMode } from "../system";

/** RFLAGS bits that SYSRET loads from R11. */
const SYSRET_FLAGS: u32 = 0x3c7fd7;

function gp(cpu: Vcpu): i32 {
  return raiseError(cpu, Vector.GP, 0);
}

export function syscall(cpu: Vcpu, rec: Rec): i32 {
  if (!(cpu.efer & Efer.SCE) || !is64(cpu)) return raise(cpu, Vector.UD);
  const flags = readFlags(cpu);
  setReg<u64>(cpu, Gpr.RCX, nextRip(cpu, rec));
  setReg<u64>(cpu, Gpr.R11, flags & ~Flag.RF);
  const selector = (<u32>(cpu.star >> 32)) & 0xfffc;
  setFlatCodeAndStack(cpu, selector, (selector + 8) & 0xffff, 0, true);
  cpu.rip = cpu.lstar;
  cpu.cpl = 0;
  setFlags(cpu, flags & ~((<u32>cpu.fmask) | Flag.RF));
  // A single-step trap after SYSCALL is the handler's only if TF survived the mask.
  if (!(cpu.eflags & Flag.TF)) cpu.tfTrap = 0;
  updateMode(cpu);
  return Status.BRANCH;
}

export function sysret<T>(cpu: Vcpu, rec: Rec): i32 {
  if (!(cpu.efer & Efer.SCE) || !is64(cpu)) return raise(cpu, Vector.UD);
  if (cpu.cpl != 0) return gp(cpu);
  const long = sizeof<T>() == 8;
  const target = long ? getReg<u64>(cpu, Gpr.RCX) : <u64>getReg<u32>(cpu, Gpr.RCX);
  if (!isCanonical(target)) return gp(cpu);
  const selector = <u32>(cpu.star >> 48);
  const cs = ((long ? selector + 16 : selector) & 0xffff) | 3;
  setFlatCodeAndStack(cpu, cs, ((selector + 8) & 0xffff) | 3, 3, long);
  cpu.rip = target;
  cpu.cpl = 3;
  setFlags(cpu, (getReg<u32>(cpu, Gpr.R11) & SYSRET_FLAGS & ~Flag.RF) | 2);
  updateMode(cpu);
  // The trap of a stepped SYSCALL comes when its SYSRET is done, before the next instruction.
  return cpu.eflags & Flag.TF ? deliverDebugTrap(cpu, Dr6.BS) : Status.BRANCH;
}

export function sysenter(cpu: Vcpu, rec: Rec): i32 {
  if (isReal(cpu) || !(cpu.sysenterCs & 0xfffc)) return gp(cpu);
  const long = isLong(cpu);
  const selector = (<u32>cpu.sysenterCs) & 0xfffc;
  const flags = readFlags(cpu) & ~(Flag.VM | Flag.IF | Flag.RF);
  setFlatCodeAndStack(cpu, selector, (selector + 8) & 0xffff, 0, long);
  setReg<u64>(cpu, Gpr.RSP, long ? cpu.sysenterEsp : cpu.sysenterEsp & 0xffffffff);
  cpu.rip = long ? cpu.sysenterEip : cpu.sysenterEip & 0xffffffff;
  cpu.cpl = 0;
  setFlags(cpu, flags);
  updateMode(cpu);
  return Status.BRANCH;
}

export function sysexit<T>(cpu: Vcpu, rec: Rec): i32 {
  if (isReal(cpu) || cpu.cpl != 0 || !(cpu.sysenterCs & 0xfffc)) return gp(cpu);
  const long = sizeof<T>() == 8;
  const rip = long ? getReg<u64>(cpu, Gpr.RDX) : <u64>getReg<u32>(cpu, Gpr.RDX);
  const rsp = long ? getReg<u64>(cpu, Gpr.RCX) : <u64>getReg<u32>(cpu, Gpr.RCX);
  if (!isCanonical(rip) || !isCanonical(rsp)) return gp(cpu);
  const selector = (<u32>cpu.sysenterCs) & 0xfffc;
  const cs = ((selector + (long ? 32 : 16)) & 0xffff) | 3;
  setFlatCodeAndStack(cpu, cs, ((selector + (long ? 40 : 24)) & 0xffff) | 3, 3, long);
  setReg<u64>(cpu, Gpr.RSP, rsp);
  cpu.rip = rip;
  cpu.cpl = 3;
  updateMode(cpu);
  return Status.BRANCH;
}
