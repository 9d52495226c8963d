/** The page's icons: strokes on a 16 x 16 grid, drawn in the text's colour. */
import { svg } from "./dom.js";

const PATHS = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.4 10.4 13.5 13.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  resume: "M5 3.2v9.6L12.5 8z",
  power: "M8 2.5v5M4.6 4.6a4.8 4.8 0 1 0 6.8 0",
  more: "M3.5 7.6v.8M8 7.6v.8M12.5 7.6v.8",
  close: "M4 4l8 8M12 4l-8 8",
  up: "M4 10l4-4 4 4",
  down: "M4 6l4 4 4-4",
  plus: "M8 3.5v9M3.5 8h9",
  light:
    "M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
  dark: "M13 9.6A5.3 5.3 0 0 1 6.4 3a5.3 5.3 0 1 0 6.6 6.6z",
  system: "M2.5 3.5h11v7.5h-11zM6 13.5h4",
  file: "M4 2.5h5l3 3v8H4zM9 2.5v3h3",
  reader: "M3 6.5v3h2l3 2.5v-8L5 6.5zM10.5 6a3 3 0 0 1 0 4M12.3 4.2a5.5 5.5 0 0 1 0 7.6",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16" }, svg("path", { d: PATHS[name] }));
}
