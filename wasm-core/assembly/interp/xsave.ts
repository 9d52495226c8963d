/**
 * XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS, XGETBV, XSETBV. [SDM] vol. 1, 13.
 *
 * An area is the FXSAVE image (fxsave.ts), a 64-byte header (XSTATE_BV, XCOMP_BV, 48 reserved bytes), then the extended
 * components. All but XSAVE do the init optimisation; the modified optimisation, whose absence cannot be told, is not
 * done. State components are numbered as in XCR0; saveComponents, restoreComponents and xinuse know each of them.
 */
import { Status, Vcpu } from "../gen/layout";
import { Cr0, Cr4 } from "../cpu/control-bits";
import { Vector, raise, raiseError } from "../cpu/faults";
import { Gpr, getReg, setReg } from "../cpu/regs";
import { Rec } from "../decode/record";
import { memAddr, memSeg } from "../mmu/access";
import { alignedArea, get128, probeArea, put64 } from "./save-area";
import {
  LEGACY_SIZE,
  MXCSR_INIT,
  initX87,
  initXmm,
  loadMxcsr,
  loadX87,
  loadXmm,
  saveMxcsr,
  saveX87,
  saveXmm,
  x87InUse,
  xmmInUse,
} from "./fxsave";

export namespace Xcr0 {
  export const X87: u64 = 1;
  export const SSE: u64 = 2;
  /** Components this processor has. */
  export const SUPPORTED: u64 = 3;
}

const HEADER_SIZE: u32 = 64;
const XSTATE_BV: u64 = 512;
const XCOMP_BV: u64 = 520;
/** XCOMP_BV bit 63 */
const COMPACTED: u64 = 0x8000000000000000;

/** Bytes of the area up to its extended components: all there is to x87 and SSE. CPUID leaf 0DH says so too. */
export const AREA_SIZE: u32 = LEGACY_SIZE + HEADER_SIZE;

/** XINUSE; an MXCSR other than its initial value counts as SSE state where the compacted forms ask. */
export function xinuse(cpu: Vcpu): u64 {
  const sse = cpu.mxcsr != MXCSR_INIT || xmmInUse(cpu);
  return (x87InUse(cpu) ? Xcr0.X87 : 0) | (sse ? Xcr0.SSE : 0);
}

/** EDX:EAX. */
function requested(cpu: Vcpu): u64 {
  return (<u64>getReg<u32>(cpu, Gpr.RAX)) | ((<u64>getReg<u32>(cpu, Gpr.RDX)) << 32);
}

/** Whether the XSAVE feature set may run; raises what says no. */
function enabled(cpu: Vcpu): bool {
  if ((cpu.cr4 & Cr4.OSXSAVE) == 0) raise(cpu, Vector.UD);
  else if ((cpu.cr0 & Cr0.TS) != 0) raise(cpu, Vector.NM);
  else return true;
  return false;
}

function fail(cpu: Vcpu): i32 {
  return raiseError(cpu, Vector.GP, 0);
}

/** Writes the components of `mask`. */
function saveComponents(cpu: Vcpu, seg: u32, off: u64, mask: u64, wide: bool): bool {
  if ((mask & Xcr0.X87) != 0 && !saveX87(cpu, seg, off, wide)) return false;
  return (mask & Xcr0.SSE) == 0 || saveXmm(cpu, seg, off);
}

/** Reads those of `load`, and puts the rest of `mask` into their initial configuration. */
function restoreComponents(cpu: Vcpu, seg: u32, off: u64, mask: u64, load: u64, wide: bool): bool {
  if ((mask & load & Xcr0.X87) != 0) {
    if (!loadX87(cpu, seg, off, wide)) return false;
  } else if ((mask & Xcr0.X87) != 0) initX87(cpu);
  if ((mask & load & Xcr0.SSE) != 0) return loadXmm(cpu, seg, off);
  if ((mask & Xcr0.SSE) != 0) initXmm(cpu);
  return true;
}

