/**
 * Builds a PVH domain's memory: kernel, ramdisk, ACPI tables and boot information, at the places that the layout names.
 * Each function is one atom of the plan in `plan.ts`; together they leave vCPU 0 at the kernel's entry. [XEN] pvh.pandoc
 */
import { PlatformFlag } from "../../wasm-core/abi/structs/platform.js";
import { HvmParam } from "../../wasm-core/abi/structs/xen.js";
import type { PlatformConfig } from "../api/types.js";
import { type CoreLink, domainView, PAGE_BYTES, vcpuView } from "../core-link/index.js";
import { err, ok, type Result } from "../util/index.js";
import { type AcpiPlatform, buildAcpiTables } from "./acpi/index.js";
import { GuestMemory } from "./guest-memory.js";
import { loadKernel } from "./kernel/index.js";
import { mapEntryCount, planLayout } from "./layout.js";
import type { DomainRecord } from "./record.js";
import { applyScheduling } from "./scheduling.js";
import { bootInfoBytes, writeBootInfo } from "./start-info.js";

export type BuildError = "bad-kernel" | "bad-config" | "out-of-memory" | "internal";
export type BuildResult = Result<void, BuildError>;

const ENOMEM = -12;
const DONE: BuildResult = ok(undefined);
const outOfMemory = (what: string): BuildResult => err("out-of-memory", `the machine has no frames left for ${what}`);

const low = (value: number): number => value % 0x1_0000_0000;
const high = (value: number): number => Math.floor(value / 0x1_0000_0000);
const param = (name: keyof typeof HvmParam.values): number => Number(HvmParam.values[name]);

function acpiPlatform(core: CoreLink, record: DomainRecord): AcpiPlatform {
  const { platform, maxVcpus } = record.config;
  const apicIds = Array.from(
    { length: maxVcpus },
    (_, vcpu) => vcpuView(core, record.domid, vcpu)?.get("apicId") ?? 2 * vcpu,
  );
  const { ioapic, pit, pmTimer, serial } = platform;
  return { apicIds, ioapic, pit, pmTimer, serial };
}

/** Reads the kernel image and decides where everything goes. */
export function planMemory(core: CoreLink, record: DomainRecord): BuildResult {
  const { config } = record;
  const kernel = loadKernel(config.kernel);
  if (!kernel.ok) return kernel;
  const modules = config.ramdisk.length > 0 ? 1 : 0;
  const layout = planLayout({
    memoryBytes: config.maxMemoryBytes,
    kernelStart: kernel.value.start,
    kernelEnd: kernel.value.end,
    ramdiskBytes: config.ramdisk.length,
    acpiBytes: buildAcpiTables(0, acpiPlatform(core, record)).length,
    bootInfoBytes: bootInfoBytes(config.cmdline.length, modules, mapEntryCount(config.maxMemoryBytes)),
  });
  if (!layout.ok) return layout;
  record.kernel = kernel.value;
  record.layout = layout.value;
  return DONE;
}

export function createInCore(core: CoreLink, record: DomainRecord): BuildResult {
  const { config, layout } = record;
  const pages = layout!.ram.reduce((sum, region) => sum + region.bytes / PAGE_BYTES, 0);
  const status = core.calls.domainCreate(record.domid, config.maxVcpus, pages);
  if (status === ENOMEM) return outOfMemory("the domain's structures");
  if (status < 0) return err("internal", `the hypervisor refused to create domain ${record.domid} (${status})`);
  record.exists = true;
  writeHandle(core, record);
  for (const { start, bytes } of layout!.ram) {
    const added = core.calls.domainAddRam(record.domid, start / PAGE_BYTES, bytes / PAGE_BYTES);
    if (added < 0) return outOfMemory("the domain's page table");
  }
  return applyScheduling(core, record);
}

/** XENVER_guest_handle gives the guest its UUID. */
function writeHandle(core: CoreLink, record: DomainRecord): void {
  const domain = domainView(core, record.domid)!;
  const digits = record.uuid.replaceAll("-", "");
  for (let i = 0; i < 16; i++) domain.set("handle", Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16), i);
}

export function setPlatform(core: CoreLink, record: DomainRecord): BuildResult {
  const names: [keyof PlatformConfig, keyof typeof PlatformFlag.values][] = [
    ["serial", "SERIAL"],
    ["debugcon", "DEBUGCON"],
    ["exitPort", "EXIT_PORT"],
    ["ioapic", "IOAPIC"],
    ["pit", "PIT"],
    ["pmTimer", "PM_TIMER"],
  ];
  const { platform } = record.config;
  const flags = names.reduce((sum, [key, name]) => sum | (platform[key] ? Number(PlatformFlag.values[name]) : 0), 0);
  const status = core.calls.domainSetPlatform(record.domid, flags);
  return status < 0 ? outOfMemory(`the platform devices (${status})`) : DONE;
}

export function loadKernelSegments(core: CoreLink, record: DomainRecord): BuildResult {
  const memory = new GuestMemory(core, record.domid);
  for (const { paddr, data } of record.kernel!.segments) {
    if (!memory.write(paddr, data)) return outOfMemory("the kernel");
  }
  return DONE;
}

export function loadRamdisk(core: CoreLink, record: DomainRecord): BuildResult {
  const { ramdisk } = record.config;
  if (ramdisk.length === 0) return DONE;
  return new GuestMemory(core, record.domid).write(record.layout!.ramdisk, ramdisk) ? DONE : outOfMemory("the ramdisk");
}

/** ACPI tables, start information, command line, and the map that XENMEM_memory_map returns. */
export function writeTables(core: CoreLink, record: DomainRecord): BuildResult {
  const { config } = record;
  const layout = record.layout!;
  const memory = new GuestMemory(core, record.domid);
  const modules = config.ramdisk.length > 0 ? [{ start: layout.ramdisk, bytes: config.ramdisk.length }] : [];
  const info = { cmdline: config.cmdline, modules, map: layout.map, rsdp: layout.acpi };
  const written =
    memory.write(layout.acpi, buildAcpiTables(layout.acpi, acpiPlatform(core, record))) &&
    memory.write(layout.bootInfo, writeBootInfo(layout.bootInfo, info));
  if (!written) return outOfMemory("the boot information");
  for (const { start, bytes, type } of layout.map) {
    core.calls.domainAddMapEntry(record.domid, low(start), high(start), low(bytes), high(bytes), type);
  }
  return DONE;
}

/** Tells the guest, through HVM params, where its console and its xenstore ring are. */
export function setHvmParams(core: CoreLink, record: DomainRecord): BuildResult {
  const layout = record.layout!;
  const { hvmParamSet } = core.calls;
  hvmParamSet(record.domid, param("STORE_PFN"), layout.xenstoreGfn, 0);
  hvmParamSet(record.domid, param("STORE_EVTCHN"), record.storeChannel!.guestPort, 0);
  hvmParamSet(record.domid, param("CONSOLE_PFN"), layout.consoleGfn, 0);
  hvmParamSet(record.domid, param("CONSOLE_EVTCHN"), record.consoleChannel!.guestPort, 0);
  return DONE;
}

/** Puts vCPU 0 at the entry point, EBX at the start information; what was only needed to build is dropped. */
export function startBootVcpu(core: CoreLink, record: DomainRecord): BuildResult {
  const status = core.calls.vcpuStartPvh(record.domid, 0, record.kernel!.entry, record.layout!.bootInfo);
  record.kernel = null;
  return status < 0 ? err("internal", `vCPU 0 cannot be started (${status})`) : DONE;
}
