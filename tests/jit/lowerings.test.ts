/** Every lowering of an integer instruction against the interpreter, in random company and from random states. */
import { describe, expect, it } from "vitest";
import { Random, seedOf } from "../support/random.js";
import { RegionMachine, randomStart, type Start, type State } from "./machine.js";
import { PATTERNS, program } from "./snippets.js";

/** States from which each program is run. */
const STATES = 12;
const ROUNDS = Number(process.env.JIT_ROUNDS ?? 1);

const machine = await RegionMachine.create();
const hex = (v: bigint | number): string => `0x${v.toString(16)}`;

/** What differs, in words; "" when nothing does. */
function difference(a: State, b: State): string {
  const out: string[] = [];
  a.registers.forEach((v, n) => {
    if (v !== b.registers[n]) out.push(`register ${n}: ${hex(v)} and in a region ${hex(b.registers[n]!)}`);
  });
  if (a.rip !== b.rip) out.push(`RIP: ${hex(a.rip)} and in a region ${hex(b.rip)}`);
  if (a.eflags !== b.eflags) out.push(`EFLAGS: ${hex(a.eflags)} and in a region ${hex(b.eflags)}`);
  if (!a.memory.equals(b.memory)) {
    const at = a.memory.findIndex((v, k) => v !== b.memory[k]);
    out.push(`memory at ${hex(at)}: ${hex(a.memory[at]!)} and in a region ${hex(b.memory[at]!)}`);
  }
  return out.join("; ");
}

function compare(source: string, k: number, start: Start): void {
  const expected = machine.run(k, start, false);
  const actual = machine.run(k, start, true);
  const text = difference(expected, actual);
  const from = start.registers.map((v, n) => `${n}: ${hex(v)}`).join(" ");
  if (text !== "") expect.fail(`${source}\n${text}\nfrom ${from} eflags ${hex(start.eflags)}`);
}

describe("lowerings do what the interpreter does", () => {
  for (const [name, patterns] of Object.entries(PATTERNS)) {
    it(name, () => {
      const random = new Random(seedOf(name) ^ Number(process.env.JIT_SEED ?? 0));
      const before = machine.counts();
      let cases = 0;
      for (let round = 0; round < ROUNDS * Math.ceil((patterns.length * 3) / RegionMachine.PROGRAMS); round++) {
        const programs = Array.from({ length: RegionMachine.PROGRAMS }, (_, k) =>
          program(patterns[(round * RegionMachine.PROGRAMS + k) % patterns.length]!, 1 + random.below(5), random),
        );
        machine.load(programs, random);
        programs.forEach((source, k) => {
          for (let n = 0; n < STATES; n++, cases++) compare(source, k, randomStart(random));
        });
      }
      const after = machine.counts();
      const regions = after.regions - before.regions;
      expect(regions, "instructions in regions").toBeGreaterThan(cases);
      if (process.env.JIT_ROUNDS)
        console.log(
          `${name}: ${cases} cases, ${regions} instructions, ${after.handlers - before.handlers} by handlers`,
        );
    });
  }
});
