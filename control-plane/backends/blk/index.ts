/** The block back end. */
export { BlkBackend, type BlkOptions } from "./device.js";
export type { SavedBlk } from "./saved.js";
