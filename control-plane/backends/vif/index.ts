/** The network back end for netif. */
export { VifBackend, type VifKeys, type VifOptions } from "./device.js";
export type { SavedVif } from "./saved.js";
