export type { ForwardSpec, GuestOf } from "./forwards.js";
export { NAT_LIMITS, type NatLimits } from "./limits.js";
export { Nat, type NatGuestInfo, type NatOptions, type NatParts } from "./nat.js";
export { DNS, DNS6, FIRST_GUEST, GATEWAY, GATEWAY6, NETWORK, PREFIX6, ROUTER_MAC, ROUTER6 } from "./network.js";
export { Tcp, type TcpConnectionInfo, type TcpParts } from "./tcp/index.js";
export type { TcpEngine } from "./tcp-engine.js";
