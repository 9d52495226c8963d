export type { LinkCounters } from "./connection.js";
export { type LinkOptions, type LinkParts, LinkStation, type LinkStatus, type LinkWire } from "./link-station.js";
export type { Hello } from "./protocol.js";
export {
  LESS_OPEN,
  type LinkNetwork,
  type LinkPeer,
  type LinkServer,
  type LinkServerOptions,
  type LinkServerParts,
  type NamedWire,
  type ServeLink,
  whyTooOpen,
} from "./server.js";
export { type LinkSocket, type LinkSocketEvents, type OpenLinkSocket, openWebSocket } from "./socket.js";
