/** Workers that write to a disk and are killed at moments that a seed chooses; SEED repeats a run. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../control-plane/util/index.js";

/** What the worker is at besides writing. */
export type Doing = "write" | "snapshot" | "merge";

/** What it says: the last round that it has flushed. */
export interface Told {
  readonly flushed: number;
  readonly doing: Doing;
}

/** When: some rounds on, as soon as the worker says that it does so, and a moment later. */
export interface Kill {
  readonly first: number;
  readonly rounds: number;
  readonly doing: Doing;
  readonly delayMs: number;
}

const MOMENTS: readonly Doing[] = ["snapshot", "merge", "write"];
const KILLS = 9;
const ROUNDS_MIN = 5;
const ROUNDS_SPREAD = 20;
const DELAY_MAX_MS = 6;

/** In the page: has a worker write, and kills it; gives the last round that it told. */
export function writeUntilKilled({ first, rounds, doing, delayMs }: Kill): Promise<number> {
  return new Promise<number>((resolve, reject) => {
    const worker = new Worker("/worker.js", { type: "module" });
    let last = first - 1;
    let isCondemned = false;
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }: MessageEvent<Told | { readonly failed: string }>) => {
      if ("failed" in data) {
        reject(new Error(data.failed));
        return;
      }
      last = data.flushed;
      if (isCondemned || last < first + rounds || data.doing !== doing) return;
      isCondemned = true;
      setTimeout(() => {
        worker.terminate();
        resolve(last);
      }, delayMs);
    };
    worker.postMessage(`writeUntilKilled ${first}`);
  });
}

export interface KillRig {
  /** Has a page's worker write until it is killed; answers the last round that it told. */
  kill(kill: Kill): Promise<number>;
  /** Has a new worker do something. */
  ask(deed: string): Promise<unknown>;
  diagnostic(text: string): void;
}

/** Asserts that what was flushed up to a round is there, in every block, and nothing else is wrong. */
export async function assertKept({ ask }: Pick<KillRig, "ask">, told: number, when: string): Promise<void> {
  assert.deepEqual(await ask(`afterKill ${told}`), { wrong: [], findings: [], leftovers: [] }, when);
}

/** Kills worker after worker, and looks each time; answers the last round that was told. */
export async function killAndLook(rig: KillRig): Promise<number> {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  rig.diagnostic(`SEED=${seed}`);
  const random = new SeededRandom(seed);
  let told = 0;
  for (let n = 0; n < KILLS; n++) {
    const kill = {
      first: told + 1,
      rounds: ROUNDS_MIN + (random.u32() % ROUNDS_SPREAD),
      doing: MOMENTS[n % MOMENTS.length]!,
      delayMs: random.u32() % DELAY_MAX_MS,
    };
    told = await rig.kill(kill);
    await assertKept(rig, told, `SEED=${seed}, kill ${n}: ${JSON.stringify(kill)}, ${told} rounds told`);
  }
  return told;
}
