/**
 * What the machine is, drawn as what its name says: a foreign rock inside another. The outer outline is the tab, the
 * inner crystal the guest; the list beside it names the layers from the outside in.
 */
import { h, svg, uniqueId } from "../common/index.js";

const LAYERS: readonly (readonly [string, string])[] = [
  ["This tab", "A page with one block of shared memory: the physical computer."],
  ["Domain0", "The control plane in a worker of its own: domains, xenstore, consoles."],
  ["Processors", "Workers that run guest code: x86-64, with Xen's hypercalls and event channels."],
  ["Your guest", "An unmodified kernel, entered at its Xen PVH note. No firmware, no patches."],
];

export function buildMachineFigure(): HTMLElement {
  const headingId = uniqueId("machine");
  const list = h("ol", { class: "layers" });
  for (const [name, text] of LAYERS) list.append(h("li", {}, h("strong", {}, name), h("span", {}, text)));
  return h(
    "section",
    { class: "machine", "aria-labelledby": headingId },
    buildRock(),
    h("h2", { id: headingId }, "What runs here"),
    list,
  );
}

/** Host rock, its grain, the crystal and the crystal's facets. */
function buildRock(): SVGSVGElement {
  const facet = (points: string, shade: number) => svg("polygon", { points, class: `facet facet-${shade}` });
  return svg(
    "svg",
    { class: "rock", viewBox: "0 0 320 224" },
    svg("polygon", { class: "rock-host", points: "34,58 92,16 186,8 268,34 308,98 292,168 214,214 112,210 30,176 10,112" }),
    svg("path", {
      class: "rock-grain",
      d: "M34 58 96 86M10 112 78 128M30 176 92 152M112 210 132 178M214 214 206 180M292 168 240 142M308 98 246 96M268 34 226 62M186 8 176 44M92 16 118 52",
    }),
    svg("polygon", { class: "rock-rim", points: "96,86 118,52 176,44 226,62 246,96 240,142 206,180 132,178 92,152 78,128" }),
    facet("118,76 166,64 158,112", 1),
    facet("166,64 212,84 158,112", 2),
    facet("212,84 222,128 158,112", 3),
    facet("222,128 190,162 158,112", 4),
    facet("190,162 134,158 158,112", 5),
    facet("134,158 102,122 158,112", 4),
    facet("102,122 118,76 158,112", 2),
  );
}
