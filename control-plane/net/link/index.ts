export type { LinkCounters } from "./connection.js";
export { type LinkOptions, type LinkParts, LinkStation, type LinkStatus, type LinkWire } from "./link-station.js";
export { type LinkSocket, type LinkSocketEvents, type OpenLinkSocket, openWebSocket } from "./socket.js";