/** XSAVE and, with `optimise`, XSAVEOPT: the standard format, which keeps the XSTATE_BV bits it was not asked about. */
function saveStandard(cpu: Vcpu, rec: Rec, wide: bool, optimise: bool): i32 {
  if (!enabled(cpu)) return Status.FAULT;
  const seg = memSeg(rec);
  const off = memAddr(cpu, rec);
  if (!alignedArea(cpu, seg, off, 64) || !probeArea(cpu, seg, off, AREA_SIZE, true)) return Status.FAULT;
  const mask = cpu.xcr0 & requested(cpu);
  const p = get128(cpu, seg, off + XSTATE_BV);
  if (p == 0) return Status.FAULT;
  const before = load<u64>(p);
  const inUse = (x87InUse(cpu) ? Xcr0.X87 : 0) | (xmmInUse(cpu) ? Xcr0.SSE : 0);
  if (!saveComponents(cpu, seg, off, optimise ? mask & inUse : mask, wide)) return Status.FAULT;
  if ((mask & Xcr0.SSE) != 0 && !saveMxcsr(cpu, seg, off)) return Status.FAULT;
  return put64(cpu, seg, off + XSTATE_BV, (before & ~mask) | (mask & inUse)) ? Status.NEXT : Status.FAULT;
}

/** XSAVEC and XSAVES: the compacted format. */
function saveCompacted(cpu: Vcpu, rec: Rec, wide: bool): i32 {
  if (!enabled(cpu)) return Status.FAULT;
  const seg = memSeg(rec);
  const off = memAddr(cpu, rec);
  if (!alignedArea(cpu, seg, off, 64) || !probeArea(cpu, seg, off, AREA_SIZE, true)) return Status.FAULT;
  const mask = cpu.xcr0 & requested(cpu);
  const saved = mask & xinuse(cpu);
  if (!saveComponents(cpu, seg, off, saved, wide)) return Status.FAULT;
  if ((saved & Xcr0.SSE) != 0 && !saveMxcsr(cpu, seg, off)) return Status.FAULT;
  const done = put64(cpu, seg, off + XSTATE_BV, saved) && put64(cpu, seg, off + XCOMP_BV, mask | COMPACTED);
  return done ? Status.NEXT : Status.FAULT;
}

/** Whether bytes 63:`from` of the header are zero; a fault or #GP otherwise. */
function reservedClear(cpu: Vcpu, seg: u32, off: u64, from: u64, to: u64): bool {
  for (let at = from; at < to; at += 16) {
    const p = get128(cpu, seg, off + XSTATE_BV + at);
    if (p == 0) return false;
    if (v128.any_true(v128.load(p))) {
      fail(cpu);
      return false;
    }
  }
  return true;
}

/** Standard form: XCOMP_BV and the eight bytes after it must be zero. MXCSR is loaded whatever XSTATE_BV says. */
function restoreStandard(cpu: Vcpu, seg: u32, off: u64, xstate: u64, wide: bool): i32 {
  const p = get128(cpu, seg, off + XCOMP_BV + 8);
  if (p == 0) return Status.FAULT;
  if (load<u64>(p) != 0 || (xstate & ~cpu.xcr0) != 0) return fail(cpu);
  const mask = cpu.xcr0 & requested(cpu);
  if ((mask & Xcr0.SSE) != 0 && !loadMxcsr(cpu, seg, off)) return Status.FAULT;
  return restoreComponents(cpu, seg, off, mask, xstate, wide) ? Status.NEXT : Status.FAULT;
}

