export {
  completedChecksum,
  DEFAULT_KEY,
  ETHERNET_BYTES,
  EtherType,
  Headers,
  IpProtocol,
  isSegmentable,
  parseHeaders,
  pseudoSum,
  Segmenter,
  TOEPLITZ_KEY_BYTES,
  Toeplitz,
} from "./offload/index.js";
export { GsoType, HEADER_BYTES, MOST_FRAGMENTS, MOST_FRAME_BYTES, Packet } from "./packet.js";
export type { Station, Wire } from "./station.js";
export { fold, sumBytes } from "./sum.js";
