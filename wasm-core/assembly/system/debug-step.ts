/**
 * Debug exceptions around one instruction, while the vCPU runs one at a time (cpu.singleStep). The run loop calls
 * debugBefore with cpu.rip at the instruction and debugAfter with cpu.rip at the next. [SDM] vol. 3B, 18.3.1.
 */
import { Status, Vcpu } from "../gen/layout";
import { Dr6, noteDebugConditions } from "../cpu/debug";
import { raise, Vector } from "../cpu/faults";
import { Flag } from "../cpu/flags";
import { instructionBreakpoints } from "../cpu/watch";
import { deliverDebugTrap, deliverFault } from "./delivery";

/**
 * True when an instruction breakpoint stops the instruction at cpu.rip: #DB has been delivered. Otherwise remembers
 * whether a single-step trap is due after it.
 */
export function debugBefore(cpu: Vcpu): bool {
  cpu.tfTrap = cpu.eflags & Flag.TF ? 1 : 0;
  if (cpu.debugShadow) return false;
  const hit = instructionBreakpoints(cpu);
  if (hit == 0) return false;
  noteDebugConditions(cpu, hit);
  raise(cpu, Vector.DB);
  deliverFault(cpu);
  return true;
}

/** The traps of the instruction that has just completed. Status.NEXT, or BRANCH when #DB was delivered. */
export function debugAfter(cpu: Vcpu): i32 {
  if (cpu.keepRf) cpu.keepRf = 0;
  else cpu.eflags &= ~Flag.RF;
  if (cpu.debugShadow) {
    cpu.debugShadow--;
    if (cpu.debugShadow) return Status.NEXT;
  }
  let bits = (<u64>cpu.pendingDr6) & Dr6.B_MASK;
  if (cpu.tfTrap) bits |= Dr6.BS;
  cpu.pendingDr6 = 0;
  cpu.tfTrap = 0;
  return bits == 0 ? Status.NEXT : deliverDebugTrap(cpu, bits);
}
