/** The way into Domain0. `connectNode` and `connectBrowser` are entered by their own files: each needs its host. */
export { HostError, toHostError } from "./errors.js";
export * from "./limits.js";
export type { MachineOptions } from "./machine-options.js";
export type * from "./types.js";
export { VERSION } from "./version.js";
