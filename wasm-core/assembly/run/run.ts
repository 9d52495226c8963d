/**
 * The run loop: finds the block at RIP and runs it; between blocks looks at events.
 * [SDM] vol. 3A, 6.9 gives the order in which simultaneous events are taken.
 */
import { Block, ExitReason, ModeKey, RegionExit, Vcpu, VcpuOff } from "../gen/layout";
import { blockAtRip } from "../decode/block";
import { enterRegion, forgetRegion, regionOf, warm } from "../jit/regions";
import { deliverFault } from "../system/delivery";
import { runBlock } from "./block";
import { takeEvents } from "./events";
import { stepOne } from "./step";

/** Runs the vCPU until its budget is spent or it has nothing to run. Returns an ExitReason. */
export function runVcpu(cpu: Vcpu): u32 {
  while (true) {
    if (atomic.load<u32>(changetype<usize>(cpu) + VcpuOff.events) != 0 || cpu.halted) {
      const reason = takeEvents(cpu);
      if (reason >= 0) return <u32>reason;
    }
    if (cpu.modeKey & ModeKey.SINGLE || cpu.interruptShadow) {
      stepOne(cpu);
      if (cpu.budget <= 0) return ExitReason.BUDGET;
      continue;
    }
    const block = blockAtRip(cpu);
    if (block == 0) {
      // Costs budget like an instruction: a handler that cannot be fetched must not keep the processor.
      deliverFault(cpu);
      if (--cpu.budget <= 0) return ExitReason.BUDGET;
      continue;
    }
    runHere(cpu, block);
    if (cpu.budget <= 0) return ExitReason.BUDGET;
  }
}

/** Runs from `block`, the one at RIP: its region where there is one, else the block itself. */
@inline
function runHere(cpu: Vcpu, at: usize): void {
  const block = changetype<Block>(at);
  const entry = regionOf(cpu, block);
  if (entry != 0) {
    cpu.regionEntries += 1;
    const exit = enterRegion(cpu, entry);
    if (exit != RegionExit.NEXT) settleRegion(cpu, block, exit);
    return;
  }
  warm(cpu, block);
  runBlock(cpu, at);
}

function settleRegion(cpu: Vcpu, block: Block, exit: i32): void {
  if (exit == RegionExit.STALE) forgetRegion(block);
  else if (exit == RegionExit.FAULT) deliverFault(cpu);
  else {
    const at = blockAtRip(cpu);
    if (at == 0) deliverFault(cpu);
    else runBlock(cpu, at);
  }
}
