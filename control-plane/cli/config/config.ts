/**
 * From xl.cfg's settings to what a domain is: checks every key, type and range, and names the file, line and column of
 * each mistake. Kernel and ramdisk stay paths here; `load.ts` reads them.
 */
import {
  CAP_MAX,
  type ConsoleKind,
  type CpuSet,
  DOMAIN_NAME,
  DOMAIN_UUID,
  type DomainConfig,
  LIFECYCLE_ACTIONS,
  MEMORY_MAX_MIB,
  MEMORY_MIN_MIB,
  VCPUS_MAX,
  type VifConfig,
  WEIGHT_MAX,
  WEIGHT_MIN,
} from "../../api/index.js";
import { type Cfg, formatPosition, type Setting } from "../cfg/index.js";
import { parseCpus } from "../cpus.js";
import { didYouMean } from "../suggest.js";
import { readDisks } from "./disks.js";
import { SUPPORTED_KEYS, UNSUPPORTED_KEYS } from "./keys.js";
import { SettingReader } from "./reader.js";
import { readVifs } from "./vifs.js";

/** A domain's configuration whose files are not read yet. */
export interface DomainPlan {
  /** Everything but the images. */
  readonly settings: Omit<DomainConfig, "kernel" | "ramdisk">;
  readonly kernelPath: string;
  readonly ramdiskPath?: string;
  /** Where relative paths are looked for after the working directory: the configuration's own folder. */
  readonly folder: string;
  /** Which console is the domain's first: serial="stdio" asks for the serial one. */
  readonly console: ConsoleKind;
}

/** What a configuration need not say. */
export interface ConfigDefaults {
  readonly name?: string;
  readonly kernelPath?: string;
  readonly ramdiskPath?: string;
  readonly cmdline?: string;
  readonly memoryMiB?: number;
  readonly vifs?: readonly VifConfig[];
}

