/** Guest-physical to machine addresses: the p2m as the MMU uses it. */
import { Domain, P2mKind, Vcpu } from "../gen/layout";
import { p2mResolve } from "../mem/p2m";

export const ENTRY_MFN: u32 = 0xfffff;
export const ENTRY_W: u32 = 1 << 25;
const APIC_ENABLED_X2: u64 = 0xc00;
const APIC_ENABLED: u64 = 0x800;

/** Resolves the page of `gpa` for an access (Access) to its p2m entry. */
@inline
export function resolve(cpu: Vcpu, gpa: u64, access: u32): u32 {
  return p2mResolve(changetype<Domain>(cpu.domain), gpa >> 12, access);
}

/** Whether a p2m entry stands for memory that the processor reaches directly. */
@inline
export function isMemory(entry: u32): bool {
  const kind = (entry >> 20) & 15;
  return kind == P2mKind.RAM || kind == P2mKind.COW || kind == P2mKind.GRANT;
}

/**
 * Machine address of the page that holds the paging structure at `gpa`, 0 when there is no memory. A page that may not be
 * written counts as none: a walk sets accessed and dirty flags, and it may be another domain's, granted for reading.
 */
export function frameAddress(cpu: Vcpu, gpa: u64): usize {
  const entry = resolve(cpu, gpa, 1);
  return isMemory(entry) && (entry & ENTRY_W) != 0 ? (<usize>(entry & ENTRY_MFN)) << 12 : 0;
}

/** Machine address of `size` bytes at `gpa` inside one page, 0 when there is no memory. */
export function physR(cpu: Vcpu, gpa: u64, size: u32): usize {
  if (<u32>(gpa & 4095) + size > 4096) return 0;
  const entry = resolve(cpu, gpa, 0);
  return isMemory(entry) ? ((<usize>(entry & ENTRY_MFN)) << 12) + <usize>(gpa & 4095) : 0;
}

/** Whether `gpa` lies in the page of the vCPU's own local APIC in xAPIC mode. */
@inline
export function isApicPage(cpu: Vcpu, gpa: u64): bool {
  return (cpu.apicBase & APIC_ENABLED_X2) == APIC_ENABLED && (gpa ^ cpu.apicBase) >> 12 == 0;
}
