/**
 * Far JMP and CALL: direct, through call gates and to tasks. Each leaves cpu.rip, CS, CPL and the stack as the target
 * finds them, or returns false with an exception raised and nothing changed (but see taskCommitted).
 * [SDM] vol. 2, "JMP", "CALL"; vol. 3A, 5.8.
 */
import { ModeKey, SegIndex, Vcpu } from "../gen/layout";
import { descDpl, descPresent, descType, gateOffset, gateSelector, SystemType } from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { isLong, isProtected, isVm86 } from "../cpu/modes";
import { getReg, Gpr } from "../cpu/regs";
import { csReg, setRealSegment, setVm86Segment, ssReg } from "../cpu/segments";
import { directCodeOk, levelOf, readGateCode, setCode, targetOk } from "./code-segment";
import { updateMode } from "./modes";
import { commitStack, currentView, openInnerStack, openStack, openTss64Stack, pushSized, StackView } from "./stack";
import { segR } from "../mmu/access";
import { failGp, failSelector, markAccessed, readDescriptor, readUpperHalf } from "./tables";
import { switchTask, switchThroughTaskGate, TaskReason } from "./tasks";

/** JMP selector:offset. */
export function farJump(cpu: Vcpu, selector: u32, offset: u64, nextRip: u64): bool {
  if (!isProtected(cpu)) return enterRealCode(cpu, selector, offset);
  if (!(selector & 0xfffc)) return failGp(cpu);
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  if (!(descType(desc) & 16)) return jumpToSystem(cpu, selector, desc, nextRip);
  if (!directCodeOk(cpu, selector, desc) || !targetOk(cpu, desc, offset)) return false;
  if (!markAccessed(cpu, lin, desc)) return false;
  return enter(cpu, selector, desc, cpu.cpl, offset);
}

/** CALL selector:offset with an operand size of `size` bytes; `nextRip` is the return address. */
export function farCall(cpu: Vcpu, selector: u32, offset: u64, size: u32, nextRip: u64): bool {
  if (!isProtected(cpu)) {
    const v = openStack(cpu);
    if (!pushReturn(cpu, v, size, nextRip)) return false;
    if (!enterRealCode(cpu, selector, offset)) return false;
    commitStack(cpu, v);
    return true;
  }
  if (!(selector & 0xfffc)) return failGp(cpu);
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  if (!(descType(desc) & 16)) return callSystem(cpu, selector, desc, nextRip);
  if (!directCodeOk(cpu, selector, desc)) return false;
  return callSameLevel(cpu, selector, desc, lin, offset, size, nextRip);
}

/** Loads CS:RIP in real and virtual-8086 mode. */
export function enterRealCode(cpu: Vcpu, selector: u32, offset: u64): bool {
  if (offset > <u64>csReg(cpu).limit) return failGp(cpu);
  if (isVm86(cpu)) setVm86Segment(cpu, SegIndex.CS, selector);
  else setRealSegment(cpu, SegIndex.CS, selector);
  cpu.rip = offset;
  return true;
}

function enter(cpu: Vcpu, selector: u32, desc: u64, cpl: u32, rip: u64): bool {
  setCode(cpu, selector, desc, cpl);
  cpu.rip = rip;
  updateMode(cpu);
  return true;
}

function pushReturn(cpu: Vcpu, v: StackView, size: u32, nextRip: u64): bool {
  return pushSized(cpu, v, size, csReg(cpu).selector) && pushSized(cpu, v, size, nextRip);
}

function callSameLevel(cpu: Vcpu, sel: u32, desc: u64, lin: u64, offset: u64, size: u32, nextRip: u64): bool {
  const v = openStack(cpu);
  if (!pushReturn(cpu, v, size, nextRip)) return false;
  if (!targetOk(cpu, desc, offset) || !markAccessed(cpu, lin, desc)) return false;
  commitStack(cpu, v);
  return enter(cpu, sel, desc, cpu.cpl, offset);
}

/** Whether the current level and the selector's RPL may use a gate or TSS. */
function gateOk(cpu: Vcpu, selector: u32, desc: u64): bool {
  const dpl = descDpl(desc);
  return dpl >= <u32>cpu.cpl && dpl >= (selector & 3);
}

