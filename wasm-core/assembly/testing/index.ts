/** The core with what its tests need besides: one vCPU driven in the caller's thread, without a scheduler. */
import { EventBit, SegIndex, TLB_ENTRIES, TlbEntry, Vcpu } from "../gen/layout";
import { updateFpuBlocked } from "../cpu/fpu-state";
import { updateModeKey } from "../cpu/modes";
import { noteFlat } from "../cpu/segments";
import {
  EMPTY_TAG,
  emptyJumpCache,
  noteGlobal,
  tlbFlushAll,
  tlbInvlpg,
  tlbProtectEverywhere,
  tlbReset,
  tlbSetCr3,
  tlbSlot,
  tlbTable,
  tlbUpdateContext,
} from "../mmu/tlb";
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
 * `rounds` times: enters the frame at `host` as a global, writable page everywhere in the supervisor TLB, and changes the
 * address space until another thread, told so at `word`, has taken the write right away (testProtect). How often it has
 * some of it still.
 */
export function testCarry(cpu: Vcpu, host: u32, word: usize, rounds: u32): u32 {
  let kept: u32 = 0;
  for (let round: u32 = 1; round <= rounds; round++) {
    for (let page: u64 = 0; page < TLB_ENTRIES; page++) enterGlobal(cpu, page << 12, host);
    atomic.store<u32>(word, round);
    while (atomic.load<u32>(word, 4) != round) tlbSetCr3(cpu, cpu.cr3, false);
    let left = false;
    for (let page: u64 = 0; page < TLB_ENTRIES; page++)
      if (tlbSlot(tlbTable(cpu, false), page << 12).tagW != EMPTY_TAG) left = true;
    if (left) kept++;
  }
  return kept;
}

function enterGlobal(cpu: Vcpu, lin: u64, host: u32): void {
  const e = tlbSlot(tlbTable(cpu, false), lin);
  e.delta = host - <u32>lin;
  e.isGlobal = 1;
  noteGlobal(cpu, e);
  e.tagR = lin | cpu.ctx;
  e.tagW = lin | cpu.ctx;
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

/** The other thread of testCarry. */
export function testProtect(cpu: Vcpu, host: u32, word: usize, rounds: u32): void {
  for (let round: u32 = 1; round <= rounds; round++) {
    while (atomic.load<u32>(word) != round) {}
    tlbProtectEverywhere(cpu, host, false);
    atomic.store<u32>(word, round, 4);
  }
}
