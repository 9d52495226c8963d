/** Far JMP, CALL, RET and IRET, and loads of far pointers. [SDM] vol. 2; the transfers themselves are in system/. */
import { SegIndex, Status, Vcpu } from "../gen/layout";
import { setReg } from "../cpu/regs";
import { nextRip, Rec } from "../decode/record";
import { memR } from "../mmu/access";
import { farCall, farJump, farReturn, interruptReturn, loadSegment, transferStatus } from "../system";

/** JMP ptr16:16 or ptr16:32: the offset is in disp, the selector in imm. */
export function jmpFar<T>(cpu: Vcpu, rec: Rec): i32 {
  return transferStatus(cpu, farJump(cpu, (<u32>rec.imm) & 0xffff, <u64>(<u32>rec.disp), nextRip(cpu, rec)));
}

export function callFar<T>(cpu: Vcpu, rec: Rec): i32 {
  const next = nextRip(cpu, rec);
  return transferStatus(cpu, farCall(cpu, (<u32>rec.imm) & 0xffff, <u64>(<u32>rec.disp), sizeof<T>(), next));
}

export function jmpFarMem<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, sizeof<T>() + 2);
  if (p == 0) return Status.FAULT;
  return transferStatus(cpu, farJump(cpu, load<u16>(p + sizeof<T>()), <u64>load<T>(p), nextRip(cpu, rec)));
}

export function callFarMem<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, sizeof<T>() + 2);
  if (p == 0) return Status.FAULT;
  const offset = <u64>load<T>(p);
  return transferStatus(cpu, farCall(cpu, load<u16>(p + sizeof<T>()), offset, sizeof<T>(), nextRip(cpu, rec)));
}

export function retFar<T>(cpu: Vcpu, rec: Rec): i32 {
  return transferStatus(cpu, farReturn(cpu, sizeof<T>(), 0));
}

/** RETF imm16: releases that many bytes of parameters. */
export function retFarPop<T>(cpu: Vcpu, rec: Rec): i32 {
  return transferStatus(cpu, farReturn(cpu, sizeof<T>(), (<u32>rec.imm) & 0xffff));
}

export function iret<T>(cpu: Vcpu, rec: Rec): i32 {
  // Where this task goes on when IRET returns from a nested one.
  cpu.rip = nextRip(cpu, rec);
  return transferStatus(cpu, interruptReturn(cpu, sizeof<T>()));
}

/** LDS and its kin: the segment is loaded first, as only that can still fault. */
function loadFarPointer<T>(cpu: Vcpu, rec: Rec, seg: u32): i32 {
  const p = memR(cpu, rec, sizeof<T>() + 2);
  if (p == 0) return Status.FAULT;
  const offset = load<T>(p);
  const status = loadSegment(cpu, seg, load<u16>(p + sizeof<T>()));
  if (status == Status.FAULT) return status;
  setReg<T>(cpu, rec.reg, offset);
  return seg == SegIndex.SS ? Status.END : status;
}

export function lds<T>(cpu: Vcpu, rec: Rec): i32 {
  return loadFarPointer<T>(cpu, rec, SegIndex.DS);
}

export function les<T>(cpu: Vcpu, rec: Rec): i32 {
  return loadFarPointer<T>(cpu, rec, SegIndex.ES);
}

export function lss<T>(cpu: Vcpu, rec: Rec): i32 {
  return loadFarPointer<T>(cpu, rec, SegIndex.SS);
}

export function lfs<T>(cpu: Vcpu, rec: Rec): i32 {
  return loadFarPointer<T>(cpu, rec, SegIndex.FS);
}

export function lgs<T>(cpu: Vcpu, rec: Rec): i32 {
  return loadFarPointer<T>(cpu, rec, SegIndex.GS);
}
