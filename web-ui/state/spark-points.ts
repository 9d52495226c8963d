/** Processor use of the last minute as the points of a line, in a box of fixed size. */
import { HISTORY_LENGTH } from "./domains.js";

export const SPARK_WIDTH = 120;
export const SPARK_HEIGHT = 28;

/** Newest at the right edge; a history shorter than a minute leaves the left empty. `full` reaches the top. */
export function sparkPoints(history: readonly number[], full: number): string {
  const step = SPARK_WIDTH / (HISTORY_LENGTH - 1);
  const left = SPARK_WIDTH - (history.length - 1) * step;
  return history
    .map((value, index) => {
      const y = SPARK_HEIGHT - 1 - (Math.min(value, full) / full) * (SPARK_HEIGHT - 2);
      return `${(left + index * step).toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}
