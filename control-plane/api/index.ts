/** The way into Domain0. `connectNode` and `connectBrowser` are entered by their own files: each needs its host. */
export type {
  Finding,
  ImageApi,
  ImageInfo,
  ImageJobCall,
  ImageKind,
  ImageNode,
  Progress,
  SnapshotOptions,
  SnapshotResult,
} from "../storage/index.js";
export { type DiskSpecFault, type DiskSpecResult, parseDiskSpec } from "./disk-spec.js";
export { HostError, hostErrorOf, toHostError } from "./errors.js";
export * from "./limits.js";
export type { MachineOptions } from "./machine-options.js";
export type * from "./types.js";
export { parseVdev, type Vdev, vdevName } from "./vdev.js";
export { VERSION } from "./version.js";
export { parseVifSpec, type VifSpecFault, type VifSpecResult } from "./vif-spec.js";
