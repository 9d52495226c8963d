/** Processor use of the last minute as a line; the scale is the domain's own processors. */
import { HISTORY_LENGTH } from "../../state/index.js";
import { setAttributes, svg } from "../common/index.js";

const WIDTH = 120;
const HEIGHT = 28;

export class Sparkline {
  private readonly line = svg("polyline", { class: "spark-line" });
  private readonly area = svg("polygon", { class: "spark-area" });
  readonly element = svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" },
    this.area,
    this.line,
  );

  show(history: readonly number[], vcpus: number): void {
    const points = sparkPoints(history, vcpus * 100);
    setAttributes(this.line, { points });
    const first = points.split(",")[0] ?? "0";
    setAttributes(this.area, { points: points === "" ? "" : `${first},${HEIGHT} ${points} ${WIDTH},${HEIGHT}` });
  }
}

/** Newest at the right edge; a history shorter than a minute leaves the left empty. */
export function sparkPoints(history: readonly number[], full: number): string {
  const step = WIDTH / (HISTORY_LENGTH - 1);
  const left = WIDTH - (history.length - 1) * step;
  return history
    .map((value, index) => {
      const y = HEIGHT - 1 - (Math.min(value, full) / full) * (HEIGHT - 2);
      return `${(left + index * step).toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}
