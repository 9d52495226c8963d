/**
 * The jump cache of a vCPU: which block lies at a RIP, and the region that begins with it. An entry's key tells address
 * space, mode and privilege; it says nothing of whether the block is still valid. [none of this is x86's]
 */
import { Block, JUMP_ENTRIES, JUMP_SLICE, JumpEntry, JumpEntry_SIZE, Vcpu } from "../gen/layout";
import { codeEntry } from "../mmu/places";
import { noteCodePage } from "../mmu/tlb";

/** Key of the jump cache: address space, mode, privilege. */
@inline
export function jumpKey(cpu: Vcpu): u32 {
  return cpu.tlbAsid | (cpu.modeKey << 12) | (cpu.cpl == 3 ? 1 << 20 : 0);
}

/** Key of the supervisor's code on global pages, the same in every address space. */
@inline
export function globalKey(cpu: Vcpu): u32 {
  return cpu.globalKey | (cpu.modeKey << 12);
}

/** Whether the code at `lin` is the same in every address space; not where the TLB has lost it since it was translated. */
function isGlobal(cpu: Vcpu, lin: u64): bool {
  if (cpu.cpl == 3) return false;
  const e = codeEntry(cpu, false, lin);
  return changetype<usize>(e) != 0 && e.isGlobal != 0;
}

/** The entry that may be `rip`'s. */
@inline
export function jumpEntry(cpu: Vcpu, rip: u64): JumpEntry {
  // Kernel code alone has thousands of targets, many of them a power of two apart.
  const h = (<u32>rip * 0x9e3779b1) >> 18;
  return changetype<JumpEntry>(<usize>cpu.jumpCache + ((<usize>h) & (JUMP_ENTRIES - 1)) * JumpEntry_SIZE);
}

/** Whether the entry is what lies at `rip`, if that is a linear address. */
@inline
export function isEntryOf(cpu: Vcpu, e: JumpEntry, rip: u64): bool {
  return e.rip == rip && (e.key == jumpKey(cpu) || (cpu.cpl != 3 && e.key == globalKey(cpu)));
}

/** The entry is `block`'s from now on, which lies at `rip`. */
export function fillEntry(cpu: Vcpu, e: JumpEntry, rip: u64, block: usize): void {
  settleHeat(e);
  e.pages = 0;
  e.rip = rip;
  e.key = isGlobal(cpu, rip) ? globalKey(cpu) : jumpKey(cpu);
  noteCodePage(cpu, rip);
  e.block = <u32>block;
}

/**
 * The region that begins at `rip` has just found its page at `lin`: the entry knows it by `bit`, as long as its key holds.
 * False when it cannot.
 */
export function noteRegionPage(cpu: Vcpu, rip: u64, lin: u64, bit: u32): bool {
  const e = jumpEntry(cpu, rip);
  if (e.heat == 0 || !isEntryOf(cpu, e, rip) || (e.key != jumpKey(cpu) && !isGlobal(cpu, lin))) return false;
  noteCodePage(cpu, lin);
  e.pages |= bit;
  return true;
}

/** The entry knows no region any more; the block learns how often its region was entered from here. */
export function settleHeat(e: JumpEntry): void {
  if (e.heat == 0) return;
  const block = changetype<Block>(<usize>e.block);
  const entered = <u32>JUMP_SLICE - e.heat;
  e.heat = 0;
  // What it counts may be runs in the interpreter by now.
  if (block.entry != e.entry) return;
  block.runs += entered;
  // The last is left to a look at the block, which then asks.
  if (block.heat != 0) block.heat = block.heat > entered ? block.heat - entered : 1;
}
