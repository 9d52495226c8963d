/**
 * The run loop: finds what lies at RIP, a region or a block, and runs it; between them looks at events. Entering a region
 * that the jump cache knows is the straight way through it, and touches one cache line besides the vCPU.
 * [SDM] vol. 3A, 6.9 gives the order in which simultaneous events are taken.
 */
import { Block, ExitReason, JitExitReason, JumpEntry, ModeKey, RegionExit, Vcpu, VcpuOff } from "../gen/layout";
import { blockAtRip, blockOf, findBlock } from "../decode/block";
import { globalKey, isEntryOf, jumpEntry, jumpKey } from "../decode/jumps";
import { armExit, noteEntry, noteExit } from "../jit/exits";
import {
  countRegions,
  enterRegion,
  forgetRegion,
  isReady,
  noteLeave,
  noteRegion,
  regionOf,
  warm,
} from "../jit/regions";
import { codeCache } from "../mmu/code-cache";
import { deliverFault } from "../system/delivery";
import { runBlock } from "./block";
import { takeEvents } from "./events";
import { stepOne } from "./step";

/** Runs the vCPU until its budget is spent or it has nothing to run. Returns an ExitReason. */
export function runVcpu(cpu: Vcpu): u32 {
  while (true) {
    // One test for both, here and below.
    if (atomic.load<u32>(changetype<usize>(cpu) + VcpuOff.events) | cpu.halted) {
      const reason = takeEvents(cpu);
      if (reason >= 0) return <u32>reason;
    }
    if ((cpu.modeKey & ModeKey.SINGLE) | cpu.interruptShadow) {
      stepOne(cpu);
      if (cpu.budget <= 0) return ExitReason.BUDGET;
      continue;
    }
    const e = jumpEntry(cpu, cpu.rip);
    if (!isEntryOf(cpu, e, cpu.rip)) runHere(cpu, findBlock(cpu, e));
    else if (isReady(cpu, e)) runKnown(cpu, e);
    else runHere(cpu, blockOf(cpu, e));
    if (cpu.budget <= 0) return ExitReason.BUDGET;
  }
}

/**
 * Runs the region that the entry of RIP knows, and those behind it as long as the jump cache knows them and nothing
 * happens. Each looks itself whether its code is as it was and segments are flat; one that returns NEXT has changed nothing
 * that the entries' keys depend on.
 */
@inline
function runKnown(cpu: Vcpu, first: JumpEntry): void {
  const budget = cpu.budget;
  const icount = cpu.icount;
  const key = jumpKey(cpu);
  const global = cpu.cpl != 3 ? globalKey(cpu) : key;
  noteEntry(cpu);
  let entries: u32 = 0;
  let e = first;
  let exit: i32;
  while (true) {
    e.heat -= 1;
    entries++;
    exit = enterRegion(cpu, e.entry, e.pages);
    if (exit != RegionExit.NEXT) break;
    if (cpu.budget <= atomic.load<i32>(changetype<usize>(cpu) + VcpuOff.events)) break;
    const rip = cpu.rip;
    const next = jumpEntry(cpu, rip);
    if (next.rip != rip || (next.key != key && next.key != global) || !isReady(cpu, next)) break;
    e = next;
  }
  countRegions(cpu, entries, budget, icount);
  armExit(cpu);
  settleRegion(cpu, <usize>e.block, e.entry, exit);
}

/** Runs from the block at RIP, which is 0 after a fault of its fetch: its region where there is one, else the block itself. */
@inline
function runHere(cpu: Vcpu, at: usize): void {
  if (at == 0) {
    // Costs budget like an instruction: a handler that cannot be fetched must not keep the processor.
    deliverFault(cpu);
    cpu.budget -= 1;
    return;
  }
  const block = changetype<Block>(at);
  const entry = regionOf(cpu, block);
  // What the interpreter runs until a region that was announced is here counts as no entry of it.
  if (entry != 0 || block.entry == 0) warm(cpu, block);
  if (entry != 0) runRegion(cpu, block, entry);
  else {
    noteExit(cpu, JitExitReason.COLD, at);
    runBlock(cpu, at);
  }
}

/** Runs the region that begins with `block`, the one at RIP, and has the jump cache know it. */
function runRegion(cpu: Vcpu, block: Block, entry: u32): void {
  const budget = cpu.budget;
  const icount = cpu.icount;
  noteEntry(cpu);
  const exit = enterRegion(cpu, entry, noteRegion(cpu, block, entry));
  countRegions(cpu, 1, budget, icount);
  armExit(cpu);
  settleRegion(cpu, changetype<usize>(block), entry, exit);
}

/** `at` and `entry` are the block and the entry of the region: where it found itself stale, RIP is where it begins. */
@inline
function settleRegion(cpu: Vcpu, at: usize, entry: u32, exit: i32): void {
  if (exit != RegionExit.NEXT && exit != RegionExit.CHANGED) settleOther(cpu, at, entry, exit);
}

function settleOther(cpu: Vcpu, at: usize, entry: u32, exit: i32): void {
  if (exit == RegionExit.STALE) {
    noteExit(cpu, JitExitReason.STALE, 0);
    forgetRegion(cpu, changetype<Block>(at), entry);
    return;
  }
  if (exit == RegionExit.FAULT) {
    noteExit(cpu, JitExitReason.FAULT, 0);
    deliverFault(cpu);
    return;
  }
  const epoch = codeCache().epoch;
  const block = blockAtRip(cpu);
  if (block == 0) {
    deliverFault(cpu);
    return;
  }
  noteExit(cpu, JitExitReason.LEFT, block);
  // The block that is made here may have taken the place of the region's.
  if (codeCache().epoch == epoch) noteLeave(cpu, changetype<Block>(at), changetype<Block>(block));
  runBlock(cpu, block);
}
