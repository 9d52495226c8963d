/** One instruction alone: after STI or MOV SS, under TF or debug registers, and for lockstep tests. */
import { ModeKey, Vcpu } from "../gen/layout";
import { blockAtRip } from "../decode/block";
import { deliverFault } from "../system/delivery";
import { debugBefore, debugAfter } from "../system/debug-step";
import { runBlock } from "./block";

/** Runs the instruction at RIP without taking interrupts, with the debug conditions before and after it. */
export function stepOne(cpu: Vcpu): void {
  cpu.interruptShadow = 0;
  // Costs budget: a handler with a breakpoint on itself must not keep the processor.
  if (cpu.singleStep && debugBefore(cpu)) {
    cpu.budget -= 1;
    return;
  }
  cpu.modeKey |= ModeKey.SINGLE;
  const block = blockAtRip(cpu);
  if (block == 0) {
    deliverFault(cpu);
    cpu.budget -= 1;
  } else runBlock(cpu, block);
  if (!cpu.singleStep) cpu.modeKey &= ~ModeKey.SINGLE;
  debugAfter(cpu);
}
