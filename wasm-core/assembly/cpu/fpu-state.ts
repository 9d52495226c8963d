/**
 * x87 state outside the instructions: reset values, tag words, and what may block x87, MMX and SSE instructions.
 * [SDM] vol. 1, 8.1; vol. 3A, 2.5, 9.2.
 *
 * Two simplifications that no guest of today can see: the tag word in the vCPU knows only valid (0) and empty (3), its
 * finer values are computed when it is stored, as processors have done since the P6; and CR0.NE = 0, which would report errors through the
 * interrupt controller (FERR#, IRQ 13), is treated like NE = 1: #MF.
 */
import { FpuBlock, Vcpu, VcpuOff } from "../gen/layout";
import { Cr0, Cr4 } from "./control-bits";

/** Bits of the status word. The exception flags are those of Fp. */
export namespace Fsw {
  export const FLAGS: u32 = 0x3f;
  /** stack fault */
  export const SF: u32 = 0x40;
  /** exception summary: an unmasked flag is set */
  export const ES: u32 = 0x80;
  export const C0: u32 = 0x100;
  export const C1: u32 = 0x200;
  export const C2: u32 = 0x400;
  export const TOP_SHIFT: u32 = 11;
  export const TOP_MASK: u32 = 0x3800;
  export const C3: u32 = 0x4000;
  export const CC: u32 = 0x4700;
  /** busy: equals ES */
  export const B: u32 = 0x8000;
}

/** FCW after FNINIT: everything masked, extended precision, round to nearest. */
export const FCW_INIT: u16 = 0x037f;
/** FCW bits that exist; bit 6 always reads as one. */
export const FCW_MASK: u16 = 0x1f3f;
export const FCW_ONE: u16 = 0x0040;
export const TAGS_EMPTY: u16 = 0xffff;

/** Recomputes fpuBlocked and sseBlocked. Call it after any change of CR0, CR4, FCW or FSW. */
export function updateFpuBlocked(cpu: Vcpu): void {
  const cr0 = cpu.cr0;
  const em = (cr0 & Cr0.EM) != 0;
  const ts = (cr0 & Cr0.TS) != 0;
  const pending = (cpu.fsw & Fsw.ES) != 0;
  const unavailable = ts ? FpuBlock.NM : FpuBlock.NONE;
  cpu.fpuBlocked = <u8>(em ? FpuBlock.UD : ts ? FpuBlock.NM : pending ? FpuBlock.MF : FpuBlock.NONE);
  cpu.sseBlocked = <u8>(em || (cpu.cr4 & Cr4.OSFXSR) == 0 ? FpuBlock.UD : unavailable);
}

/** Makes ES and B agree with the flags and masks, after a load of FCW or FSW. */
export function updateFpuSummary(cpu: Vcpu): void {
  const fsw = <u32>cpu.fsw;
  const unmasked = (fsw & ~(<u32>cpu.fcw) & Fsw.FLAGS) != 0;
  cpu.fsw = <u16>(unmasked ? fsw | Fsw.ES | Fsw.B : fsw & ~(Fsw.ES | Fsw.B));
  updateFpuBlocked(cpu);
}

/** FCW as the processor keeps it: reserved bits do not stick. */
@inline
export function legalFcw(value: u16): u16 {
  return (value & FCW_MASK) | FCW_ONE;
}

/** FNINIT: everything but the registers' contents. */
export function fpuInit(cpu: Vcpu): void {
  cpu.fcw = FCW_INIT;
  cpu.fsw = 0;
  cpu.ftw = TAGS_EMPTY;
  cpu.fop = 0;
  cpu.fip = 0;
  cpu.fdp = 0;
  cpu.fcs = 0;
  cpu.fds = 0;
  updateFpuBlocked(cpu);
}

/** Address of physical register `n`. */
@inline
export function fprSlot(cpu: Vcpu, n: u32): usize {
  return changetype<usize>(cpu) + VcpuOff.fpr + ((<usize>n) << 4);
}

/** Tag of the contents of physical register `n`: 0 valid, 1 zero, 2 special (NaN, infinity, denormal, unsupported). */
function contentTag(cpu: Vcpu, n: u32): u32 {
  const slot = fprSlot(cpu, n);
  const sig = load<u64>(slot);
  const exp = load<u16>(slot, 8) & 0x7fff;
  if (exp == 0 && sig == 0) return 1;
  return exp == 0 || exp == 0x7fff || <i64>sig >= 0 ? 2 : 0;
}

/** The full tag word, as FNSTENV stores it. */
export function fullTagWord(cpu: Vcpu): u32 {
  let tags: u32 = cpu.ftw;
  for (let n: u32 = 0; n < 8; n++) {
    if (((tags >> (n * 2)) & 3) != 3) tags = (tags & ~(3 << (n * 2))) | (contentTag(cpu, n) << (n * 2));
  }
  return tags;
}

/** Takes a full tag word. */
export function setFullTagWord(cpu: Vcpu, tags: u32): void {
  let kept: u32 = 0;
  for (let n: u32 = 0; n < 16; n += 2) if (((tags >> n) & 3) == 3) kept |= 3 << n;
  cpu.ftw = <u16>kept;
}

/** The abridged tag word of FXSAVE and XSAVE: a bit for each register in use. */
export function abridgedTagWord(cpu: Vcpu): u32 {
  let bits: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) if (((cpu.ftw >> (<u16>(n * 2))) & 3) != 3) bits |= 1 << n;
  return bits;
}

/** Takes an abridged tag word. */
export function setAbridgedTagWord(cpu: Vcpu, bits: u32): void {
  let tags: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) if (((bits >> n) & 1) == 0) tags |= 3 << (n * 2);
  cpu.ftw = <u16>tags;
}
