/**
 * The instruction record: what the decoder leaves of one instruction, 16 bytes.
 *
 *   0        2      3     4     5     6       7    8            12           16
 *   +--------+------+-----+-----+-----+-------+----+------------+------------+
 *   | fn u16 | next | len | reg | rm  | index | ea |  disp i32  |  imm i32   |
 *   +--------+------+-----+-----+-----+-------+----+------------+------------+
 *
 * `fn` is the handler's index in the function table. General registers are byte offsets into the vCPU, other registers
 * numbers. `ea` below 4 is the scale of a plain 64-bit flat address; otherwise bits 1:0 scale, bit 2 set, bits 5:3
 * segment, bits 7:6 address size (0 = 16, 1 = 32, 2 = 64). A 64-bit immediate or moffs fills disp and imm.
 */
import { Vcpu } from "../gen/layout";

@unmanaged
export class Rec {
  fn: u16;
  next: u8;
  len: u8;
  reg: u8;
  rm: u8;
  index: u8;
  ea: u8;
  /** Bits of disp and imm. Loaded unsigned: binaryen turns an unsigned extension of a signed 32-bit load into a signed one. */
  private dispBits: u32;
  private immBits: u32;

  @inline get disp(): i32 {
    return <i32>this.dispBits;
  }

  @inline set disp(v: i32) {
    this.dispBits = <u32>v;
  }

  @inline get imm(): i32 {
    return <i32>this.immBits;
  }

  @inline set imm(v: i32) {
    this.immBits = <u32>v;
  }
}

export namespace Ea {
  /** Set when the address is not plain: a segment base or limit, or a truncated address size, applies. */
  export const FULL: u32 = 4;
  export const SEG_SHIFT: u32 = 3;
  export const ASIZE_SHIFT: u32 = 6;
}

/** Place in the function table of the `i`-th handler of a list, a StaticArray at `list`: what Rec.fn holds. */
@inline
export function placeIn(list: usize, i: u32): u32 {
  return load<u32>(load<usize>(list + ((<usize>i) << 2)));
}

/** RIP of the instruction after `rec`, which runs now. */
@inline
export function nextRip(cpu: Vcpu, rec: Rec): u64 {
  return cpu.blockRip + <u64>rec.next;
}

/** RIP of the instruction of `rec`, which runs now. */
@inline
export function thisRip(cpu: Vcpu, rec: Rec): u64 {
  return cpu.blockRip + <u64>rec.next - <u64>rec.len;
}

/** 64-bit immediate or moffs. */
@inline
export function imm64(rec: Rec): u64 {
  return load<u64>(changetype<usize>(rec), 8);
}
