/** How fuzzers are run: SEED picks the first seed, RUNS how many follow each other. A failure names the seed that fails. */
import { Random } from "../support/random.js";

const FIRST = 1;
/** Odd and large: neighbouring seeds give unrelated streams. */
const SPREAD = 0x9e3779b1;

/** The generator of one seed. */
export function randomOf(seed: number): Random {
  const random = new Random(Math.imul(seed, SPREAD));
  for (let i = 0; i < 8; i++) random.u32();
  return random;
}

/** Calls `run` with `count` seeds in turn, printed; an error is thrown again with how to repeat it. */
export async function fuzz(what: string, count: number, run: (seed: number) => void | Promise<void>): Promise<void> {
  const first = Number(process.env.SEED ?? FIRST);
  const runs = Number(process.env.RUNS ?? (process.env.SEED === undefined ? count : 1));
  process.stderr.write(`${what}: seeds ${first} to ${first + runs - 1}\n`);
  for (let seed = first; seed < first + runs; seed++) {
    try {
      await run(seed);
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(`${what}: SEED=${seed} fails: ${message}`);
    }
  }
}
