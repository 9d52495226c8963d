/** The netchannel2 back end. */
export { Bypasses, type BypassesOptions } from "./bypasses.js";
export { Vif2Backend, type Vif2Options } from "./device.js";
export type { SavedVif2 } from "./saved.js";
