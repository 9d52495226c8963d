/**
 * What Domain0 holds of the core: its calls and its memory. `real.ts` puts a WebAssembly instance behind it, `fake.ts`
 * a few maps, and nothing above this line can tell which.
 */
import type { CoreExports } from "../../wasm-core/abi/core-api.js";
import { Domain } from "../../wasm-core/abi/structs/domain.js";
import { MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import type { MachineMemory } from "./memory.js";
import { StructView } from "./struct-view.js";

/** The core's calls that Domain0 makes; running pCPUs is the workers' business. */
export type CoreCalls = Omit<CoreExports, "memory" | "pcpuRun" | "pcpuIdleNs" | "pcpuAbandon">;

export interface CoreLink {
  readonly calls: CoreCalls;
  readonly memory: MachineMemory;
}

export type MachineView = StructView<keyof typeof Machine.off>;
export type DomainView = StructView<keyof typeof Domain.off>;
export type VcpuView = StructView<keyof typeof Vcpu.off>;

export const machineView = (core: CoreLink): MachineView => new StructView(core.memory, Machine, MACHINE_BASE);

export const pcpuView = (core: CoreLink, pcpu: number) =>
  new StructView(core.memory, Pcpu, PCPU_BASE + pcpu * Pcpu.size);

/** The Domain struct of a domain; undefined when the core has none of that number. */
export function domainView(core: CoreLink, domid: number): DomainView | undefined {
  const address = core.calls.domainAddress(domid) >>> 0;
  return address === 0 ? undefined : new StructView(core.memory, Domain, address);
}

export function vcpuView(core: CoreLink, domid: number, vcpu: number): VcpuView | undefined {
  const address = core.calls.vcpuAddress(domid, vcpu) >>> 0;
  return address === 0 ? undefined : new StructView(core.memory, Vcpu, address);
}
