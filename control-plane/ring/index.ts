/** Rings in pages shared with guests. */
export { ByteRing, type ByteRingLayout } from "./byte-ring.js";
export { BackRing, FrontRing, type SharedRingGeometry, slotCount } from "./shared-ring.js";
