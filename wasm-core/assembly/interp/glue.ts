/** What generated handlers share: block ends, undefined opcodes, and locked accesses that wasm atomics cannot do. */
import { Status, Vcpu, VcpuOff } from "../gen/layout";
import { raise, Vector } from "../cpu/faults";
import { Rec } from "../decode/record";
import { spinLock, spinUnlock } from "../util/atomics";
import { memAgain } from "../mmu/access";
import { splitLockAddress } from "../mmu/code-cache";

export function undefinedOpcode(cpu: Vcpu, rec: Rec): i32 {
  return raise(cpu, Vector.UD);
}

/** NEXT becomes END. */
@inline
export function endBlock(status: i32): i32 {
  return status == Status.NEXT ? Status.END : status;
}

/** Whether a locked access of `size` bytes at `p` can be one wasm atomic: aligned, and memory itself. */
@inline
export function canLock(cpu: Vcpu, p: usize, size: u32): bool {
  return (p & (size - 1)) == 0 && p != changetype<usize>(cpu) + VcpuOff.bounce;
}

/** The bus lock of accesses that cross alignment: orders them against each other. `p` is what the door answered. */
export function splitLock(cpu: Vcpu, p: usize): void {
  spinLock(splitLockAddress());
  memAgain(cpu, p);
}

export function splitUnlock(cpu: Vcpu): void {
  spinUnlock(splitLockAddress());
}
