/** Makes a failing program small by leaving out items, many at first. */
import type { Item, Program } from "./program.js";

/** Programs that are tried at most. */
const MOST_TRIALS = 400;

/** The smallest program found that still fails. */
export async function shrink(program: Program, fails: (p: Program) => Promise<boolean>): Promise<Program> {
  let items: readonly Item[] = program.items;
  let trials = 0;
  for (let chunk = items.length >> 1; chunk > 0 && trials < MOST_TRIALS; chunk >>= 1) {
    for (let at = 0; at < items.length && trials < MOST_TRIALS; ) {
      const fewer = [...items.slice(0, at), ...items.slice(at + chunk)];
      trials++;
      if (await fails({ ...program, items: fewer })) items = fewer;
      else at += chunk;
    }
  }
  return { ...program, items };
}
