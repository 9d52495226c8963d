/**
 * What the machine is, drawn as what its name says: a foreign rock inside another. The outer outline is the tab, the
 * inner crystal the guest; the list beside it names the layers from the outside in.
 */
import { h, svg, uniqueId } from "../common/index.js";

type Layer = readonly [name: string, text: string];

const GUEST: Layer = ["Your guest", "An unmodified kernel, entered at its Xen PVH note. No firmware, no patches."];

const LAYERS: readonly Layer[] = [
  ["This tab", "A page with one block of shared memory: the physical computer."],
  ["Domain0", "The control plane in a worker of its own: domains, xenstore, consoles."],
  ["Processors", "Workers that run guest code: x86-64, with Xen’s hypercalls and event channels."],
  GUEST,
];

/** Where the browser shares no memory between threads. */
const LAYERS_OF_ONE_THREAD: readonly Layer[] = [
  ["This tab", "A page with one worker, whose memory is the physical computer."],
  ["Domain0", "The control plane in that worker: domains, xenstore, consoles."],
  ["Processor", "One, in the same thread, by turns with Domain0: x86-64, with Xen’s hypercalls and event channels."],
  GUEST,
];

export function buildMachineFigure(singleThread: boolean): HTMLElement {
  const headingId = uniqueId("machine");
  const list = h("ol", { class: "layers" });
  const layers = singleThread ? LAYERS_OF_ONE_THREAD : LAYERS;
  for (const [name, text] of layers) list.append(h("li", {}, h("strong", {}, name), h("span", {}, text)));
  return h(
    "section",
    { class: "machine", "aria-labelledby": headingId },
    buildRock(),
    h("h2", { id: headingId }, "What runs here"),
    list,
  );
}

/** Faces of the host rock by shade, lit from the upper left; the crystal sits in the hollow they leave. */
const ROCK_FACES: readonly (readonly [shade: number, points: string])[] = [
  [2, "34,58 92,16 118,52 96,86"],
  [1, "92,16 186,8 176,44 118,52"],
  [2, "186,8 268,34 226,62 176,44"],
  [3, "268,34 308,98 246,96 226,62"],
  [4, "308,98 292,168 240,142 246,96"],
  [5, "292,168 214,214 206,180 240,142"],
  [5, "214,214 112,210 132,178 206,180"],
  [4, "112,210 30,176 92,152 132,178"],
  [3, "30,176 10,112 78,128 92,152"],
  [3, "10,112 34,58 96,86 78,128"],
];

const CRYSTAL_FACES: readonly (readonly [shade: number, points: string])[] = [
  [1, "118,82 150,62 160,98 132,108"],
  [2, "150,62 198,70 190,100 160,98"],
  [3, "198,70 226,108 190,100"],
  [4, "226,108 214,146 178,136 190,100"],
  [5, "214,146 168,166 178,136"],
  [4, "168,166 118,150 136,128 178,136"],
  [3, "118,150 100,116 132,108 136,128"],
  [2, "100,116 118,82 132,108"],
  [1, "132,108 160,98 190,100 178,136 136,128"],
];

function buildRock(): SVGSVGElement {
  const face =
    (kind: string) =>
    ([shade, points]: readonly [number, string]) =>
      svg("polygon", { points, class: `${kind} ${kind}-${shade}` });
  return svg(
    "svg",
    { class: "rock", viewBox: "0 0 320 224" },
    svg("polygon", {
      class: "rock-rim",
      points: "96,86 118,52 176,44 226,62 246,96 240,142 206,180 132,178 92,152 78,128",
    }),
    ...ROCK_FACES.map(face("rock-face")),
    ...CRYSTAL_FACES.map(face("facet")),
  );
}
