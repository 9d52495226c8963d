/** The handshake that all device back ends share. */
export { type DevicePaths, XenbusDevice } from "./device.js";
export { XenbusState } from "./machine.js";
