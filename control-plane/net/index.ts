export { GsoType, HEADER_BYTES, MOST_FRAGMENTS, MOST_FRAME_BYTES, Packet } from "./packet.js";
export type { Station, Wire } from "./station.js";
export { fold, sumBytes } from "./sum.js";
