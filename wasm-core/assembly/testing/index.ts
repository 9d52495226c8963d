/** The core with what its tests need besides: one vCPU driven in the caller's thread, without a scheduler. */
import { Vcpu } from "../gen/layout";
import { updateFpuBlocked } from "../cpu/fpu-state";
import { updateModeKey } from "../cpu/modes";
import { emptyJumpCache, tlbFlushAll, tlbReset, tlbUpdateContext } from "../mmu/tlb";
import { runVcpu } from "../run";
import { materialize } from "../cpu/flags";
import { Decode, DecodeState, decodeOne, handlerIndex } from "../decode/decode";
import { Rec } from "../decode/record";

export * from "../index";

/** After the test has written the vCPU's control and segment registers: everything the core derives from them. */
export function testRefresh(cpu: Vcpu): void {
  updateFpuBlocked(cpu);
  updateModeKey(cpu);
  tlbUpdateContext(cpu);
}

/** After the test has written page tables: no translation is remembered. */
export function testFlush(cpu: Vcpu): void {
  tlbReset(cpu);
  tlbFlushAll(cpu);
  emptyJumpCache(cpu);
  testRefresh(cpu);
}

/** Runs `instructions` instructions on the interpreter and leaves the flags in Vcpu.eflags. Returns an ExitReason. */
export function testRun(cpu: Vcpu, instructions: u32): u32 {
  cpu.budget = <i32>instructions;
  const reason = runVcpu(cpu);
  materialize(cpu);
  return reason;
}

/** Where testDecode keeps its state and its record, behind the bytes that the caller places. */
const DECODE_STATE: usize = 256;
const DECODE_RECORD: usize = 512;

/**
 * Decodes the bytes at `at`, a free page of the caller's, of which `avail` count. The decoder's answer: a length with
 * flags, or zero or less.
 */
export function testDecode(at: usize, avail: u32, mode: u32): i32 {
  return decodeOne(changetype<DecodeState>(at + DECODE_STATE), at, avail, mode, changetype<Rec>(at + DECODE_RECORD));
}

/** The bit of testDecode's answer that says that no row has the opcode. */
export const testUndefined: i32 = Decode.UNDEFINED;

/** What Rec.fn holds for a handler, by the number of its variant. */
export function testHandler(variant: u32): u32 {
  return handlerIndex(variant);
}
