/**
 * Random instructions in random machine states: whatever they do, the core never traps, the run always ends, and nothing
 * outside the domain changes.
 */
import { expect, it } from "vitest";
import { makeTestCore } from "../support/core.js";
import { Canary } from "./canary.js";
import { FUZZED_PAGES, FuzzedProcessor, MODES } from "./processor.js";
import { fuzz, randomOf } from "./seeds.js";

const FRAMES = 4096;
const FUZZED = 1;
const CANARY = 2;
const CASES = 60;
const INSTRUCTIONS = 400;
const SEEDS = 24;

it("random instruction streams stay inside their domain", { timeout: 600_000 }, async () => {
  await fuzz("random instructions", SEEDS, async (seed) => {
    const random = randomOf(seed);
    const core = await makeTestCore();
    expect(core.call.machineInit(FRAMES, 1, 1, seed, 0)).toBe(0);
    expect(core.call.domainCreate(FUZZED, 2, FUZZED_PAGES)).toBe(0);
    expect(core.call.domainAddRam(FUZZED, 0, FUZZED_PAGES)).toBe(0);
    expect(core.call.domainSetPlatform(FUZZED, random.below(64))).toBe(0);
    const canary = new Canary(core, CANARY);
    const processor = new FuzzedProcessor(core, FUZZED, random);
    for (let n = 0; n < CASES; n++) {
      if (!processor.prepare(random.pick(MODES))) break;
      processor.run(INSTRUCTIONS);
      canary.check();
    }
  });
});
