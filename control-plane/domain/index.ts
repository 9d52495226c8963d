/** Domains: building them, their life, and what is told about them. */
export type { CoreSink } from "./atoms.js";
export { type StopCapture, startCapture } from "./captures.js";
export { dumpCore } from "./core-dump.js";
export { attachDisk, changeMedium, detachDisk } from "./disk-requests.js";
export { diskFailure, type OpenDisk } from "./disks.js";
export { describeDomain } from "./info.js";
export { unpackKernel } from "./kernel/index.js";
export { joinNetwork, leaveNetwork, serveNetwork } from "./link-requests.js";
export type { LinkHost } from "./links.js";
export { quiesce } from "./quiesce.js";
export type { Outcome } from "./record.js";
export { setAffinity, setScheduling } from "./scheduling.js";
export {
  type NetworkHost,
  Toolstack,
  type ToolstackError,
  type ToolstackParts,
  type ToolstackResult,
} from "./toolstack.js";
export { attachVif, detachVif, setVif } from "./vif-requests.js";
export { requestShutdown, writeMemoryTarget, writeSysrq, writeVcpus } from "./xenstore-tree.js";
