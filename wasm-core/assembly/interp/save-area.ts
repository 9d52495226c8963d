/**
 * Access to a state-save area in guest memory (FXSAVE, XSAVE): larger than a memory door, so it is probed as a whole
 * first and then read or written eight or sixteen bytes at a time. All offsets are within a segment.
 */
import { Vcpu } from "../gen/layout";
import { Vector, raiseError } from "../cpu/faults";
import { memDone, segBase, segR, segW } from "../mmu/access";

/** Checks that the area starts at a multiple of `align` in linear memory; else raises #GP(0). */
export function alignedArea(cpu: Vcpu, seg: u32, off: u64, align: u32): bool {
  if (((segBase(cpu, seg) + off) & (<u64>(align - 1))) == 0) return true;
  raiseError(cpu, Vector.GP, 0);
  return false;
}

function probe(cpu: Vcpu, seg: u32, off: u64, write: bool): bool {
  return (write ? segW(cpu, seg, off, 1) : segR(cpu, seg, off, 1)) != 0;
}

/** Makes sure that no access to `size` bytes at `off` will fault, or raises what would: one byte of every page. */
export function probeArea(cpu: Vcpu, seg: u32, off: u64, size: u32, write: bool): bool {
  const last = size - 1;
  let at: u32 = 0;
  while (at < last) {
    if (!probe(cpu, seg, off + at, write)) return false;
    at += 0x1000 - ((<u32>(segBase(cpu, seg) + off + at)) & 0xfff);
  }
  return probe(cpu, seg, off + last, write);
}

export function put64(cpu: Vcpu, seg: u32, off: u64, v: u64): bool {
  const p = segW(cpu, seg, off, 8);
  if (p == 0) return false;
  store<u64>(p, v);
  memDone(cpu, p);
  return true;
}

export function put128(cpu: Vcpu, seg: u32, off: u64, low: u64, high: u64): bool {
  const p = segW(cpu, seg, off, 16);
  if (p == 0) return false;
  store<u64>(p, low);
  store<u64>(p, high, 8);
  memDone(cpu, p);
  return true;
}

/** Address to read sixteen bytes of the area from, 0 after a fault. */
export function get128(cpu: Vcpu, seg: u32, off: u64): usize {
  return segR(cpu, seg, off, 16);
}
