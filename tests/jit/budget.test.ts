/**
 * What an instruction says of its vCPU's budget holds in regions too: who gives way, or arms a timer that is earlier than
 * what the scheduler knows of, leaves the run loop soon.
 */
import { describe, expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { DEVICE, Gpr, LoopMachine, THRESHOLD } from "./loop-machine.js";

/** Instructions that the run loop is given: far more than any of the loops needs to the end of its slice. */
const SLICE = 400_000;
const MOST = 1000;
const { off } = Vcpu;

/** A loop that goes on for ever, and what it ends its slice by. */
const LOOPS = {
  "PAUSE that gives way": "pause; add rax, 1",
  "a string instruction that arms the local APIC's timer": "lea rsi, [rbx - 0x100000]; lea rdi, [rbx + 0x380]; movsd",
} as const;

interface Slice {
  /** Instructions that the loop ran of it. */
  readonly instructions: number;
  /** How often the vCPU let the host's processor go. */
  readonly naps: number;
}

/** Runs the loop for a slice, in regions or in the interpreter; with another vCPU that waits, or on one pCPU of two. */
async function sliceOf(body: string, inRegions: boolean, waits: boolean): Promise<Slice> {
  let naps = 0;
  const source = `again: ${body}; jmp again`;
  const loop = await LoopMachine.create({ source, registers: { [Gpr.RBX]: DEVICE }, hostNap: () => naps++ });
  const { view, cpu, data } = loop;
  view.setUint32(data, 1000, true);
  for (let turn = 0; turn < 4 * THRESHOLD; turn++) loop.turn(5, inRegions);
  expect(loop.field(off.regionInstructions) > 0).toBe(inRegions);
  if (waits) view.setUint32(MACHINE_BASE + Machine.off.runMask, 1, true);
  else view.setUint32(MACHINE_BASE + Machine.off.pcpus, 2, true);
  // The scheduler knows of no timer.
  view.setBigUint64(cpu + off.wakeTime, 0xffff_ffff_ffff_ffffn, true);
  const before = loop.field(off.icount);
  loop.turn(SLICE, false);
  return { instructions: Number(loop.field(off.icount) - before), naps };
}

describe("a slice ends soon after", () => {
  it.each(Object.entries(LOOPS))("%s", async (_, body) => {
    for (const inRegions of [false, true])
      expect((await sliceOf(body, inRegions, true)).instructions).toBeLessThan(MOST);
  });
});

describe("the host's processor is let go by a vCPU that", () => {
  const napsOf = async (body: string): Promise<number[]> => {
    const out: number[] = [];
    for (const inRegions of [false, true]) {
      const { instructions, naps } = await sliceOf(body, inRegions, false);
      expect(instructions).toBeGreaterThanOrEqual(SLICE);
      out.push(naps);
    }
    return out;
  };

  it("does nothing but PAUSE", async () => {
    for (const naps of await napsOf("pause; add rax, 1")) expect(naps).toBeGreaterThan(10);
  });

  it("works between its PAUSEs: not", async () => {
    expect(await napsOf(`pause; ${"add rax, 1; ".repeat(50)}`)).toEqual([0, 0]);
  });
});
