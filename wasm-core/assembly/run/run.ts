/**
 * The run loop: finds what lies at RIP, a region or a block, and runs it; between them looks at events. Entering a region
 * that the jump cache knows is the straight way through it, and touches one cache line besides the vCPU.
 * [SDM] vol. 3A, 6.9 gives the order in which simultaneous events are taken.
 */
import { Block, ExitReason, JumpEntry, ModeKey, RegionExit, Vcpu, VcpuOff } from "../gen/layout";
import { blockAtRip, blockOf, findBlock } from "../decode/block";
import { isEntryOf, jumpEntry } from "../decode/jumps";
import { enterRegion, forgetRegion, isReady, noteRegion, regionOf, warm } from "../jit/regions";
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

/** Runs the region that the entry of RIP knows: it looks itself whether its code is as it was and segments are flat. */
@inline
function runKnown(cpu: Vcpu, e: JumpEntry): void {
  e.heat -= 1;
  const exit = enterRegion(cpu, e.entry, e.pages);
  if (exit != RegionExit.NEXT) settleRegion(cpu, <usize>e.block, e.entry, exit);
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
  warm(cpu, block);
  const entry = regionOf(cpu, block);
  if (entry != 0) runRegion(cpu, block, entry);
  else runBlock(cpu, at);
}

/** Runs the region that begins with `block`, the one at RIP, and has the jump cache know it. */
function runRegion(cpu: Vcpu, block: Block, entry: u32): void {
  const exit = enterRegion(cpu, entry, noteRegion(cpu, block, entry));
  if (exit != RegionExit.NEXT) settleRegion(cpu, changetype<usize>(block), entry, exit);
}

/** `at` and `entry` are the block and the entry of a region that found itself stale: RIP is where it begins then. */
function settleRegion(cpu: Vcpu, at: usize, entry: u32, exit: i32): void {
  if (exit == RegionExit.STALE) forgetRegion(cpu, changetype<Block>(at), entry);
  else if (exit == RegionExit.FAULT) deliverFault(cpu);
  else {
    const block = blockAtRip(cpu);
    if (block == 0) deliverFault(cpu);
    else runBlock(cpu, block);
  }
}
