/**
 * Changes of privilege level and of EFLAGS that the rest of the vCPU's derived state must follow: decoding mode,
 * TLB context, single stepping, interrupts that were held.
 */
import { Vcpu } from "../gen/layout";
import { Flag } from "../cpu/flags";
import { updateModeKey } from "../cpu/modes";
import { clacEvict, tlbUpdateContext } from "../mmu/tlb";
import { interruptFlagRose } from "./hooks";

/** Recomputes what depends on CR0, EFER, EFLAGS, CS, SS and CPL. */
export function updateMode(cpu: Vcpu): void {
  updateModeKey(cpu);
  tlbUpdateContext(cpu);
}

/** Replaces EFLAGS (all bits) and acts on what changed; the caller calls updateMode() when CPL or VM change as well. */
export function setFlags(cpu: Vcpu, flags: u32): void {
  const old = cpu.eflags;
  cpu.eflags = (flags & 0x3f7fd5) | 2;
  cpu.ccOp = 0;
  const changed = old ^ flags;
  if (changed & Flag.AC) {
    if (old & Flag.AC) clacEvict(cpu);
    tlbUpdateContext(cpu);
  }
  if (changed & flags & Flag.IF) interruptFlagRose(cpu);
  if (changed & (Flag.TF | Flag.VM)) updateModeKey(cpu);
}
