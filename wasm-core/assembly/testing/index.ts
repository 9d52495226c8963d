/** The core with what its tests need besides: one vCPU driven in the caller's thread, without a scheduler. */
import { EventBit, SegIndex, Vcpu } from "../gen/layout";
import { updateFpuBlocked } from "../cpu/fpu-state";
import { updateModeKey } from "../cpu/modes";
import { noteFlat } from "../cpu/segments";
import { emptyJumpCache, tlbFlushAll, tlbInvlpg, tlbReset, tlbSlot, tlbUpdateContext } from "../mmu/tlb";
import { Access, walk } from "../mmu/walk";
import { allowRegions } from "../jit/allow";
import { pcpuOf } from "../mem/machine";
import { runVcpu } from "../run";
import { materialize } from "../cpu/flags";
import { vcpuKick } from "../sched/wake";
import { Decode, DecodeState, decodeOne, handlerIndex } from "../decode/decode";
import { Rec } from "../decode/record";

export * from "../index";

/** After the test has written the vCPU's control and segment registers: everything the core derives from them. */
export function testRefresh(cpu: Vcpu): void {
  updateFpuBlocked(cpu);
  for (let seg: u32 = SegIndex.ES; seg <= SegIndex.GS; seg++) noteFlat(cpu, seg);
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

/** INVLPG. */
export function testInvlpg(cpu: Vcpu, lin: u64): void {
  tlbInvlpg(cpu, lin);
}

/** What a vCPU learns of regions when it comes to a pCPU. */
export function testRegions(cpu: Vcpu, pcpu: u32): void {
  allowRegions(pcpuOf(pcpu), cpu);
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

/** The TLB's entry for `lin`, in bytes from the table's beginning. */
export function testTlbSlot(lin: u64): u32 {
  return <u32>changetype<usize>(tlbSlot(0, lin));
}

/**
 * `rounds` times, when another thread says so at `word`: walks for a write at `lin` by user code, and leaves behind `word`
 * what came of it, and then that it is done.
 */
export function testWalks(cpu: Vcpu, lin: u64, word: usize, rounds: u32): void {
  for (let round: u32 = 1; round <= rounds; round++) {
    while (atomic.load<u32>(word) != round) {}
    store<i32>(word, walk(cpu, lin, Access.WRITE, true, false), 8);
    atomic.store<u32>(word, round, 4);
  }
}

/** Sends the vCPU an event, as another pCPU does. */
export function testKick(cpu: Vcpu): void {
  vcpuKick(cpu, EventBit.INTERRUPT);
}
