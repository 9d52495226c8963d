export { TCP_LIMITS, type TcpLimits } from "./limits.js";
export { Tcp } from "./tcp.js";
export type { Ends, TcpConnectionInfo, TcpParts, TcpState } from "./types.js";
