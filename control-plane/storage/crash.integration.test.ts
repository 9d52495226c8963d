/** `crash.test.ts` at length. */
import { expect, it } from "vitest";
import { cutEverywhere, WORKLOADS } from "./testing/cut.js";

const SEEDS = Array.from({ length: 8 }, (_, i) => i + 20);

it.each(Object.entries(WORKLOADS))("%s lose nothing, whatever the seed", async (_, workload) => {
  for (const seed of SEEDS) expect(await cutEverywhere(workload, seed, 4)).toBeGreaterThan(30);
});
