/**
 * Where everything lies in a domain's physical memory. Pure arithmetic: from sizes to addresses, or the reason why it
 * cannot be. RAM below 3 GiB, then a hole for devices, ACPI tables and Xen's pages, then RAM again from 4 GiB.
 *
 *   0        640K  1M                3G        fc000000   feff8000  fec/fee  4G
 *   | RAM     |    | RAM     initrd | nothing  | ACPI      | special | APICs | RAM ...
 */
import { err, ok, type Result } from "../util/index.js";

export interface Region {
  readonly start: number;
  readonly bytes: number;
}

/** An entry of the memory map. [ACPI] 15 "Address Range Types" */
export interface MapEntry extends Region {
  readonly type: number;
}

export interface LayoutInput {
  readonly memoryBytes: number;
  readonly kernelStart: number;
  readonly kernelEnd: number;
  readonly ramdiskBytes: number;
  readonly acpiBytes: number;
  /** Start info, module list, memory map and command line together; their number does not depend on addresses. */
  readonly bootInfoBytes: number;
}

export interface Layout {
  /** What is RAM in the p2m: announced RAM, ACPI tables and Xen's pages. */
  readonly ram: readonly Region[];
  readonly map: readonly MapEntry[];
  readonly acpi: number;
  readonly bootInfo: number;
  /** 0 when there is none. */
  readonly ramdisk: number;
  readonly xenstoreGfn: number;
  readonly consoleGfn: number;
}

export const E820_RAM = 1;
export const E820_RESERVED = 2;
export const E820_ACPI = 3;

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const PAGE = 4 * KiB;
const LOW_END = 640 * KiB;
const HIGH_START = 1 * MiB;
const LOW_RAM_LIMIT = 3 * GiB;
const ABOVE_4G = 4 * GiB;
const ACPI_BASE = 0xfc000000;
/** Xen's special pages: eight, with the store in the fifth and the console in the last. */
const SPECIAL_BASE = 0xfeff8000;
const SPECIAL_BYTES = 8 * PAGE;
const XENSTORE_GFN = SPECIAL_BASE / PAGE + 4;
const CONSOLE_GFN = SPECIAL_BASE / PAGE + 7;
/** Above the real-mode interrupt table and BIOS data, below where boot loaders traditionally put things. */
const BOOT_INFO_BASE = 0x6000;

const pageDown = (value: number): number => Math.floor(value / PAGE) * PAGE;
const pageUp = (value: number): number => Math.ceil(value / PAGE) * PAGE;

/** How many entries `planLayout` will put into the map for that much memory. */
export const mapEntryCount = (memoryBytes: number): number => (memoryBytes > LOW_RAM_LIMIT ? 5 : 4);

export function planLayout(input: LayoutInput): Result<Layout, "bad-config" | "bad-kernel"> {
  const lowEnd = Math.min(input.memoryBytes, LOW_RAM_LIMIT);
  const highBytes = input.memoryBytes - lowEnd;
  if (lowEnd <= HIGH_START) return err("bad-config", "memory: a domain needs more than 1 MiB");
  const fits = kernelFits(input, lowEnd);
  if (!fits.ok) return fits;
  const kernelTop = pageUp(input.kernelEnd);
  const ramdisk = input.ramdiskBytes === 0 ? 0 : pageDown(lowEnd - input.ramdiskBytes);
  if (ramdisk !== 0 && ramdisk < Math.max(kernelTop, HIGH_START)) {
    return err(
      "bad-config",
      `memory: the kernel and the ramdisk (${mib(input.ramdiskBytes)}) do not fit into ${mib(lowEnd)}`,
    );
  }
  const bootInfo = placeBootInfo(input, ramdisk === 0 ? lowEnd : ramdisk);
  if (!bootInfo.ok) return bootInfo;
  const acpiBytes = pageUp(input.acpiBytes);
  const ram = [
    { start: 0, bytes: LOW_END },
    { start: HIGH_START, bytes: lowEnd - HIGH_START },
    { start: ACPI_BASE, bytes: acpiBytes },
    { start: SPECIAL_BASE, bytes: SPECIAL_BYTES },
    ...(highBytes > 0 ? [{ start: ABOVE_4G, bytes: highBytes }] : []),
  ];
  const types = [E820_RAM, E820_RAM, E820_ACPI, E820_RESERVED, E820_RAM];
  return ok({
    ram,
    map: ram.map((region, index) => ({ ...region, type: types[index]! })),
    acpi: ACPI_BASE,
    bootInfo: bootInfo.value,
    ramdisk,
    xenstoreGfn: XENSTORE_GFN,
    consoleGfn: CONSOLE_GFN,
  });
}

function kernelFits(
  { kernelStart, kernelEnd }: LayoutInput,
  lowEnd: number,
): Result<void, "bad-config" | "bad-kernel"> {
  if (kernelEnd > lowEnd) {
    return err("bad-config", `memory: the kernel ends at ${mib(kernelEnd)}, the domain's low memory at ${mib(lowEnd)}`);
  }
  if (kernelStart < HIGH_START && kernelEnd > LOW_END) {
    return err("bad-kernel", "an ELF segment (p_paddr) lies between 640 KiB and 1 MiB, where there is no memory");
  }
  return ok(undefined);
}

/** In low memory unless the kernel itself is there; then behind the kernel. */
function placeBootInfo(input: LayoutInput, limit: number): Result<number, "bad-config"> {
  const { bootInfoBytes, kernelStart, kernelEnd } = input;
  const end = BOOT_INFO_BASE + bootInfoBytes;
  if (end <= LOW_END && (kernelStart >= end || kernelEnd <= BOOT_INFO_BASE)) return ok(BOOT_INFO_BASE);
  const behind = Math.max(pageUp(kernelEnd), HIGH_START);
  if (behind + bootInfoBytes > limit) return err("bad-config", "memory: no room for the start information");
  return ok(behind);
}

const mib = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`;