/** JMP to a call gate, task gate or TSS. */
function jumpToSystem(cpu: Vcpu, selector: u32, gate: u64, nextRip: u64): bool {
  const type = descType(gate);
  if (!isCallGate(cpu, type)) return transferToTask(cpu, selector, gate, TaskReason.JUMP, nextRip);
  if (!checkCallGate(cpu, selector, gate)) return false;
  const target = gateSelector(gate);
  const offset = gateTarget(cpu, gate, type);
  if (!readGateCode(cpu, target, true)) return false;
  const desc = cpu.descLow;
  if (!targetOk(cpu, desc, offset) || !markAccessed(cpu, cpu.descLin, desc)) return false;
  return enter(cpu, target, desc, cpu.cpl, offset);
}

function isCallGate(cpu: Vcpu, type: u32): bool {
  return type == SystemType.CALL32 || (type == SystemType.CALL16 && !isLong(cpu));
}

/** Rights and presence of a call gate; in long mode reads its upper half. */
function checkCallGate(cpu: Vcpu, selector: u32, gate: u64): bool {
  if (!gateOk(cpu, selector, gate)) return failSelector(cpu, Vector.GP, selector);
  if (!readUpperHalf(cpu, selector, Vector.GP)) return false;
  return descPresent(gate) || failSelector(cpu, Vector.NP, selector);
}

function gateTarget(cpu: Vcpu, gate: u64, type: u32): u64 {
  const low = gateOffset(gate, type == SystemType.CALL32);
  return isLong(cpu) ? low | (cpu.descHigh << 32) : low;
}

/** CALL to a call gate, task gate or TSS. */
function callSystem(cpu: Vcpu, selector: u32, gate: u64, nextRip: u64): bool {
  const type = descType(gate);
  if (!isCallGate(cpu, type)) return transferToTask(cpu, selector, gate, TaskReason.CALL, nextRip);
  if (!checkCallGate(cpu, selector, gate)) return false;
  const target = gateSelector(gate);
  const offset = gateTarget(cpu, gate, type);
  const size: u32 = isLong(cpu) ? 8 : type == SystemType.CALL32 ? 4 : 2;
  if (!readGateCode(cpu, target, false)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  if (levelOf(cpu, desc) == <u32>cpu.cpl) return callSameLevel(cpu, target, desc, lin, offset, size, nextRip);
  return callInner(cpu, target, desc, lin, offset, size, (<u32>(gate >> 32)) & 31, nextRip);
}

/** A call gate to a more privileged level: stack switch, parameters copied from the old stack. */
function callInner(cpu: Vcpu, sel: u32, desc: u64, lin: u64, offset: u64, size: u32, count: u32, nextRip: u64): bool {
  const cpl = descDpl(desc);
  const long = isLong(cpu);
  const oldSs = ssReg(cpu).selector;
  const oldSp = getReg<u64>(cpu, Gpr.RSP);
  if (!(long ? openTss64Stack(cpu, cpl, cpl) : openInnerStack(cpu, cpl))) return false;
  const v = currentView(cpu);
  if (!pushSized(cpu, v, size, oldSs) || !pushSized(cpu, v, size, oldSp)) return false;
  if (!long && !copyParameters(cpu, size, count)) return false;
  if (!pushReturn(cpu, v, size, nextRip)) return false;
  if (!targetOk(cpu, desc, offset) || !markAccessed(cpu, lin, desc)) return false;
  commitStack(cpu, v);
  return enter(cpu, sel, desc, cpl, offset);
}

/** Copies `count` parameters of `size` bytes from the current stack to the inner one, deepest first. */
function copyParameters(cpu: Vcpu, size: u32, count: u32): bool {
  const mask: u64 = cpu.modeKey & ModeKey.STACK32 ? 0xffffffff : 0xffff;
  const sp = getReg<u64>(cpu, Gpr.RSP);
  for (let i = count; i > 0; i--) {
    const p = segR(cpu, SegIndex.SS, (sp + <u64>((i - 1) * size)) & mask, size);
    if (p == 0) return false;
    const value = size == 4 ? <u64>load<u32>(p) : <u64>load<u16>(p);
    if (!pushSized(cpu, currentView(cpu), size, value)) return false;
  }
  return true;
}

/** JMP or CALL to a TSS or through a task gate. */
function transferToTask(cpu: Vcpu, selector: u32, desc: u64, reason: u32, nextRip: u64): bool {
  const type = descType(desc);
  const gate = type == SystemType.TASK_GATE;
  const tss = type == SystemType.TSS16 || type == SystemType.TSS32;
  if (isLong(cpu) || (!gate && !tss) || !gateOk(cpu, selector, desc)) return failSelector(cpu, Vector.GP, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  cpu.rip = nextRip;
  if (gate) return switchThroughTaskGate(cpu, gateSelector(desc), reason);
  return switchTask(cpu, selector, desc, cpu.descLin, reason);
}
