/**
 * What compiled regions call besides handlers. Every door may answer "the interpreter must do this instruction": a
 * region then stores its registers and leaves, with nothing of the instruction done. Why they take a vector of which they
 * make nothing says jit/doors.ts of the compiler.
 */
import { CcOp, ModeKey, PUT_OFF_BELOW, PutOff, RegionExit, Status, Vcpu } from "../gen/layout";
import { cf, condition, Flag, materialize, setSome } from "../cpu/flags";
import { noteRegionPage } from "../decode/jumps";
import { plainAccess, translateCode } from "../mmu/slow";
import { tagOf, tlbSlot } from "../mmu/tlb";
import { Access } from "../mmu/walk";

/** Outside 64-bit mode an access over the end of 4 GiB is over its segment's limit. */
@inline
function wraps(cpu: Vcpu, lin: u64, size: u32): bool {
  return (cpu.modeKey & ModeKey.CODE_MASK) != ModeKey.CODE64 && lin + size > 0x100000000;
}

/** Where `size` bytes at linear address `lin` can be read, all on one page of plain memory; 0 when the interpreter must. */
export function regionRead(cpu: Vcpu, lin: u64, size: u32, nothing: v128): usize {
  const e = tlbSlot(cpu.tlb, lin);
  if (e.tagR == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  return wraps(cpu, lin, size) ? 0 : plainAccess(cpu, lin, size, Access.READ);
}

/** Where they can be written, and nobody has to know of it; 0 when the interpreter must. */
export function regionWrite(cpu: Vcpu, lin: u64, size: u32, nothing: v128): usize {
  const e = tlbSlot(cpu.tlb, lin);
  if (e.tagW == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  return wraps(cpu, lin, size) ? 0 : plainAccess(cpu, lin, size, Access.WRITE);
}

/**
 * 1 when the code page `page` bytes from that of `start`, where the region that runs begins, lies at machine address `host`.
 * The jump cache then knows it by `bit`, if it has one: at RIP, by which the region was entered.
 */
export function regionPage(cpu: Vcpu, start: u64, page: i32, host: u32, bit: u32, nothing: v128): u32 {
  let lin = (start & ~0xfff) + <i64>page;
  if ((cpu.modeKey & ModeKey.CODE_MASK) != ModeKey.CODE64) lin &= 0xffffffff;
  const cr2 = cpu.cr2;
  const at = translateCode(cpu, lin);
  cpu.cr2 = cr2;
  if (at != <usize>host) return 0;
  if (noteRegionPage(cpu, cpu.rip, lin, bit)) cpu.regionPages |= bit;
  return 1;
}

/** Stands for a region that this pCPU's host could not make: the interpreter does it. */
export function regionNone(cpu: Vcpu): i32 {
  return RegionExit.INTERPRET;
}

/** 1 when condition `cc` (0 to 15) holds for the flags in the vCPU. */
export function regionCondition(cpu: Vcpu, cc: u32, nothing: v128): u32 {
  return condition(cpu, cc) ? 1 : 0;
}

/** EFLAGS, whose arithmetic flags from now on stand in Vcpu.eflags. */
export function regionFlags(cpu: Vcpu, nothing: v128): u32 {
  materialize(cpu);
  return cpu.eflags;
}

/**
 * Sets the flags that a region put off, of a result `value`; `code` is a PutOff and log2 of the operand's bytes. What
 * the vCPU holds of flags is from before that instruction.
 */
export function regionPutOff(cpu: Vcpu, value: u64, code: u32, nothing: v128): u32 {
  const size = code & 3;
  cpu.ccOp &= PUT_OFF_BELOW - 1;
  const kind = code & ~3;
  if (kind == PutOff.INC || kind == PutOff.DEC) {
    cpu.ccSrc = cf(cpu) ? 1 : 0;
    cpu.ccDst = value;
    cpu.ccOp = ((kind == PutOff.INC ? CcOp.INC : CcOp.DEC) << 2) | size;
    return 0;
  }
  if (kind == PutOff.SCAN) setSome(cpu, Flag.ZF, value == 0 ? Flag.ZF : 0);
  else if (kind == PutOff.COUNT) {
    setSome(cpu, Flag.ZF | Flag.CF, (value == 0 ? Flag.ZF : 0) | (value == (<u64>8) << size ? Flag.CF : 0));
  } else {
    const top = ((<u64>8) << size) - 1;
    const high = (<u32>(value >> top)) & 1;
    const low = (<u32>value) & 1;
    const left = kind == PutOff.ROL;
    const other = left ? low : (<u32>(value >> (top - 1))) & 1;
    setSome(cpu, Flag.CF | Flag.OF, ((left ? low : high) != 0 ? Flag.CF : 0) | (high != other ? Flag.OF : 0));
  }
  return 0;
}

/**
 * After the handler that ends a region returned `status`: settles RIP, which is `rip` for the instruction and `next`
 * behind it. Before it the budget was `left`: what the handler took of it are no instructions. A RegionExit.
 */
export function regionEnd(cpu: Vcpu, status: i32, rip: u64, next: u64, left: i32, nothing: v128): i32 {
  cpu.icount += <i64>(cpu.budget - left);
  if (status == Status.BRANCH) return RegionExit.CHANGED;
  if (status == Status.END || status == Status.NEXT) {
    cpu.rip = next;
    return RegionExit.CHANGED;
  }
  cpu.rip = rip;
  cpu.icount -= 1;
  return status == Status.FAULT ? RegionExit.FAULT : RegionExit.CHANGED;
}
