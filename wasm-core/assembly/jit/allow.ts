/** What a vCPU may enter of the regions, by the pCPU that it is on. [none of this is x86's] */
import {
  Jit,
  JIT_EXITS,
  JIT_TARGET_TABLES,
  JIT_TARGETS,
  JitExit_SIZE,
  JitTarget_SIZE,
  Pcpu,
  Vcpu,
} from "../gen/layout";
import { codeCache } from "../mmu/code-cache";
import { emptyJumpCache } from "../mmu/tlb";

/** The vCPU is about to run on the pCPU. */
export function allowRegions(p: Pcpu, cpu: Vcpu): void {
  // Slots that were emptied may have been filled again, and those of another pCPU not been emptied yet.
  if (cpu.regionDrops != p.regionDrops) emptyJumpCache(cpu);
  cpu.regionDrops = p.regionDrops;
  cpu.regionsAt = p.regionsAt;
  const jit = changetype<Jit>(<usize>codeCache().jit);
  const table = p.id % <u32>JIT_TARGET_TABLES;
  cpu.targets = jit.targets + table * <u32>JIT_TARGETS * <u32>JitTarget_SIZE;
  cpu.exits = jit.exits + table * <u32>JIT_EXITS * <u32>JitExit_SIZE;
}
