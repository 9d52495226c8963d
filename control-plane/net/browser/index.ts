export type { HttpParts } from "./http-stream.js";
export { BrowserOutside, type BrowserOutsideParts } from "./outside.js";
