export type { MessageListener, MessageSocket } from "./message-socket.js";
export { type OpenSocket, WispClient } from "./wisp-client.js";
export { WISP_LIMITS, type WispLimits, WispServer } from "./wisp-server.js";
