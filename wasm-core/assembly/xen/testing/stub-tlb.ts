/** Stand-in for mmu/tlb. */
import { Vcpu } from "../gen/layout";

export const EMPTY_TAG: u64 = 0xffffffffffffffff;

export function tlbReset(cpu: Vcpu): void {}
export function emptyJumpCache(cpu: Vcpu): void {}
