/** Segment checks of a data access outside 64-bit mode. [SDM] vol. 3A, 5.3 to 5.5. */
import { SegIndex, Vcpu } from "../gen/layout";
import { raiseError, Vector } from "../cpu/faults";
import { segReg } from "../cpu/regs";

/** What legacyLinear answers after raising an exception: no 32-bit linear address has this value. */
export const NO_LINEAR: u64 = 0xffffffffffffffff;

const ATTR_WRITABLE_READABLE: u32 = 2;
const ATTR_EXPAND_DOWN: u32 = 4;
const ATTR_CODE: u32 = 8;
const ATTR_P: u32 = 0x80;
const ATTR_DB: u32 = 0x400;

function segmentFault(cpu: Vcpu, seg: u32): u64 {
  raiseError(cpu, seg == SegIndex.SS ? Vector.SS : Vector.GP, 0);
  return NO_LINEAR;
}

/** Linear address of `size` bytes at `off` in segment `seg`, or NO_LINEAR with the exception raised. */
export function legacyLinear(cpu: Vcpu, seg: u32, off: u64, size: u32, write: bool): u64 {
  const s = segReg(cpu, seg);
  const attr = <u32>s.attr;
  if (!(attr & ATTR_P)) return segmentFault(cpu, seg);
  if (attr & ATTR_CODE) {
    if (write || !(attr & ATTR_WRITABLE_READABLE)) return segmentFault(cpu, seg);
  } else if (write && !(attr & ATTR_WRITABLE_READABLE)) return segmentFault(cpu, seg);
  const first = <u32>off;
  const last = first + size - 1;
  if ((attr & (ATTR_CODE | ATTR_EXPAND_DOWN)) == ATTR_EXPAND_DOWN) {
    const top: u32 = attr & ATTR_DB ? 0xffffffff : 0xffff;
    if (first <= s.limit || last > top || last < first) return segmentFault(cpu, seg);
  } else if (last > s.limit || last < first) return segmentFault(cpu, seg);
  return (s.base + off) & 0xffffffff;
}
