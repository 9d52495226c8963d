/** The network back end for netif. */
export { DEFAULT_RATE_WINDOW_US } from "./credit.js";
export { VifBackend, type VifKeys, type VifOptions } from "./device.js";
export type { SavedVif } from "./saved.js";
