/** Replays vectors and says what failed. VECTORS and FAILURES as in replay.test.ts. */
import type { Row } from "../../wasm-core/isa/row.js";
import { compareStates, describeFailure } from "./compare.js";
import type { State, Vector } from "./layout.js";

const ONLY = process.env.VECTORS;
const SHOWN = Number(process.env.FAILURES ?? 1);

/** Whether the row's vectors are asked for. */
export const isWanted = (row: Row | undefined): row is Row =>
  row !== undefined && (ONLY === undefined || row.mnemonic === ONLY);

/** Runs every vector; what failed, in words. */
export function failuresOf(
  rows: ReadonlyMap<string, Row>,
  vectors: Iterable<readonly [row: string, vector: Vector]>,
  run: (v: Vector) => State,
): string[] {
  const out: string[] = [];
  const counts = new Map<string, number>();
  for (const [key, vector] of vectors) {
    const row = rows.get(key);
    if (!isWanted(row)) continue;
    const got = run(vector);
    const parts = compareStates(row, vector, got);
    if (parts.length === 0) continue;
    const n = (counts.get(key) ?? 0) + 1;
    counts.set(key, n);
    if (n <= SHOWN) out.push(describeFailure(key, vector, got, parts));
  }
  for (const [key, n] of counts) if (n > SHOWN) out.push(`${key}: ${n} failures`);
  return out;
}
