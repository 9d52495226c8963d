/**
 * Event delivery in protected and virtual-8086 mode: interrupt and trap gates of 16 and 32 bits, stack switches by the
 * TSS, task gates. [SDM] vol. 3A, 6.12; vol. 2, "INT n".
 */
import { SegIndex, Vcpu } from "../gen/layout";
import { descDpl, descPresent, descType, gateOffset, gateSelector, SystemType } from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { isVm86 } from "../cpu/modes";
import { getReg, Gpr, segReg } from "../cpu/regs";
import { csReg, setNullSegment, ssReg } from "../cpu/segments";
import { sysR } from "../mmu/slow";
import { levelOf, readGateCode, setCode, targetOk } from "./code-segment";
import { EventKind } from "./event-kind";
import { setFlags, updateMode } from "./modes";
import { commitStack, currentView, openInnerStack, openStack, pushSized, StackView } from "./stack";
import { failGate, failSelector, markAccessed } from "./tables";
import { switchThroughTaskGate, TaskReason } from "./tasks";

export function deliverLegacy(cpu: Vcpu, vector: u32, kind: u32, hasError: bool, error: u32): bool {
  const at = vector << 3;
  if (at + 7 > cpu.idtrLimit) return failGate(cpu, Vector.GP, vector);
  const p = sysR(cpu, (cpu.idtrBase + <u64>at) & 0xffffffff, 8);
  if (p == 0) return false;
  const gate = load<u64>(p);
  const type = descType(gate);
  const plain = (type & 0x16) == SystemType.INTERRUPT16;
  if (!plain && type != SystemType.TASK_GATE) return failGate(cpu, Vector.GP, vector);
  if (kind != EventKind.EXTERNAL && descDpl(gate) < <u32>cpu.cpl) return failGate(cpu, Vector.GP, vector);
  if (!descPresent(gate)) return failGate(cpu, Vector.NP, vector);
  if (!plain) return deliverTask(cpu, gateSelector(gate), hasError, error);
  return deliverGate(cpu, gate, type, hasError, error);
}

/** A task gate: the error code goes on the new task's stack. */
function deliverTask(cpu: Vcpu, selector: u32, hasError: bool, error: u32): bool {
  if (!switchThroughTaskGate(cpu, selector, TaskReason.EVENT)) return false;
  if (!hasError) return true;
  const size: u32 = (<u32>segReg(cpu, SegIndex.TR).attr) & 8 ? 4 : 2;
  const v = openStack(cpu);
  if (!pushSized(cpu, v, size, <u64>error)) return false;
  commitStack(cpu, v);
  return true;
}

function deliverGate(cpu: Vcpu, gate: u64, type: u32, hasError: bool, error: u32): bool {
  const size: u32 = type & 8 ? 4 : 2;
  const selector = gateSelector(gate);
  if (!readGateCode(cpu, selector, false)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  const rip = gateOffset(gate, size == 4);
  const cpl = levelOf(cpu, desc);
  const vm86 = isVm86(cpu);
  // Virtual-8086 mode is left for level 0 only.
  if (vm86 && cpl != 0) return failSelector(cpu, Vector.GP, selector);
  const inner = cpl != <u32>cpu.cpl;
  if (inner && !openInnerStack(cpu, cpl)) return false;
  const v = inner ? currentView(cpu) : openStack(cpu);
  if (inner && !pushOldStack(cpu, v, size, vm86)) return false;
  if (!pushSized(cpu, v, size, readFlags(cpu)) || !pushSized(cpu, v, size, csReg(cpu).selector)) return false;
  if (!pushSized(cpu, v, size, cpu.rip)) return false;
  if (hasError && !pushSized(cpu, v, size, <u64>error)) return false;
  if (!targetOk(cpu, desc, rip) || !markAccessed(cpu, lin, desc)) return false;
  commitStack(cpu, v);
  if (vm86) dropVm86Segments(cpu);
  setCode(cpu, selector, desc, cpl);
  cpu.rip = rip;
  const off = Flag.TF | Flag.NT | Flag.RF | Flag.VM | (type & 1 ? 0 : Flag.IF);
  setFlags(cpu, readFlags(cpu) & ~off);
  updateMode(cpu);
  return true;
}

function pushOldStack(cpu: Vcpu, v: StackView, size: u32, vm86: bool): bool {
  if (vm86) {
    if (!pushSized(cpu, v, size, segReg(cpu, SegIndex.GS).selector)) return false;
    if (!pushSized(cpu, v, size, segReg(cpu, SegIndex.FS).selector)) return false;
    if (!pushSized(cpu, v, size, segReg(cpu, SegIndex.DS).selector)) return false;
    if (!pushSized(cpu, v, size, segReg(cpu, SegIndex.ES).selector)) return false;
  }
  return pushSized(cpu, v, size, ssReg(cpu).selector) && pushSized(cpu, v, size, getReg<u64>(cpu, Gpr.RSP));
}

function dropVm86Segments(cpu: Vcpu): void {
  setNullSegment(cpu, SegIndex.GS, 0);
  setNullSegment(cpu, SegIndex.FS, 0);
  setNullSegment(cpu, SegIndex.DS, 0);
  setNullSegment(cpu, SegIndex.ES, 0);
}
