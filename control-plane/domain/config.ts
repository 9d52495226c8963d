/**
 * Checks a domain's configuration and fills in what it leaves out. Every complaint names the field, as xl.cfg(5) calls it.
 */
import { DEFAULT_WEIGHT } from "../../wasm-core/abi/structs/sched.js";
import {
  CAP_MAX,
  DOMAIN_NAME,
  DOMAIN_UUID,
  LIFECYCLE_ACTIONS,
  MEMORY_MAX_MIB,
  MEMORY_MIN_MIB,
  VCPUS_MAX,
  WEIGHT_MAX,
  WEIGHT_MIN,
} from "../api/limits.js";
import type {
  CpuSet,
  DiskConfig,
  DomainConfig,
  LifecycleAction,
  PlatformConfig,
  SchedulingChange,
} from "../api/types.js";
import { err, ok, type Result, utf8ByteString } from "../util/index.js";
import { checkDisks } from "./disks.js";
import { checkVifs } from "./vif-checks.js";
import type { VifPlan } from "./vifs.js";

export interface CheckedConfig {
  readonly name: string;
  readonly uuid: string | null;
  readonly kernel: Uint8Array;
  /** Empty when there is none. */
  readonly ramdisk: Uint8Array;
  /** A byte string. */
  readonly cmdline: string;
  readonly memoryBytes: number;
  readonly maxMemoryBytes: number;
  readonly vcpus: number;
  readonly maxVcpus: number;
  /** One set of pCPUs for all vCPUs or one each; empty when they run anywhere. */
  readonly cpus: readonly CpuSet[];
  readonly softCpus: readonly CpuSet[];
  readonly weight: number;
  readonly cap: number;
  readonly onPoweroff: LifecycleAction;
  readonly onReboot: LifecycleAction;
  readonly onCrash: LifecycleAction;
  readonly onWatchdog: LifecycleAction;
  readonly platform: Required<PlatformConfig>;
  readonly disks: readonly DiskConfig[];
  readonly vifs: readonly VifPlan[];
  readonly xenstoreData: Readonly<Record<string, string>>;
}

const MIB = 1024 * 1024;
const CMDLINE_MAX = 4095;
const DATA_KEY = /^[A-Za-z0-9_@-]+(\/[A-Za-z0-9_@-]+)*$/;

/** A complaint, or null. */
type Check = string | null;

export function checkConfig(config: DomainConfig): Result<CheckedConfig, "bad-config"> {
  const maxMemoryMiB = config.maxMemoryMiB ?? config.memoryMiB;
  const maxVcpus = config.maxVcpus ?? config.vcpus;
  const wrong =
    checkName(config.name) ??
    checkBytes(config) ??
    checkCount("memory", config.memoryMiB, MEMORY_MIN_MIB, MEMORY_MAX_MIB) ??
    checkCount("maxmem", maxMemoryMiB, config.memoryMiB, MEMORY_MAX_MIB) ??
    checkCount("vcpus", config.vcpus, 1, VCPUS_MAX) ??
    checkCount("maxvcpus", maxVcpus, config.vcpus, VCPUS_MAX) ??
    checkScheduling(config, maxVcpus) ??
    checkText(config) ??
    checkDisks(config.disks ?? []) ??
    checkVifs(config.vifs ?? []) ??
    checkAction("on_poweroff", config.onPoweroff) ??
    checkAction("on_reboot", config.onReboot) ??
    checkAction("on_crash", config.onCrash) ??
    checkAction("on_watchdog", config.onWatchdog);
  if (wrong !== null) return err("bad-config", wrong);
  return ok({
    name: config.name,
    uuid: config.uuid?.toLowerCase() ?? null,
    kernel: config.kernel,
    ramdisk: config.ramdisk ?? new Uint8Array(0),
    cmdline: utf8ByteString(config.cmdline ?? ""),
    memoryBytes: config.memoryMiB * MIB,
    maxMemoryBytes: maxMemoryMiB * MIB,
    vcpus: config.vcpus,
    maxVcpus,
    cpus: config.cpus ?? [],
    softCpus: config.softCpus ?? [],
    weight: config.weight ?? DEFAULT_WEIGHT,
    cap: config.cap ?? 0,
    onPoweroff: config.onPoweroff ?? "destroy",
    onReboot: config.onReboot ?? "restart",
    onCrash: config.onCrash ?? "destroy",
    onWatchdog: config.onWatchdog ?? "destroy",
    platform: fullPlatform(config.platform ?? {}),
    disks: config.disks ?? [],
    vifs: (config.vifs ?? []).map((vif) => ({ config: vif })),
    xenstoreData: config.xenstoreData ?? {},
  });
}

/** Whether a text may name a domain: not a number, or `xl` could not tell it from a domid. */
export function checkName(name: string): Check {
  if (typeof name !== "string" || !DOMAIN_NAME.test(name)) {
    return "name: 1 to 128 letters, digits and _ . : + - are allowed";
  }
  return /^\d+$/.test(name) ? "name: a number would be taken for a domain id" : null;
}

function checkBytes(config: DomainConfig): Check {
  if (!(config.kernel instanceof Uint8Array) || config.kernel.length === 0) return "kernel: an image is required";
  if (config.ramdisk !== undefined && !(config.ramdisk instanceof Uint8Array)) return "ramdisk: not bytes";
  return null;
}

function checkCount(field: string, value: number, min: number, max: number): Check {
  if (Number.isInteger(value) && value >= min && value <= max) return null;
  return `${field}: ${value} is not a whole number from ${min} to ${max}`;
}

function checkText(config: DomainConfig): Check {
  const cmdline = config.cmdline ?? "";
  if (cmdline.includes("\0")) return "cmdline: holds a NUL";
  if (utf8ByteString(cmdline).length > CMDLINE_MAX) return `cmdline: longer than ${CMDLINE_MAX} bytes`;
  if (config.uuid !== undefined && !DOMAIN_UUID.test(config.uuid)) return `uuid: "${config.uuid}" is not a UUID`;
  for (const key of Object.keys(config.xenstoreData ?? {})) {
    if (!DATA_KEY.test(key)) return `xenstoreData: "${key}" is not a xenstore path`;
  }
  return null;
}

/** What is wrong with a weight or a cap, or null. */
export function checkScheduling({ weight, cap }: SchedulingChange, maxVcpus: number): string | null {
  const within = (value: number, min: number, max: number) => Number.isInteger(value) && value >= min && value <= max;
  if (weight !== undefined && !within(weight, WEIGHT_MIN, WEIGHT_MAX)) {
    return `cpu_weight: ${weight} is not a whole number from ${WEIGHT_MIN} to ${WEIGHT_MAX}`;
  }
  const most = Math.min(CAP_MAX, maxVcpus * 100);
  if (cap !== undefined && !within(cap, 0, most)) {
    return `cap: ${cap} is not a whole number from 0 to ${most}, per cent of a pCPU`;
  }
  return null;
}

function checkAction(field: string, action: LifecycleAction | undefined): Check {
  if (action === undefined || LIFECYCLE_ACTIONS.includes(action)) return null;
  return `${field}: "${action}" is not one of ${LIFECYCLE_ACTIONS.join(", ")}`;
}

function fullPlatform(platform: PlatformConfig): Required<PlatformConfig> {
  const { serial = false, debugcon = false, exitPort = false, ioapic = false, pit = false, pmTimer = false } = platform;
  return { serial, debugcon, exitPort, ioapic, pit, pmTimer };
}
