export { formatIp, formatMac, parseIp, parseMac } from "./addresses.js";
export { Capture, type CaptureListener, type CaptureOptions, type CaptureStats, type Timer } from "./capture/index.js";
export {
  type Hello,
  LESS_OPEN,
  type LinkCounters,
  type LinkNetwork,
  type LinkOptions,
  type LinkParts,
  type LinkPeer,
  type LinkServer,
  type LinkServerOptions,
  type LinkServerParts,
  type LinkSocket,
  type LinkSocketEvents,
  LinkStation,
  type LinkStatus,
  type LinkWire,
  type NamedWire,
  type OpenLinkSocket,
  openWebSocket,
  type ServeLink,
  whyTooOpen,
} from "./link/index.js";
export {
  type ForwardSpec,
  type GuestOf,
  Nat,
  type NatGuestInfo,
  type NatLimits,
  type NatOptions,
  type NatParts,
  ROUTER_MAC,
  Tcp,
  type TcpConnectionInfo,
  type TcpEngine,
  type TcpParts,
} from "./nat/index.js";
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
export { nowhere, type Outside } from "./outside/index.js";
export { GsoType, HEADER_BYTES, MOST_FRAGMENTS, MOST_FRAME_BYTES, Packet } from "./packet.js";
export type { Station, Wire } from "./station.js";
export { fold, sumBytes } from "./sum.js";
export {
  type DropName,
  type Flow,
  type FlowDirection,
  type Impairment,
  type ImpairmentStats,
  type MacInfo,
  type MacLimits,
  type Port,
  type PortCounters,
  type PortInfo,
  type PortOptions,
  Switch,
  type SwitchParts,
  type SwitchStats,
} from "./switch/index.js";
