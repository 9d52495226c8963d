/** Processor use of the last minute as a line; the scale is the domain's own processors. */
import { SPARK_HEIGHT, SPARK_WIDTH, sparkPoints } from "../../state/index.js";
import { setAttributes, svg } from "../common/index.js";

export class Sparkline {
  private readonly line = svg("polyline", { class: "spark-line" });
  private readonly area = svg("polygon", { class: "spark-area" });
  readonly element = svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, preserveAspectRatio: "none" },
    this.area,
    this.line,
  );

  show(history: readonly number[], vcpus: number): void {
    const points = sparkPoints(history, vcpus * 100);
    const left = points.split(",")[0] ?? "0";
    const area = points === "" ? "" : `${left},${SPARK_HEIGHT} ${points} ${SPARK_WIDTH},${SPARK_HEIGHT}`;
    setAttributes(this.line, { points });
    setAttributes(this.area, { points: area });
  }
}
