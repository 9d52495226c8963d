/** The only road to the core: its memory, its calls and its workers. */
export {
  type CoreCalls,
  type CoreLink,
  type DomainView,
  domainView,
  machineView,
  pcpuView,
  type VcpuView,
  vcpuView,
} from "./core.js";
export { MachineMemory, type MemorySource, PAGE_BYTES, PAGE_SHIFT } from "./memory.js";
export { StructView } from "./struct-view.js";
