/** The mark: a crystal in its host rock. */
import { svg } from "../common/index.js";

export function buildLogo(): SVGSVGElement {
  const facet = (points: string, shade: number) => svg("polygon", { points, class: `facet facet-${shade}` });
  return svg(
    "svg",
    { class: "logo", viewBox: "0 0 32 32" },
    svg("polygon", { class: "logo-host", points: "7,3 23,2 31,13 27,27 12,31 1,20" }),
    facet("11,9 18,8 16,16", 1),
    facet("18,8 24,14 16,16", 2),
    facet("24,14 21,22 16,16", 4),
    facet("21,22 12,23 16,16", 5),
    facet("12,23 8,16 16,16", 3),
    facet("8,16 11,9 16,16", 2),
  );
}
