/** Rings in pages shared with guests. */
export { ByteRing, type ByteRingLayout } from "./byte-ring.js";
