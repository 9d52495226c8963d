/**
 * Event delivery in long mode: 16-byte gates, a 64-bit handler, always SS:RSP on the frame, interrupt stack table.
 * [SDM] vol. 3A, 6.14.
 */
import { Vcpu } from "../gen/layout";
import { descDpl, descPresent, descType, gateOffset, gateSelector, SystemType } from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { getReg, Gpr } from "../cpu/regs";
import { csReg, ssReg } from "../cpu/segments";
import { linW, memDone } from "../mmu/access";
import { isCanonical } from "../mmu/canonical";
import { sysR, sysW } from "../mmu/slow";
import { levelOf, readGateCode, setCode } from "./code-segment";
import { EventKind } from "./event-kind";
import { setFlags, updateMode } from "./modes";
import { commitStack, currentView, openLongStack, openTss64Stack } from "./stack";
import { failGate, failGp, failSelector, markAccessed } from "./tables";

export function deliverLong(cpu: Vcpu, vector: u32, kind: u32, hasError: bool, error: u32): bool {
  const at = vector << 4;
  if (at + 15 > cpu.idtrLimit) return failGate(cpu, Vector.GP, vector);
  const p = sysR(cpu, cpu.idtrBase + <u64>at, 16);
  if (p == 0) return false;
  const gate = load<u64>(p);
  const rip = gateOffset(gate, true) | (load<u64>(p, 8) << 32);
  const type = descType(gate);
  if (type != SystemType.INTERRUPT32 && type != SystemType.TRAP32) return failGate(cpu, Vector.GP, vector);
  if (kind != EventKind.EXTERNAL && descDpl(gate) < <u32>cpu.cpl) return failGate(cpu, Vector.GP, vector);
  if (!descPresent(gate)) return failGate(cpu, Vector.NP, vector);
  const selector = gateSelector(gate);
  if (!readGateCode(cpu, selector, false)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  const cpl = levelOf(cpu, desc);
  if (!openHandlerStack(cpu, (<u32>(gate >> 32)) & 7, cpl)) return false;
  if (!isCanonical(rip)) return failGp(cpu);
  if (!markAccessed(cpu, lin, desc) || !pushFrame(cpu, hasError, error)) return false;
  commitStack(cpu, currentView(cpu));
  setCode(cpu, selector, desc, cpl);
  cpu.rip = rip;
  const off = Flag.TF | Flag.NT | Flag.RF | Flag.VM | (type == SystemType.INTERRUPT32 ? Flag.IF : 0);
  setFlags(cpu, readFlags(cpu) & ~off);
  updateMode(cpu);
  return true;
}

/** The handler's stack, aligned to 16 bytes: from the interrupt stack table, the TSS, or the present one. */
function openHandlerStack(cpu: Vcpu, ist: u32, cpl: u32): bool {
  if (ist != 0) {
    if (!openTss64Stack(cpu, 3 + ist, cpl)) return false;
  } else if (cpl != <u32>cpu.cpl) {
    if (!openTss64Stack(cpu, cpl, cpl)) return false;
  } else {
    openLongStack(cpu, getReg<u64>(cpu, Gpr.RSP), cpl);
  }
  const v = currentView(cpu);
  v.sp &= ~15;
  return true;
}

/** Writes the whole frame through one door. */
function pushFrame(cpu: Vcpu, hasError: bool, error: u32): bool {
  const v = currentView(cpu);
  const size: u32 = hasError ? 48 : 40;
  const sp = v.sp - <u64>size;
  if (!isCanonical(sp) || !isCanonical(v.sp - 1)) return failSelector(cpu, Vector.SS, 0);
  const p = v.inner ? sysW(cpu, sp, size) : linW(cpu, sp, size, true);
  if (p == 0) return false;
  let q = p;
  if (hasError) {
    store<u64>(q, <u64>error);
    q += 8;
  }
  store<u64>(q, cpu.rip);
  store<u64>(q, csReg(cpu).selector, 8);
  store<u64>(q, readFlags(cpu), 16);
  store<u64>(q, getReg<u64>(cpu, Gpr.RSP), 24);
  store<u64>(q, ssReg(cpu).selector, 32);
  memDone(cpu, p);
  v.sp = sp;
  return true;
}
