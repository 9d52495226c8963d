/**
 * FXSAVE and FXRSTOR, the legacy region of an XSAVE area, LDMXCSR and STMXCSR. [SDM] vol. 1, 10.5; vol. 2, FXSAVE.
 *
 *   0     2     4     5  6     8            16           24      28           32          160           416  512
 *   +-----+-----+-----+--+-----+------------+------------+-------+------------+-----------+-------------+----+
 *   | FCW | FSW | FTW |  | FOP | FIP [:FCS] | FDP [:FDS] | MXCSR | MXCSR_MASK | ST0 - ST7 | XMM0 - XMM15|    |
 *   +-----+-----+-----+--+-----+------------+------------+-------+------------+-----------+-------------+----+
 *
 * FTW is abridged, a bit for each physical register that is not empty. With REX.W the pointers are 64-bit offsets. The
 * last 96 bytes are software's; outside 64-bit mode XMM8-XMM15 are neither saved nor restored.
 */
import { FPR_STRIDE, Status, VEC_STRIDE, Vcpu, VcpuOff } from "../gen/layout";
import { Cr0 } from "../cpu/control-bits";
import {
  FCW_INIT,
  TAGS_EMPTY,
  abridgedTagWord,
  fprSlot,
  fpuInit,
  legalFcw,
  setAbridgedTagWord,
  updateFpuSummary,
} from "../cpu/fpu-state";
import { Vector, raise, raiseError } from "../cpu/faults";
import { is64 } from "../cpu/modes";
import { Rec } from "../decode/record";
import { memAddr, memSeg } from "../mmu/access";
import { alignedArea, get128, probeArea, put128, put64 } from "./save-area";

export const MXCSR_INIT: u32 = 0x1f80;
export const MXCSR_MASK: u32 = 0xffff;
export const LEGACY_SIZE: u32 = 512;

export namespace Legacy {
  export const FDP: u64 = 16;
  export const MXCSR: u64 = 24;
  export const ST: u64 = 32;
  export const XMM: u64 = 160;
}

const FOP_MASK: u16 = 0x7ff;
/** Sign and exponent: the used half of a register's upper eight bytes. */
const F80_HIGH: u64 = 0xffff;

@inline
function vec(cpu: Vcpu, n: u32): usize {
  return changetype<usize>(cpu) + VcpuOff.vec + <usize>n * VEC_STRIDE;
}

@inline
function top(cpu: Vcpu): u32 {
  return (cpu.fsw >> 11) & 7;
}

/** x87 state into the area, bytes 0-23 and 32-159. `wide` is REX.W. */
export function saveX87(cpu: Vcpu, seg: u32, off: u64, wide: bool): bool {
  const words = (<u64>cpu.fcw) | ((<u64>cpu.fsw) << 16) | ((<u64>abridgedTagWord(cpu)) << 32) | ((<u64>cpu.fop) << 48);
  const fip = wide ? cpu.fip : (cpu.fip & 0xffffffff) | ((<u64>cpu.fcs) << 32);
  const fdp = wide ? cpu.fdp : (cpu.fdp & 0xffffffff) | ((<u64>cpu.fds) << 32);
  if (!put128(cpu, seg, off, words, fip) || !put64(cpu, seg, off + Legacy.FDP, fdp)) return false;
  for (let i: u32 = 0; i < 8; i++) {
    const p = fprSlot(cpu, (top(cpu) + i) & 7);
    if (!put128(cpu, seg, off + Legacy.ST + (i << 4), load<u64>(p), load<u64>(p, 8) & F80_HIGH)) return false;
  }
  return true;
}

/** x87 state from the area. FCS and FDS are not kept (CPUID.7.0:EBX bit 13). */
export function loadX87(cpu: Vcpu, seg: u32, off: u64, wide: bool): bool {
  let p = get128(cpu, seg, off);
  if (p == 0) return false;
  const words = load<u64>(p);
  const fip = load<u64>(p, 8);
  p = get128(cpu, seg, off + Legacy.FDP);
  if (p == 0) return false;
  const fdp = load<u64>(p);
  cpu.fcw = legalFcw(<u16>words);
  cpu.fsw = <u16>(words >> 16);
  setAbridgedTagWord(cpu, (<u32>(words >> 32)) & 0xff);
  cpu.fop = (<u16>(words >> 48)) & FOP_MASK;
  cpu.fip = wide ? fip : fip & 0xffffffff;
  cpu.fdp = wide ? fdp : fdp & 0xffffffff;
  updateFpuSummary(cpu);
  for (let i: u32 = 0; i < 8; i++) {
    p = get128(cpu, seg, off + Legacy.ST + (i << 4));
    if (p == 0) return false;
    const slot = fprSlot(cpu, (top(cpu) + i) & 7);
    store<u64>(slot, load<u64>(p));
    store<u64>(slot, load<u64>(p, 8) & F80_HIGH, 8);
  }
  return true;
}

