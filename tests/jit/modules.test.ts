/** Modules of regions: what is asked for together becomes one, and equal programs become equal bytes. */
import { describe, expect, it } from "vitest";
import { Jit } from "../../wasm-core/abi/structs/jit.js";
import { TestRegions } from "../support/regions.js";
import { GoldenMachine, type Mode } from "./golden-machine.js";
import { GOLDEN } from "./programs.js";

const ROUNDS = 6;
const TURNS = 100;
/** Regions that one module is made of at most. */
const TOGETHER = 32;

/** Runs the programs one after the other and then has compiled what they asked for; what was published. */
async function compiled(programs: readonly string[], mode?: Mode) {
  const golden = await GoldenMachine.create();
  const regions = new TestRegions(golden.core, 2);
  for (const [n, source] of programs.entries()) {
    golden.begin(source, ROUNDS, mode, n);
    golden.run(TURNS);
  }
  regions.make();
  const jit = golden.core.call.jitStart() >>> 0;
  const word = (at: number): number => golden.view.getUint32(jit + at, true);
  const ring = new Uint8Array(golden.core.memory.buffer, word(Jit.off.ring), word(Jit.off.published));
  return { counts: regions.compiler.counts, published: Buffer.from(ring.slice()) };
}

const loops = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `1: add rax, ${n + 1}; dec rcx; jnz 1b; int3`);

describe("modules", () => {
  it("are made of what is asked for together", async () => {
    expect((await compiled(loops(TOGETHER))).counts).toMatchObject({ regions: TOGETHER, modules: 1 });
    expect((await compiled(loops(TOGETHER + 1))).counts).toMatchObject({ regions: TOGETHER + 1, modules: 2 });
  });

  it.each([
    { name: "many loops", programs: loops(TOGETHER + 1), mode: undefined },
    ...GOLDEN.map(({ name, source, mode }) => ({ name, programs: [source], mode })),
  ])("of the same program on a like machine are the same, byte for byte: $name", async ({ programs, mode }) => {
    const [first, second] = [await compiled(programs, mode), await compiled(programs, mode)];
    expect(first.counts.regions).toBeGreaterThanOrEqual(programs.length);
    expect(first.published.length).toBeGreaterThanOrEqual(first.counts.bytes);
    expect(second.published.equals(first.published)).toBe(true);
  });
});