export type ConfigResult =
  | { readonly ok: true; readonly plan: DomainPlan; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

const MEMORY_DEFAULT_MIB = 128;

/** Checks `cfg`. `source` is its file name for complaints that have no place of their own. */
export function planDomain(cfg: Cfg, source: string, folder: string, defaults: ConfigDefaults = {}): ConfigResult {
  const reader = new SettingReader(cfg);
  for (const setting of cfg.values()) checkKey(setting, reader);
  checkType(cfg, reader);
  const name = readName(cfg, reader) ?? defaults.name;
  const kernelPath = reader.string("kernel") ?? defaults.kernelPath;
  const ramdiskPath = reader.string("ramdisk") ?? (reader.has("kernel") ? undefined : defaults.ramdiskPath);
  const sizes = readSizes(reader, defaults);
  const serial = readSerial(cfg, reader);
  const uuid = readUuid(cfg, reader);
  const cmdline = readCmdline(cfg, reader, reader.has("kernel") ? undefined : defaults.cmdline);
  const vifs = readVifs(cfg, reader) ?? (reader.has("kernel") ? undefined : defaults.vifs);
  const settings = {
    ...optional({ uuid, cmdline, disks: readDisks(cfg, reader), vifs, ...sizes.optional }),
    ...readActions(reader),
    ...sizes.required,
    ...readScheduling(cfg, reader),
    platform: {
      serial: serial !== undefined,
      debugcon: reader.flag("debugcon") ?? false,
      exitPort: reader.flag("exit_port") ?? false,
      ioapic: reader.flag("ioapic") ?? false,
      pit: reader.flag("pit") ?? false,
      pmTimer: reader.flag("pm_timer") ?? false,
    },
  };
  const { problems, warnings } = reader;
  if (name === undefined && !cfg.has("name")) problems.push(`${source}: name: missing; expected name = "..."`);
  if (kernelPath === undefined && !cfg.has("kernel")) problems.push(`${source}: kernel: missing; ${KERNEL_EXPECTED}`);
  if (problems.length > 0 || name === undefined || kernelPath === undefined) return { ok: false, problems };
  const console: ConsoleKind = serial === "stdio" ? "serial" : "pv";
  return {
    ok: true,
    plan: { settings: { name, ...settings }, kernelPath, ...optional({ ramdiskPath }), folder, console },
    warnings,
  };
}

const KERNEL_EXPECTED = 'expected kernel = "FILE", a bzImage or an ELF file with a PVH note';

function checkKey(setting: Setting, reader: SettingReader): void {
  const { key, at } = setting;
  if ((SUPPORTED_KEYS as readonly string[]).includes(key)) return;
  const place = formatPosition(at);
  const problem = UNSUPPORTED_KEYS.has(key)
    ? "not supported yet; remove it to start the domain without"
    : `there is no such setting${didYouMean(key, SUPPORTED_KEYS)}`;
  reader.problems.push(`${place}: ${key}: ${problem}`);
}

function checkType(cfg: Cfg, reader: SettingReader): void {
  const type = reader.string("type");
  const setting = cfg.get("type");
  if (!setting || type === undefined || type === "pvh") return;
  if (type === "pv" || type === "hvm") {
    reader.complain(setting, `"${type}" guests are not supported yet; expected "pvh" (Linux needs CONFIG_PVH)`);
    return;
  }
  reader.choice("type", ["pvh"]);
}

function readName(cfg: Cfg, reader: SettingReader): string | undefined {
  const setting = cfg.get("name");
  const name = reader.string("name");
  if (!setting || name === undefined) return undefined;
  if (!DOMAIN_NAME.test(name)) reader.complain(setting, "expected 1 to 128 letters, digits and _ . : + -");
  else if (/^\d+$/.test(name)) reader.complain(setting, "a number would be taken for a domain id");
  return name;
}

function readUuid(cfg: Cfg, reader: SettingReader): string | undefined {
  const setting = cfg.get("uuid");
  const uuid = reader.string("uuid");
  if (!setting || uuid === undefined || DOMAIN_UUID.test(uuid)) return uuid;
  reader.complain(setting, `expected 8-4-4-4-12 hexadecimal digits, found "${uuid}"`);
  return undefined;
}

/** cmdline, or else root and extra, as xl makes one of them; these two are added to what a default guest needs. */
function readCmdline(cfg: Cfg, reader: SettingReader, byDefault: string | undefined): string | undefined {
  const root = reader.string("root");
  const extra = reader.string("extra");
  const cmdline = reader.string("cmdline");
  if (cmdline !== undefined) {
    const unused = ["root", "extra"].flatMap((key) => cfg.get(key) ?? []);
    for (const setting of unused)
      reader.warn(setting, "cmdline takes its place: put it there, or rename cmdline to extra");
    return cmdline;
  }
  const parts = [byDefault, root === undefined ? undefined : `root=${root}`, extra];
  return parts.filter((part) => part !== undefined).join(" ") || undefined;
}

function readActions(reader: SettingReader): Pick<DomainConfig, "onPoweroff" | "onReboot" | "onCrash" | "onWatchdog"> {
  return optional({
    onPoweroff: reader.choice("on_poweroff", LIFECYCLE_ACTIONS),
    onReboot: reader.choice("on_reboot", LIFECYCLE_ACTIONS),
    onCrash: reader.choice("on_crash", LIFECYCLE_ACTIONS),
    onWatchdog: reader.choice("on_watchdog", LIFECYCLE_ACTIONS),
  });
}

function readSizes(reader: SettingReader, defaults: ConfigDefaults) {
  const memoryDefault = defaults.memoryMiB ?? MEMORY_DEFAULT_MIB;
  const memoryMiB = reader.count("memory", { min: MEMORY_MIN_MIB, max: MEMORY_MAX_MIB, unit: "MiB" }) ?? memoryDefault;
  const vcpus = reader.count("vcpus", { min: 1, max: VCPUS_MAX }) ?? 1;
  const maxMemoryMiB = reader.count("maxmem", { min: memoryMiB, max: MEMORY_MAX_MIB, unit: "MiB" });
  const maxVcpus = reader.count("maxvcpus", { min: vcpus, max: VCPUS_MAX });
  return { required: { memoryMiB, vcpus }, optional: { maxMemoryMiB, maxVcpus } };
}

/** Where the vCPUs run and their share of the pCPUs. */
function readScheduling(cfg: Cfg, reader: SettingReader): Pick<DomainConfig, "cpus" | "softCpus" | "weight" | "cap"> {
  return optional({
    cpus: readCpus(cfg, reader, "cpus"),
    softCpus: readCpus(cfg, reader, "cpus_soft"),
    weight: reader.count("cpu_weight", { min: WEIGHT_MIN, max: WEIGHT_MAX }),
    cap: reader.count("cap", { min: 0, max: CAP_MAX }),
  });
}

/** A string is the set of all vCPUs; of a list each vCPU has its own. */
function readCpus(cfg: Cfg, reader: SettingReader, key: "cpus" | "cpus_soft"): CpuSet[] | undefined {
  const setting = cfg.get(key);
  if (!setting) return undefined;
  const values = setting.value.kind === "list" ? setting.value.items : [setting.value];
  const sets = values.map((value) => {
    const text = value.kind === "string" ? value.text : value.kind === "number" ? String(value.value) : "";
    const set = parseCpus(text);
    if (set === null) reader.complain({ ...setting, value }, `expected pCPUs, as in "0-3,^1" or "all"`);
    return set ?? "all";
  });
  return sets.length === 0 ? undefined : sets;
}

function readSerial(cfg: Cfg, reader: SettingReader): "stdio" | "pty" | undefined {
  const setting = cfg.get("serial");
  if (setting?.value.kind === "list" && setting.value.items.length === 1) {
    const only = { ...setting, value: setting.value.items[0]! };
    return readSerial(new Map([["serial", only]]), reader);
  }
  if (!setting) return undefined;
  if (setting.value.kind !== "string") {
    reader.complain(setting, 'expected "stdio" or "pty"');
    return undefined;
  }
  const { text } = setting.value;
  if (text === "stdio" || text === "pty") return text;
  if (text === "none") return undefined;
  reader.complain(setting, `expected "stdio", "pty" or "none", found "${text}"${didYouMean(text, ["stdio", "pty"])}`);
  return undefined;
}

/** The properties that are there. */
function optional<T extends Record<string, unknown>>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
