/**
 * The boot information that a PVH kernel finds through EBX: hvm_start_info, its module list and memory map, and the
 * command line, laid out as one block. [XEN] public/arch-x86/hvm/start_info.h
 */
import { ByteWriter } from "../util/index.js";
import type { MapEntry, Region } from "./layout.js";

const MAGIC = 0x336ec578;
const VERSION = 1;
const START_INFO_BYTES = 56;
const MODULE_BYTES = 32;
const MAP_ENTRY_BYTES = 24;
const ALIGN = 8;

export interface BootInfo {
  readonly cmdline: string;
  readonly modules: readonly Region[];
  readonly map: readonly MapEntry[];
  readonly rsdp: number;
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

export function bootInfoBytes(cmdlineBytes: number, modules: number, mapEntries: number): number {
  return START_INFO_BYTES + modules * MODULE_BYTES + mapEntries * MAP_ENTRY_BYTES + aligned(cmdlineBytes + 1);
}

/** The block, for guest-physical address `base`; start info comes first. `cmdline` is a byte string. */
export function writeBootInfo(base: number, info: BootInfo): Uint8Array {
  const modulesAt = base + START_INFO_BYTES;
  const mapAt = modulesAt + info.modules.length * MODULE_BYTES;
  const cmdlineAt = mapAt + info.map.length * MAP_ENTRY_BYTES;
  const writer = new ByteWriter()
    .u32(MAGIC)
    .u32(VERSION)
    .u32(0)
    .u32(info.modules.length)
    .u64(info.modules.length === 0 ? 0 : modulesAt)
    .u64(cmdlineAt)
    .u64(info.rsdp)
    .u64(mapAt)
    .u32(info.map.length)
    .u32(0);
  for (const module of info.modules) writer.u64(module.start).u64(module.bytes).u64(0).u64(0);
  for (const entry of info.map) writer.u64(entry.start).u64(entry.bytes).u32(entry.type).u32(0);
  return writer.text(info.cmdline).u8(0).alignTo(ALIGN).finish();
}
