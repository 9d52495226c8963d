export {
  type ForwardSpec,
  type GuestOf,
  Nat,
  type NatGuestInfo,
  type NatLimits,
  type NatOptions,
  type NatParts,
  type TcpEngine,
  type TcpParts,
} from "./nat/index.js";
export { GsoType, HEADER_BYTES, MOST_FRAGMENTS, MOST_FRAME_BYTES, Packet } from "./packet.js";
export type { Station, Wire } from "./station.js";