/** Compacted form: XSTATE_BV within XCOMP_BV within XCR0, and the rest of the header zero. */
function restoreCompacted(cpu: Vcpu, seg: u32, off: u64, xstate: u64, xcomp: u64, wide: bool): i32 {
  const present = xcomp & ~COMPACTED;
  if ((present & ~cpu.xcr0) != 0 || (xstate & ~present) != 0) return fail(cpu);
  if (!reservedClear(cpu, seg, off, 16, HEADER_SIZE)) return Status.FAULT;
  const mask = cpu.xcr0 & requested(cpu);
  if ((mask & xstate & Xcr0.SSE) != 0) {
    if (!loadMxcsr(cpu, seg, off)) return Status.FAULT;
  } else if ((mask & Xcr0.SSE) != 0) cpu.mxcsr = MXCSR_INIT;
  return restoreComponents(cpu, seg, off, mask, xstate, wide) ? Status.NEXT : Status.FAULT;
}

function restore(cpu: Vcpu, rec: Rec, wide: bool, compactedOnly: bool): i32 {
  if (!enabled(cpu)) return Status.FAULT;
  const seg = memSeg(rec);
  const off = memAddr(cpu, rec);
  if (!alignedArea(cpu, seg, off, 64) || !probeArea(cpu, seg, off, AREA_SIZE, false)) return Status.FAULT;
  const p = get128(cpu, seg, off + XSTATE_BV);
  if (p == 0) return Status.FAULT;
  const xstate = load<u64>(p);
  const xcomp = load<u64>(p, 8);
  if ((xcomp & COMPACTED) != 0) return restoreCompacted(cpu, seg, off, xstate, xcomp, wide);
  if (compactedOnly || xcomp != 0) return fail(cpu);
  return restoreStandard(cpu, seg, off, xstate, wide);
}

/** T is u64 with REX.W, here and below. */
export function xsave<T>(cpu: Vcpu, rec: Rec): i32 {
  return saveStandard(cpu, rec, sizeof<T>() == 8, false);
}

export function xsaveopt<T>(cpu: Vcpu, rec: Rec): i32 {
  return saveStandard(cpu, rec, sizeof<T>() == 8, true);
}

export function xsavec<T>(cpu: Vcpu, rec: Rec): i32 {
  return saveCompacted(cpu, rec, sizeof<T>() == 8);
}

/** IA32_XSS is zero: there are no supervisor components, and XSAVES is XSAVEC at CPL 0. */
export function xsaves<T>(cpu: Vcpu, rec: Rec): i32 {
  return saveCompacted(cpu, rec, sizeof<T>() == 8);
}

export function xrstor<T>(cpu: Vcpu, rec: Rec): i32 {
  return restore(cpu, rec, sizeof<T>() == 8, false);
}

export function xrstors<T>(cpu: Vcpu, rec: Rec): i32 {
  return restore(cpu, rec, sizeof<T>() == 8, true);
}

/** ECX 0: XCR0; 1: XCR0 and XINUSE. */
export function xgetbv(cpu: Vcpu, rec: Rec): i32 {
  if ((cpu.cr4 & Cr4.OSXSAVE) == 0) return raise(cpu, Vector.UD);
  const index = getReg<u32>(cpu, Gpr.RCX);
  if (index > 1) return fail(cpu);
  const v = index == 0 ? cpu.xcr0 : cpu.xcr0 & xinuse(cpu);
  setReg<u32>(cpu, Gpr.RAX, <u32>v);
  setReg<u32>(cpu, Gpr.RDX, <u32>(v >> 32));
  return Status.NEXT;
}

/** XCR0 only; x87 cannot be turned off, and nothing can be turned on that is not there. */
export function xsetbv(cpu: Vcpu, rec: Rec): i32 {
  if ((cpu.cr4 & Cr4.OSXSAVE) == 0) return raise(cpu, Vector.UD);
  const v = requested(cpu);
  if (cpu.cpl != 0 || getReg<u32>(cpu, Gpr.RCX) != 0) return fail(cpu);
  if ((v & Xcr0.X87) == 0 || (v & ~Xcr0.SUPPORTED) != 0) return fail(cpu);
  cpu.xcr0 = v;
  return Status.NEXT;
}
