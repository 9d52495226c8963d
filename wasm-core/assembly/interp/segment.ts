/**
 * Segment registers, descriptor-table registers and the instructions that inspect descriptors.
 * [SDM] vol. 2, "MOV", "LGDT/LIDT", "LAR", "LSL", "VERR/VERW", "ARPL".
 */
import { SegIndex, Status, Vcpu } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { raise, raiseError, Vector } from "../cpu/faults";
import { Flag, setSome } from "../cpu/flags";
import { is64 } from "../cpu/modes";
import { getReg, Gpr, segReg, setReg } from "../cpu/regs";
import { Rec } from "../decode/record";
import { memDone, memR, memRW, memW } from "../mmu/access";
import { isCanonical } from "../mmu/canonical";
import { accessRights, loadLdt, loadSegment, loadTaskRegister, Probe, segmentLimit, verifySegment } from "../system";
import { shadow } from "./interrupt";
import { dropStack, peekStack, push } from "./stack";

/** Stores a selector: 16 bits in memory, zero-extended to the operand size in a register. */
function storeSelector<T>(cpu: Vcpu, rec: Rec, isMem: bool, selector: u16): i32 {
  if (!isMem) {
    setReg<T>(cpu, rec.rm, <T>selector);
    return Status.NEXT;
  }
  const p = memW(cpu, rec, 2);
  if (p == 0) return Status.FAULT;
  store<u16>(p, selector);
  memDone(cpu, p);
  return Status.NEXT;
}

export function movFromSeg<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  if (rec.reg > SegIndex.GS) return raise(cpu, Vector.UD);
  return storeSelector<T>(cpu, rec, isMem, segReg(cpu, rec.reg).selector);
}

/** MOV to a segment register, which is looked at before the operand; loading SS holds interrupts for one instruction. */
export function movToSeg(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  const seg = <u32>rec.reg;
  if (seg > SegIndex.GS || seg == SegIndex.CS) return raise(cpu, Vector.UD);
  let selector: u16;
  if (isMem) {
    const p = memR(cpu, rec, 2);
    if (p == 0) return Status.FAULT;
    selector = load<u16>(p);
  } else selector = getReg<u16>(cpu, rec.rm);
  const status = loadSegment(cpu, seg, selector);
  if (seg != SegIndex.SS || status == Status.FAULT) return status;
  return stackLoaded(cpu);
}

/** After MOV SS and POP SS interrupts and debug exceptions wait for the instruction that loads the stack pointer. */
function stackLoaded(cpu: Vcpu): i32 {
  shadow(cpu);
  if (cpu.singleStep) cpu.debugShadow = 2;
  return Status.END;
}

function pushSeg<T>(cpu: Vcpu, seg: u32): i32 {
  return push<T>(cpu, <T>segReg(cpu, seg).selector) ? Status.NEXT : Status.FAULT;
}

function popSeg<T>(cpu: Vcpu, seg: u32): i32 {
  const p = peekStack(cpu, 0, sizeof<T>());
  if (p == 0) return Status.FAULT;
  const selector = load<u16>(p);
  // A new SS changes the stack's address size: the old one pops.
  const before = getReg<u64>(cpu, Gpr.RSP);
  dropStack(cpu, sizeof<T>());
  const status = loadSegment(cpu, seg, selector);
  if (status == Status.FAULT) {
    setReg<u64>(cpu, Gpr.RSP, before);
    return status;
  }
  return seg == SegIndex.SS ? stackLoaded(cpu) : status;
}

export function pushEs<T>(cpu: Vcpu, rec: Rec): i32 {
  return pushSeg<T>(cpu, SegIndex.ES);
}

export function pushCs<T>(cpu: Vcpu, rec: Rec): i32 {
  return pushSeg<T>(cpu, SegIndex.CS);
}

export function pushSs<T>(cpu: Vcpu, rec: Rec): i32 {
  return pushSeg<T>(cpu, SegIndex.SS);
}

export function pushDs<T>(cpu: Vcpu, rec: Rec): i32 {
  return pushSeg<T>(cpu, SegIndex.DS);
}

export function pushFs<T>(cpu: Vcpu, rec: Rec): i32 {
  return pushSeg<T>(cpu, SegIndex.FS);
}

export function pushGs<T>(cpu: Vcpu, rec: Rec): i32 {
  return pushSeg<T>(cpu, SegIndex.GS);
}

export function popEs<T>(cpu: Vcpu, rec: Rec): i32 {
  return popSeg<T>(cpu, SegIndex.ES);
}

export function popSs<T>(cpu: Vcpu, rec: Rec): i32 {
  return popSeg<T>(cpu, SegIndex.SS);
}

export function popDs<T>(cpu: Vcpu, rec: Rec): i32 {
  return popSeg<T>(cpu, SegIndex.DS);
}

export function popFs<T>(cpu: Vcpu, rec: Rec): i32 {
  return popSeg<T>(cpu, SegIndex.FS);
}

export function popGs<T>(cpu: Vcpu, rec: Rec): i32 {
  return popSeg<T>(cpu, SegIndex.GS);
}

