/** What a vCPU may enter of the regions, by the pCPU that it is on. [none of this is x86's] */
import { Pcpu, Vcpu } from "../gen/layout";
import { emptyJumpCache } from "../mmu/tlb";

/** The vCPU is about to run on the pCPU. */
export function allowRegions(p: Pcpu, cpu: Vcpu): void {
  // Slots that were emptied may have been filled again, and those of another pCPU not been emptied yet.
  if (cpu.regionDrops != p.regionDrops) emptyJumpCache(cpu);
  cpu.regionDrops = p.regionDrops;
  cpu.regionsAt = p.regionsAt;
}
