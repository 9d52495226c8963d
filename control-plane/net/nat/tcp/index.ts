/** TCP of the user-mode network. */
export { TCP_LIMITS, type TcpLimits } from "./limits.js";
export { Tcp } from "./tcp.js";
export type { Endpoint, Ends, TcpConnectionInfo, TcpParts, TcpState } from "./types.js";
