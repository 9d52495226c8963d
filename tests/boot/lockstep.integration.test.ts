/**
 * Debian boots and works with regions, and now and then one of them is checked against the interpreter: each when it is
 * new, and any of them once in a while. SAMPLES, EVERY (entries between two samples), THRESHOLD (runs before a region
 * is made) and SEED make another run of it; a run can be as long as one likes.
 */
import { expect, it } from "vitest";
import { Jit } from "../../wasm-core/abi/structs/jit.js";
import { RegionCompiler } from "../../wasm-core/jit/compiler.js";
import { Sampler } from "../diff/sampler.js";
import { OneThreadMachine } from "../fuzz/one-thread.js";
import { Random } from "../support/random.js";
import { Console, debianConfig } from "./debian.js";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const SAMPLES = setting("SAMPLES", 15_000);
const EVERY = setting("EVERY", 500);
const THRESHOLD = setting("THRESHOLD", 1000);
const SEED = setting("SEED", 1);
const FRAMES = 1 << 17;
/** In whatever state the guest is then. */
const LEAST_REGIONS = 200;
const PROMPT = "xenolith:/# ";
const WORK =
  "while true; do dd if=/dev/urandom bs=1k count=64 2>/dev/null | gzip | gunzip | sha256sum; ls -lR /etc | sort | md5sum; done\n";
const DAY_MS = 86_400_000;

it("a booting Debian's regions do what the interpreter does", { timeout: DAY_MS }, async () => {
  const machine = await OneThreadMachine.create(FRAMES, SEED);
  const { call, memory } = machine.core;
  const jit = call.jitStart();
  new Int32Array(memory.buffer)[(jit + Jit.off.threshold) >>> 2] = THRESHOLD;
  const compiler = new RegionCompiler({ memory, jit, firstSlot: call.table.length });
  const sampler = new Sampler(machine.core, jit, new Random(SEED), EVERY);
  const domid = await machine.host.create(await debianConfig());
  const console = await Console.of(machine.host, domid);
  let working = false;
  let turns = 0;
  while (sampler.counts.compared < SAMPLES && sampler.found === undefined) {
    await machine.run(1);
    compiler.drain();
    sampler.install();
    if (turns++ % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (!working && console.text.includes(PROMPT)) {
      working = true;
      console.type(WORK);
    }
  }
  const { compared, instructions, regions } = sampler.counts;
  process.stderr.write(`lockstep: ${compared} samples of ${regions} regions, ${instructions} instructions\n`);
  expect(sampler.found).toBeUndefined();
  expect(regions).toBeGreaterThan(LEAST_REGIONS);
});
