/**
 * Reading the descriptor tables and the TSS. What was read stands in the vCPU (descLow, descHigh, descLin) until the
 * next read. Functions return false with an exception raised. [SDM] vol. 3A, 3.5 and 8.2.
 */
import { SegIndex, Vcpu } from "../gen/layout";
import { raiseError, Vector } from "../cpu/faults";
import { isLong } from "../cpu/modes";
import { segReg } from "../cpu/regs";
import { memDone } from "../mmu/access";
import { sysR, sysRW } from "../mmu/slow";

/** No descriptor: the selector lies beyond its table, or there is no LDT. */
export const NO_DESCRIPTOR: u64 = 0xffffffffffffffff;
const ACCESSED: u64 = 1 << 40;
const BUSY: u64 = 1 << 41;

/** Raises `vector` with error code `selector` (without its RPL) and the EXT bit of the event under way; returns false. */
export function failSelector(cpu: Vcpu, vector: u32, selector: u32): bool {
  raiseError(cpu, vector, (selector & 0xfffc) | (<u32>cpu.extEvent));
  return false;
}

/** Raises `vector` for entry `index` of the IDT: bit 1 of the error code says so. Returns false. */
export function failGate(cpu: Vcpu, vector: u32, index: u32): bool {
  raiseError(cpu, vector, (index << 3) | 2 | (<u32>cpu.extEvent));
  return false;
}

/** Raises #GP(0), or #GP(EXT) while an outside event is delivered; returns false. */
export function failGp(cpu: Vcpu): bool {
  return failSelector(cpu, Vector.GP, 0);
}

/** Linear address of the `bytes`-byte descriptor that `selector` names, or NO_DESCRIPTOR. */
export function descriptorLin(cpu: Vcpu, selector: u32, bytes: u32): u64 {
  let base = cpu.gdtrBase;
  let limit = cpu.gdtrLimit;
  if (selector & 4) {
    const ldt = segReg(cpu, SegIndex.LDTR);
    if (ldt.attr == 0) return NO_DESCRIPTOR;
    base = ldt.base;
    limit = ldt.limit;
  }
  const at = selector & 0xfff8;
  if (at + bytes - 1 > limit) return NO_DESCRIPTOR;
  const lin = base + <u64>at;
  return isLong(cpu) ? lin : lin & 0xffffffff;
}

/** Reads the eight bytes at `lin` into descLow. */
export function fetchDescriptor(cpu: Vcpu, lin: u64): bool {
  const p = sysR(cpu, lin, 8);
  if (p == 0) return false;
  cpu.descLow = load<u64>(p);
  cpu.descLin = lin;
  return true;
}

/** Reads the descriptor of `selector`; beyond the table it raises `vector`(selector). */
export function readDescriptor(cpu: Vcpu, selector: u32, vector: u32): bool {
  const lin = descriptorLin(cpu, selector, 8);
  if (lin == NO_DESCRIPTOR) return failSelector(cpu, vector, selector);
  return fetchDescriptor(cpu, lin);
}

/** In long mode, the upper half of the system descriptor that readDescriptor has found; its type field must be zero. */
export function readUpperHalf(cpu: Vcpu, selector: u32, vector: u32): bool {
  cpu.descHigh = 0;
  if (!isLong(cpu)) return true;
  if (descriptorLin(cpu, selector, 16) == NO_DESCRIPTOR) return failSelector(cpu, vector, selector);
  const p = sysR(cpu, cpu.descLin + 8, 8);
  if (p == 0) return false;
  cpu.descHigh = load<u64>(p);
  if (cpu.descHigh & 0x1f0000000000) return failSelector(cpu, vector, selector);
  return true;
}

/** Changes bits in the upper word of the descriptor at `lin`. */
function changeDescriptor(cpu: Vcpu, lin: u64, clear: u64, set: u64): bool {
  const p = sysRW(cpu, lin + 4, 4);
  if (p == 0) return false;
  store<u32>(p, (load<u32>(p) & ~(<u32>(clear >> 32))) | (<u32>(set >> 32)));
  memDone(cpu, p);
  return true;
}

/** Sets the accessed bit of a code or data descriptor in memory. */
export function markAccessed(cpu: Vcpu, lin: u64, desc: u64): bool {
  return desc & ACCESSED ? true : changeDescriptor(cpu, lin, 0, ACCESSED);
}

/** Sets or clears the busy bit of the TSS descriptor at `lin`. */
export function setBusy(cpu: Vcpu, lin: u64, busy: bool): bool {
  return changeDescriptor(cpu, lin, busy ? 0 : BUSY, busy ? BUSY : 0);
}

/** Address of `size` bytes at `offset` in the current TSS, or 0: beyond its limit that is #TS(TR). */
export function tssR(cpu: Vcpu, offset: u32, size: u32): usize {
  const tr = segReg(cpu, SegIndex.TR);
  if (offset + size - 1 > tr.limit) {
    failSelector(cpu, Vector.TS, tr.selector);
    return 0;
  }
  return sysR(cpu, tr.base + <u64>offset, size);
}
