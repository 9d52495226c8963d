/**
 * Segment and gate descriptors as numbers. [SDM] vol. 3A, 3.4.5 and 6.11.
 *
 *   63      56 55   52 51    48 47    40 39              16 15             0
 *   +---------+-------+--------+--------+------------------+----------------+
 *   | base    | G D L A  limit | P DPL S| base 23:0        | limit 15:0     |  segment
 *   | 31:24   |       | 19:16  | type   |                  |                |
 *   +---------+-------+--------+--------+------------------+----------------+
 *   | offset 31:16             | P DPL S| (count, IST)     | selector       |  gate; the offset's low half is in 15:0
 *   +--------------------------+--------+------------------+----------------+
 */

/** Types of system descriptors (S = 0). */
export namespace SystemType {
  export const TSS16: u32 = 1;
  export const LDT: u32 = 2;
  export const TSS16_BUSY: u32 = 3;
  export const CALL16: u32 = 4;
  export const TASK_GATE: u32 = 5;
  export const INTERRUPT16: u32 = 6;
  export const TRAP16: u32 = 7;
  /** 64-bit TSS in long mode */
  export const TSS32: u32 = 9;
  export const TSS32_BUSY: u32 = 11;
  /** 64-bit call gate in long mode */
  export const CALL32: u32 = 12;
  export const INTERRUPT32: u32 = 14;
  export const TRAP32: u32 = 15;
}

@inline
export function descBase(d: u64): u64 {
  return ((d >> 16) & 0xffffff) | ((d >> 32) & 0xff000000);
}

/** Limit in bytes, granularity applied. */
export function descLimit(d: u64): u32 {
  const raw = ((<u32>d) & 0xffff) | ((<u32>(d >> 32)) & 0xf0000);
  return d & ((<u64>1) << 55) ? (raw << 12) | 0xfff : raw;
}

/** The attributes as SegmentReg.attr holds them. */
@inline
export function descAttr(d: u64): u32 {
  return ((<u32>(d >> 40)) & 0xff) | ((<u32>(d >> 44)) & 0xf00);
}

/** Type and S: 0-15 for system descriptors, 16-31 for code and data. */
@inline
export function descType(d: u64): u32 {
  return (<u32>(d >> 40)) & 0x1f;
}

@inline
export function descDpl(d: u64): u32 {
  return (<u32>(d >> 45)) & 3;
}

@inline
export function descPresent(d: u64): bool {
  return (d & ((<u64>1) << 47)) != 0;
}

@inline
export function descIsCode(d: u64): bool {
  return ((<u32>(d >> 40)) & 0x18) == 0x18;
}

@inline
export function descConforming(d: u64): bool {
  return (d & ((<u64>1) << 42)) != 0;
}

@inline
export function descLong(d: u64): bool {
  return (d & ((<u64>1) << 53)) != 0;
}

@inline
export function descBig(d: u64): bool {
  return (d & ((<u64>1) << 54)) != 0;
}

/** A data segment that can be written: what SS needs. */
@inline
export function descIsStack(d: u64): bool {
  return ((<u32>(d >> 40)) & 0x1a) == 0x12;
}

/** Offset of a 16- or 32-bit gate. */
export function gateOffset(d: u64, wide: bool): u64 {
  const low = d & 0xffff;
  return wide ? low | ((d >> 32) & 0xffff0000) : low;
}

@inline
export function gateSelector(d: u64): u32 {
  return (<u32>(d >> 16)) & 0xffff;
}
