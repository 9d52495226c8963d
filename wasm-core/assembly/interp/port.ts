/** IN, OUT, INS and OUTS. Permission is IOPL's, then the TSS's I/O map. [SDM] vol. 1, 19. */
import { SegIndex, Status, Vcpu } from "../gen/layout";
import { checkIoBreakpoint } from "../cpu/watch";
import { Flag } from "../cpu/flags";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { Ea, Rec } from "../decode/record";
import { ioRead, ioWrite, ioWriteBlocked } from "../bus";
import { memDone, memSeg, segR, segW } from "../mmu/access";
import { endSlice, portAllowed } from "../system";
import { again } from "./string";

function input<T>(cpu: Vcpu, port: u32): i32 {
  if (!portAllowed(cpu, port, sizeof<T>())) return Status.FAULT;
  checkIoBreakpoint(cpu, port, sizeof<T>());
  setReg<T>(cpu, Gpr.RAX, <T>ioRead(cpu, port, sizeof<T>()));
  return Status.NEXT;
}

/** After a write, which may have raised an interrupt or ended the machine: that shows before the next instruction. */
function written(cpu: Vcpu): i32 {
  return cpu.events != 0 ? Status.END : Status.NEXT;
}

/** The device has no room: again, after others have run. Time goes on meanwhile, also where it is made of instructions. */
function waitForRoom(cpu: Vcpu): i32 {
  endSlice(cpu);
  return Status.RESTART;
}

function output<T>(cpu: Vcpu, port: u32): i32 {
  if (!portAllowed(cpu, port, sizeof<T>())) return Status.FAULT;
  if (ioWriteBlocked(cpu, port)) return waitForRoom(cpu);
  checkIoBreakpoint(cpu, port, sizeof<T>());
  ioWrite(cpu, port, sizeof<T>(), <u32>getReg<T>(cpu, Gpr.RAX));
  return written(cpu);
}

export function inByteImm(cpu: Vcpu, rec: Rec): i32 {
  return input<u8>(cpu, (<u32>rec.imm) & 0xff);
}

export function outByteImm(cpu: Vcpu, rec: Rec): i32 {
  return output<u8>(cpu, (<u32>rec.imm) & 0xff);
}

export function inByte(cpu: Vcpu, rec: Rec): i32 {
  return input<u8>(cpu, getReg<u16>(cpu, Gpr.RDX));
}

export function outByte(cpu: Vcpu, rec: Rec): i32 {
  return output<u8>(cpu, getReg<u16>(cpu, Gpr.RDX));
}

/** IN and OUT move at most 32 bits, whatever REX.W says. */
export function inImm<T>(cpu: Vcpu, rec: Rec): i32 {
  const port = (<u32>rec.imm) & 0xff;
  return sizeof<T>() == 2 ? input<u16>(cpu, port) : input<u32>(cpu, port);
}

export function outImm<T>(cpu: Vcpu, rec: Rec): i32 {
  const port = (<u32>rec.imm) & 0xff;
  return sizeof<T>() == 2 ? output<u16>(cpu, port) : output<u32>(cpu, port);
}

export function inDx<T>(cpu: Vcpu, rec: Rec): i32 {
  const port = <u32>getReg<u16>(cpu, Gpr.RDX);
  return sizeof<T>() == 2 ? input<u16>(cpu, port) : input<u32>(cpu, port);
}

export function outDx<T>(cpu: Vcpu, rec: Rec): i32 {
  const port = <u32>getReg<u16>(cpu, Gpr.RDX);
  return sizeof<T>() == 2 ? output<u16>(cpu, port) : output<u32>(cpu, port);
}

// --- string forms: one element a visit, as each may be a device's

@inline
function addressSize(rec: Rec): u32 {
  return (<u32>rec.ea) >> Ea.ASIZE_SHIFT;
}

function indexReg(cpu: Vcpu, rec: Rec, reg: usize): u64 {
  const a = addressSize(rec);
  return a == 2 ? getReg<u64>(cpu, reg) : a == 1 ? <u64>getReg<u32>(cpu, reg) : <u64>getReg<u16>(cpu, reg);
}

function addIndex(cpu: Vcpu, rec: Rec, reg: usize, by: i64): void {
  const v = indexReg(cpu, rec, reg) + by;
  const a = addressSize(rec);
  if (a == 2) setReg<u64>(cpu, reg, v);
  else if (a == 1) setReg<u32>(cpu, reg, <u32>v);
  else setReg<u16>(cpu, reg, <u16>v);
}

@inline
function step<T>(cpu: Vcpu): i64 {
  return cpu.eflags & Flag.DF ? -(<i64>sizeof<T>()) : <i64>sizeof<T>();
}

/** Counts one element of a repeated form. */
function repeated(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  if (rep == 0) return Status.NEXT;
  addIndex(cpu, rec, Gpr.RCX, -1);
  return indexReg(cpu, rec, Gpr.RCX) == 0 ? Status.NEXT : again(cpu);
}

function insElement<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  if (rep != 0 && indexReg(cpu, rec, Gpr.RCX) == 0) return Status.NEXT;
  const port = <u32>getReg<u16>(cpu, Gpr.RDX);
  if (!portAllowed(cpu, port, sizeof<T>())) return Status.FAULT;
  const p = segW(cpu, SegIndex.ES, indexReg(cpu, rec, Gpr.RDI), sizeof<T>());
  if (p == 0) return Status.FAULT;
  checkIoBreakpoint(cpu, port, sizeof<T>());
  store<T>(p, <T>ioRead(cpu, port, sizeof<T>()));
  memDone(cpu, p);
  addIndex(cpu, rec, Gpr.RDI, step<T>(cpu));
  return repeated(cpu, rec, rep);
}

function outsElement<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  if (rep != 0 && indexReg(cpu, rec, Gpr.RCX) == 0) return Status.NEXT;
  const port = <u32>getReg<u16>(cpu, Gpr.RDX);
  if (!portAllowed(cpu, port, sizeof<T>())) return Status.FAULT;
  if (ioWriteBlocked(cpu, port)) return waitForRoom(cpu);
  const p = segR(cpu, memSeg(rec), indexReg(cpu, rec, Gpr.RSI), sizeof<T>());
  if (p == 0) return Status.FAULT;
  checkIoBreakpoint(cpu, port, sizeof<T>());
  ioWrite(cpu, port, sizeof<T>(), <u32>load<T>(p));
  addIndex(cpu, rec, Gpr.RSI, step<T>(cpu));
  const status = repeated(cpu, rec, rep);
  return status == Status.NEXT ? written(cpu) : status;
}

export function insb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return insElement<u8>(cpu, rec, rep);
}

export function ins<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return sizeof<T>() == 2 ? insElement<u16>(cpu, rec, rep) : insElement<u32>(cpu, rec, rep);
}

export function outsb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return outsElement<u8>(cpu, rec, rep);
}

export function outs<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return sizeof<T>() == 2 ? outsElement<u16>(cpu, rec, rep) : outsElement<u32>(cpu, rec, rep);
}
