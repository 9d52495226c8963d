/**
 * Debian boots and works with regions, and now and then one of them is checked against the interpreter: each when it is
 * new, and any of them once in a while. Part of the samples are those of the work behind its prompt. SAMPLES, EVERY (entries between two samples), THRESHOLD (runs before a region
 * is made) and SEED make another run of it; a run can be as long as one likes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Jit } from "../../wasm-core/abi/structs/jit.js";
import { RegionCompiler } from "../../wasm-core/jit/compiler.js";
import { Sampler } from "../diff/sampler.js";
import { OneThreadMachine } from "../fuzz/one-thread.js";
import { Random } from "../support/random.js";
import { Console, debianConfig } from "./debian.js";
import { JOBS, makeJobs, withJobs } from "./jobs.js";

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const SAMPLES = setting("SAMPLES", 25_000);
/** Of these behind the prompt, at least. */
const WORKING_SAMPLES = Math.ceil(SAMPLES / 5);
const EVERY = setting("EVERY", 500);
const THRESHOLD = setting("THRESHOLD", 1000);
const SEED = setting("SEED", 1);
const FRAMES = 1 << 17;
/** In whatever state the guest is then. */
const LEAST_REGIONS = 200;
const PROMPT = "xenolith:/# ";
/** Programs of both word sizes, and the shell. */
const WORK = `B=/jobs LC_ALL=C
export B LC_ALL
while true; do
${JOBS.join("\n")}
done >/dev/null 2>&1
`;
const LIMIT_MS = process.env.SAMPLES === undefined ? 600_000 : 86_400_000;

const folder = mkdtempSync(join(tmpdir(), "xenolith-lockstep-"));
beforeAll(() => makeJobs(folder));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("a booting Debian's regions do what the interpreter does", { timeout: LIMIT_MS }, async () => {
  const machine = await OneThreadMachine.create(FRAMES, SEED);
  const { call, memory } = machine.core;
  const jit = call.jitStart();
  const words = new Int32Array(memory.buffer);
  words[(jit + Jit.off.threshold) >>> 2] = THRESHOLD;
  words[(jit + Jit.off.userThreshold) >>> 2] = THRESHOLD;
  words[(jit + Jit.off.youth) >>> 2] = 0;
  const compiler = new RegionCompiler({ memory, jit, firstSlot: call.table.length });
  const sampler = new Sampler(machine.core, jit, new Random(SEED), EVERY);
  const { ramdisk } = await debianConfig();
  const domid = await machine.host.create(await debianConfig({ ramdisk: withJobs(ramdisk!, folder, { work: WORK }) }));
  const console = await Console.of(machine.host, domid);
  /** Samples that were taken before the prompt came. */
  let booting: number | undefined;
  let turns = 0;
  const working = () => (booting === undefined ? 0 : sampler.counts.compared - booting);
  const isDone = () => sampler.counts.compared >= SAMPLES && working() >= WORKING_SAMPLES;
  while (!isDone() && sampler.found === undefined) {
    await machine.run(1);
    compiler.drain();
    sampler.install();
    if (turns++ % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (booting === undefined && console.text.includes(PROMPT)) {
      booting = sampler.counts.compared;
      console.type("sh /jobs/work\n");
    }
  }
  const { compared, instructions, regions } = sampler.counts;
  process.stderr.write(
    `lockstep: ${compared} samples of ${regions} regions, ${instructions} instructions; ${working()} behind the prompt\n`,
  );
  expect(sampler.found).toBeUndefined();
  expect(working()).toBeGreaterThanOrEqual(WORKING_SAMPLES);
  expect(regions).toBeGreaterThan(LEAST_REGIONS);
});
