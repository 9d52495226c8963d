/**
 * Ways out of regions: where the interpreter went on, why, and how many instructions it took until a region was entered
 * again. A few of all exits are noted, and where two share a place in the table the dearer one has it: an estimate, for
 * whoever wants to know what is slow. [none of this is x86's]
 */
import { JIT_EXIT_SAMPLE, JIT_EXITS, JitExit, JitExit_SIZE, JitExitReason, Vcpu } from "../gen/layout";

const FIBONACCI: u32 = 0x9e3779b1;

/** Regions have ended. Whether what follows is noted depends on the count of instructions: as good as chance, at no cost. */
@inline
export function armExit(cpu: Vcpu): void {
  if ((<u32>cpu.icount * FIBONACCI) >> (32 - JIT_EXIT_SAMPLE) == 0) cpu.exitWhy = JitExitReason.NEXT;
}

/** The interpreter goes on at RIP, where `block` is if it was looked for. Only the first one after a region counts. */
@inline
export function noteExit(cpu: Vcpu, why: u32, block: usize): void {
  if (cpu.exitWhy == JitExitReason.NEXT) begin(cpu, why, block);
}

function begin(cpu: Vcpu, why: u32, block: usize): void {
  cpu.exitWhy = why;
  cpu.exitBlock = <u32>block;
  cpu.exitRip = cpu.rip;
  cpu.exitAt = cpu.icount;
}

/** A region is about to be entered. */
@inline
export function noteEntry(cpu: Vcpu): void {
  if (cpu.exitWhy != JitExitReason.NONE) end(cpu);
}

function end(cpu: Vcpu): void {
  const why = cpu.exitWhy;
  cpu.exitWhy = JitExitReason.NONE;
  if (why == JitExitReason.NEXT) return;
  const done = cpu.icount - cpu.exitAt;
  const place = (((<u32>cpu.exitRip) ^ why) * FIBONACCI) >> 16;
  const e = changetype<JitExit>(<usize>cpu.exits + ((<usize>place) & (JIT_EXITS - 1)) * JitExit_SIZE);
  if (e.rip != cpu.exitRip || e.why != why) {
    if (e.instructions > done) {
      e.instructions -= done;
      return;
    }
    e.rip = cpu.exitRip;
    e.why = why;
    e.instructions = 0;
    e.count = 0;
  }
  e.block = cpu.exitBlock;
  e.instructions += done;
  e.count += 1;
}
