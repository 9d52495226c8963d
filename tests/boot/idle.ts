/** What an idle host costs. */
import { performance } from "node:perf_hooks";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const LOOK_MS = 5000;

/** Part of a core that this process uses, all its threads together. */
async function share(): Promise<number> {
  const before = process.cpuUsage();
  const start = performance.now();
  await sleep(LOOK_MS);
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000 / (performance.now() - start);
}

/**
 * The same once it is below `limit`, or after so long. Engines compile what is hot behind our back for a while: the second
 * look counts when the first saw that.
 */
export async function idleShare(limit: number, ms = 90_000): Promise<number> {
  await sleep(1000);
  const end = performance.now() + ms;
  for (;;) {
    const used = await share();
    if (used < limit || performance.now() > end) return used;
  }
}