export function initX87(cpu: Vcpu): void {
  fpuInit(cpu);
  memory.fill(fprSlot(cpu, 0), 0, 8 * FPR_STRIDE);
}

/** False in the initial configuration. */
export function x87InUse(cpu: Vcpu): bool {
  if (cpu.fcw != FCW_INIT || cpu.fsw != 0 || cpu.ftw != TAGS_EMPTY || cpu.fop != 0) return true;
  if ((cpu.fip | cpu.fdp | (<u64>cpu.fcs) | (<u64>cpu.fds)) != 0) return true;
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const p = fprSlot(cpu, i);
    low |= load<u64>(p);
    high |= load<u64>(p, 8) & F80_HIGH;
  }
  return (low | high) != 0;
}

@inline
function xmmCount(cpu: Vcpu): u32 {
  return is64(cpu) ? 16 : 8;
}

/** XMM registers into the area. */
export function saveXmm(cpu: Vcpu, seg: u32, off: u64): bool {
  for (let i: u32 = 0; i < xmmCount(cpu); i++) {
    const p = vec(cpu, i);
    if (!put128(cpu, seg, off + Legacy.XMM + (i << 4), load<u64>(p), load<u64>(p, 8))) return false;
  }
  return true;
}

export function loadXmm(cpu: Vcpu, seg: u32, off: u64): bool {
  for (let i: u32 = 0; i < xmmCount(cpu); i++) {
    const p = get128(cpu, seg, off + Legacy.XMM + (i << 4));
    if (p == 0) return false;
    v128.store(vec(cpu, i), v128.load(p));
  }
  return true;
}

export function initXmm(cpu: Vcpu): void {
  for (let i: u32 = 0; i < xmmCount(cpu); i++) v128.store(vec(cpu, i), i64x2.splat(0));
}

export function xmmInUse(cpu: Vcpu): bool {
  let any = i64x2.splat(0);
  for (let i: u32 = 0; i < 16; i++) any = v128.or(any, v128.load(vec(cpu, i)));
  return v128.any_true(any);
}

export function saveMxcsr(cpu: Vcpu, seg: u32, off: u64): bool {
  return put64(cpu, seg, off + Legacy.MXCSR, (<u64>cpu.mxcsr) | ((<u64>MXCSR_MASK) << 32));
}

/** Sets MXCSR; #GP(0) and false when a reserved bit is set. */
export function setMxcsr(cpu: Vcpu, v: u32): bool {
  if ((v & ~MXCSR_MASK) != 0) {
    raiseError(cpu, Vector.GP, 0);
    return false;
  }
  cpu.mxcsr = v;
  return true;
}

/** MXCSR from the area; false after a fault. */
export function loadMxcsr(cpu: Vcpu, seg: u32, off: u64): bool {
  const p = get128(cpu, seg, off + Legacy.FDP);
  return p != 0 && setMxcsr(cpu, load<u32>(p, 8));
}

/** T is u64 with REX.W. */
export function fxsave<T>(cpu: Vcpu, rec: Rec): i32 {
  if ((cpu.cr0 & (Cr0.EM | Cr0.TS)) != 0) return raise(cpu, Vector.NM);
  const seg = memSeg(rec);
  const off = memAddr(cpu, rec);
  const wide = sizeof<T>() == 8;
  if (!alignedArea(cpu, seg, off, 16) || !probeArea(cpu, seg, off, LEGACY_SIZE, true)) return Status.FAULT;
  const done = saveX87(cpu, seg, off, wide) && saveMxcsr(cpu, seg, off) && saveXmm(cpu, seg, off);
  return done ? Status.NEXT : Status.FAULT;
}

export function fxrstor<T>(cpu: Vcpu, rec: Rec): i32 {
  if ((cpu.cr0 & (Cr0.EM | Cr0.TS)) != 0) return raise(cpu, Vector.NM);
  const seg = memSeg(rec);
  const off = memAddr(cpu, rec);
  const wide = sizeof<T>() == 8;
  if (!alignedArea(cpu, seg, off, 16) || !probeArea(cpu, seg, off, LEGACY_SIZE, false)) return Status.FAULT;
  const done = loadMxcsr(cpu, seg, off) && loadX87(cpu, seg, off, wide) && loadXmm(cpu, seg, off);
  return done ? Status.NEXT : Status.FAULT;
}

export function ldmxcsr(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return setMxcsr(cpu, v) ? Status.NEXT : Status.FAULT;
}

export function stmxcsr(cpu: Vcpu): u32 {
  return cpu.mxcsr;
}