// --- descriptor-table registers

/** Whether CR4.UMIP forbids user code to see system registers. */
export function hiddenFromUser(cpu: Vcpu): bool {
  return (cpu.cr4 & Cr4.UMIP) != 0 && cpu.cpl != 0;
}

/** SGDT and SIDT store all 32 bits of the base whatever the operand size. */
function storeTable(cpu: Vcpu, rec: Rec, base: u64, limit: u32): i32 {
  if (hiddenFromUser(cpu)) return raiseError(cpu, Vector.GP, 0);
  const wide = is64(cpu);
  const p = memW(cpu, rec, wide ? 10 : 6);
  if (p == 0) return Status.FAULT;
  store<u16>(p, <u16>limit);
  if (wide) store<u64>(p, base, 2);
  else store<u32>(p, <u32>base, 2);
  memDone(cpu, p);
  return Status.NEXT;
}

export function sgdt(cpu: Vcpu, rec: Rec): i32 {
  return storeTable(cpu, rec, cpu.gdtrBase, cpu.gdtrLimit);
}

export function sidt(cpu: Vcpu, rec: Rec): i32 {
  return storeTable(cpu, rec, cpu.idtrBase, cpu.idtrLimit);
}

/** Reads the base for LGDT and LIDT; a 16-bit operand size takes 24 bits. All ones after a fault. */
function tableBase<T>(cpu: Vcpu, p: usize): u64 {
  if (is64(cpu)) return load<u64>(p, 2);
  return (<u64>load<u32>(p, 2)) & (sizeof<T>() == 2 ? 0xffffff : 0xffffffff);
}

export function lgdt<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, is64(cpu) ? 10 : 6);
  if (p == 0) return Status.FAULT;
  const base = tableBase<T>(cpu, p);
  if (!isCanonical(base)) return raiseError(cpu, Vector.GP, 0);
  cpu.gdtrLimit = load<u16>(p);
  cpu.gdtrBase = base;
  return Status.NEXT;
}

export function lidt<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, is64(cpu) ? 10 : 6);
  if (p == 0) return Status.FAULT;
  const base = tableBase<T>(cpu, p);
  if (!isCanonical(base)) return raiseError(cpu, Vector.GP, 0);
  cpu.idtrLimit = load<u16>(p);
  cpu.idtrBase = base;
  return Status.NEXT;
}

export function sldt<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  if (hiddenFromUser(cpu)) return raiseError(cpu, Vector.GP, 0);
  return storeSelector<T>(cpu, rec, isMem, segReg(cpu, SegIndex.LDTR).selector);
}

export function str<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  if (hiddenFromUser(cpu)) return raiseError(cpu, Vector.GP, 0);
  return storeSelector<T>(cpu, rec, isMem, segReg(cpu, SegIndex.TR).selector);
}

export function lldt(cpu: Vcpu, rec: Rec, selector: u16): i32 {
  return loadLdt(cpu, selector, Vector.GP) ? Status.NEXT : Status.FAULT;
}

export function ltr(cpu: Vcpu, rec: Rec, selector: u16): i32 {
  return loadTaskRegister(cpu, selector) ? Status.NEXT : Status.FAULT;
}

// --- inspecting descriptors: ZF tells whether the answer is valid

function answer(cpu: Vcpu, probe: u32): i32 {
  if (probe == Probe.FAULT) return Status.FAULT;
  setSome(cpu, Flag.ZF, probe == Probe.VALID ? Flag.ZF : 0);
  return Status.NEXT;
}

export function lar<T>(cpu: Vcpu, rec: Rec, old: T, selector: u16): i32 {
  const probe = accessRights(cpu, selector);
  if (probe == Probe.VALID) setReg<T>(cpu, rec.reg, <T>(<u32>cpu.popped));
  return answer(cpu, probe);
}

export function lsl<T>(cpu: Vcpu, rec: Rec, old: T, selector: u16): i32 {
  const probe = segmentLimit(cpu, selector);
  if (probe == Probe.VALID) setReg<T>(cpu, rec.reg, <T>(<u32>cpu.popped));
  return answer(cpu, probe);
}

export function verr(cpu: Vcpu, rec: Rec, selector: u16): i32 {
  return answer(cpu, verifySegment(cpu, selector, false));
}

export function verw(cpu: Vcpu, rec: Rec, selector: u16): i32 {
  return answer(cpu, verifySegment(cpu, selector, true));
}

/** ARPL: raises the destination's RPL to the source's. */
export function arpl(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  const p = isMem ? memRW(cpu, rec, 2) : changetype<usize>(cpu) + rec.rm;
  if (p == 0) return Status.FAULT;
  const selector = <u32>load<u16>(p);
  const rpl = (<u32>getReg<u16>(cpu, rec.reg)) & 3;
  const raised = (selector & 3) < rpl;
  if (raised) store<u16>(p, <u16>((selector & 0xfffc) | rpl));
  if (isMem) memDone(cpu, p);
  setSome(cpu, Flag.ZF, raised ? Flag.ZF : 0);
  return Status.NEXT;
}
