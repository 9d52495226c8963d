/** Stand-in for mmu/tlb. */
import { Vcpu } from "../gen/layout";

export function tlbReset(cpu: Vcpu): void {}
export function emptyJumpCache(cpu: Vcpu): void {}
export function tlbProtectEverywhere(cpu: Vcpu, host: u32, shared: bool): void {}
