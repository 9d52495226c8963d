/**
 * The floating-point status word every soft-float function works under: a u32 in memory at `st`, laid out as MXCSR.
 * Callers copy MXCSR (or build one from the x87 control word), run the operation, and look at the flags it added.
 * The bits above 15 do not exist in MXCSR: they carry what only x87 has. [SDM] 1 10.2.3, 8.1.5
 *
 *    19  18  17:16  15   14:13  12:7   6    5  4  3  2  1  0
 *    DIN C1  PC     FTZ  RC     masks  DAZ  PE UE OE ZE DE IE
 */

/** Bits of the status word. */
export namespace Fp {
  export const IE: u32 = 0x01;
  export const DE: u32 = 0x02;
  export const ZE: u32 = 0x04;
  export const OE: u32 = 0x08;
  export const UE: u32 = 0x10;
  export const PE: u32 = 0x20;
  export const FLAGS: u32 = 0x3f;
  export const DAZ: u32 = 0x40;
  export const MASKS: u32 = 0x1f80;
  export const MASK_SHIFT: u32 = 7;
  export const UM: u32 = 0x800;
  export const OM: u32 = 0x400;
  export const PM: u32 = 0x1000;
  export const RC_SHIFT: u32 = 13;
  export const RC_MASK: u32 = 0x6000;
  export const FTZ: u32 = 0x8000;
  /** x87 precision control: 0 single, 2 double, 3 extended */
  export const PC_SHIFT: u32 = 16;
  /** x87: the last rounding increased the magnitude */
  export const C1: u32 = 0x40000;
  /** x87: a memory operand was a denormal before its exact conversion; the operation turns it into DE */
  export const DIN: u32 = 0x80000;
}

/** Rounding control, as in MXCSR, FCW and the immediate of ROUNDSD. */
export namespace Rc {
  export const NEAREST: u32 = 0;
  export const DOWN: u32 = 1;
  export const UP: u32 = 2;
  export const ZERO: u32 = 3;
}

@inline
export function roundingOf(status: u32): u32 {
  return (status >> Fp.RC_SHIFT) & 3;
}

/** Accumulates exception flags. */
@inline
export function raiseFp(st: usize, flags: u32): void {
  store<u32>(st, load<u32>(st) | flags);
}

/** Accumulates flags; true when one of them is unmasked, so that a pre-computation fault ends the operation. */
@inline
export function raiseStops(st: usize, flags: u32): bool {
  const status = load<u32>(st) | flags;
  store<u32>(st, status);
  return (flags & ~(status >> Fp.MASK_SHIFT)) != 0;
}

/** What to add to a significand before its low bits (`mask`) are dropped. */
@inline
export function roundIncrement(rc: u32, sign: u32, mask: u64): u64 {
  if (rc == Rc.NEAREST) return (mask >> 1) + 1;
  if (rc == Rc.ZERO) return 0;
  return (rc == Rc.UP) == (sign == 0) ? mask : 0;
}
