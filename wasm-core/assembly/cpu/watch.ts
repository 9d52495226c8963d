/**
 * Breakpoints on data and I/O: the memory doors and the port instructions report their accesses here; the conditions
 * they meet wait in pendingDr6 until the instruction is done. [SDM] vol. 3B, 18.2.4.
 */
import { SegIndex, Vcpu } from "../gen/layout";
import { Cr4 } from "./control-bits";
import { Dr7, getDr } from "./debug";
import { Flag } from "./flags";
import { segReg } from "./regs";

/** R/W field of a breakpoint. */
namespace Watch {
  export const EXECUTE: u32 = 0;
  export const WRITE: u32 = 1;
  export const IO: u32 = 2;
  export const ACCESS: u32 = 3;
}

@inline
function enabled(dr7: u64, n: u32): bool {
  return ((dr7 >> ((<u64>n) << 1)) & 3) != 0;
}

@inline
function watchKind(dr7: u64, n: u32): u32 {
  return (<u32>(dr7 >> (16 + ((<u64>n) << 2)))) & 3;
}

/** LEN field: 1, 2, 8 or 4 bytes. */
@inline
function watchBytes(dr7: u64, n: u32): u64 {
  const len = (<u32>(dr7 >> (18 + ((<u64>n) << 2)))) & 3;
  return len == 2 ? 8 : <u64>len + 1;
}

function overlaps(cpu: Vcpu, dr7: u64, n: u32, at: u64, size: u32): bool {
  const bytes = watchBytes(dr7, n);
  const start = getDr(cpu, n) & ~(bytes - 1);
  return at < start + bytes && start < at + <u64>size;
}

/** Tells whether writing `dr7` leaves data or I/O breakpoints on. */
export function hasDataBreakpoints(dr7: u64): bool {
  for (let n: u32 = 0; n < 4; n++) if (enabled(dr7, n) && watchKind(dr7, n) != Watch.EXECUTE) return true;
  return false;
}

/** Tells whether a breakpoint watches data in the page of `lin`. */
export function watchesPage(cpu: Vcpu, lin: u64): bool {
  if (!cpu.dataBreakpoints) return false;
  const dr7 = getDr(cpu, 7);
  for (let n: u32 = 0; n < 4; n++) {
    const kind = watchKind(dr7, n);
    if (enabled(dr7, n) && (kind == Watch.WRITE || kind == Watch.ACCESS) && overlaps(cpu, dr7, n, lin & ~0xfff, 4096)) {
      return true;
    }
  }
  return false;
}

/** A data access of the running instruction: notes the breakpoints it meets; #DB follows the instruction. */
export function checkDataBreakpoint(cpu: Vcpu, lin: u64, size: u32, write: bool): void {
  if (!cpu.dataBreakpoints) return;
  const dr7 = getDr(cpu, 7);
  for (let n: u32 = 0; n < 4; n++) {
    if (!enabled(dr7, n)) continue;
    const kind = watchKind(dr7, n);
    if (kind == Watch.ACCESS || (kind == Watch.WRITE && write)) {
      if (overlaps(cpu, dr7, n, lin, size)) cpu.pendingDr6 |= (<u8>1) << (<u8>n);
    }
  }
}

/** A port access of the running instruction; I/O breakpoints need CR4.DE. */
export function checkIoBreakpoint(cpu: Vcpu, port: u32, size: u32): void {
  if (!cpu.dataBreakpoints || !(cpu.cr4 & Cr4.DE)) return;
  const dr7 = getDr(cpu, 7);
  for (let n: u32 = 0; n < 4; n++) {
    if (enabled(dr7, n) && watchKind(dr7, n) == Watch.IO && overlaps(cpu, dr7, n, <u64>port, size)) {
      cpu.pendingDr6 |= (<u8>1) << (<u8>n);
    }
  }
}

/** DR6 condition bits of the instruction breakpoints at cpu.rip; none while EFLAGS.RF is set. */
export function instructionBreakpoints(cpu: Vcpu): u64 {
  const dr7 = getDr(cpu, 7);
  if (!(dr7 & Dr7.ENABLES) || cpu.eflags & Flag.RF) return 0;
  const lin = cpu.rip + segReg(cpu, SegIndex.CS).base;
  let hit: u64 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if (enabled(dr7, n) && watchKind(dr7, n) == Watch.EXECUTE && getDr(cpu, n) == lin) hit |= 1 << (<u64>n);
  }
  return hit;
}
