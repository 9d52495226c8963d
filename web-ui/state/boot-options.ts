/**
 * What a person may choose for a new domain, its limits, and its form as URL parameters (docs/playground.md):
 * ?kernel=&initrd=&cmdline=&vcpus=&mem=&disk=&net=&relay=&join=&token=&autostart=1&embed=1. Parameters are untrusted:
 * out-of-range numbers are clamped, unknown values ignored, and each correction is reported so that the page can say so.
 */
import { type NetworkJoin, parseJoin } from "./network-joins.js";
import { NAT, networkNameProblem } from "./network-names.js";

export type KernelFlavour = "cloud" | "full";

export const FLAVOURS: readonly KernelFlavour[] = ["cloud", "full"];
export const VCPUS_MIN = 1;
export const VCPUS_MAX = 8;
export const MEMORY_STEPS_MIB: readonly number[] = [128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];
export const MEMORY_MIN_MIB = 128;
export const MEMORY_MAX_MIB = 4096;

export interface BootOptions {
  readonly flavour: KernelFlavour;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Replaces the guest's own command line; null keeps it. */
  readonly cmdline: string | null;
  /** The network that the domain is on: NAT leads out, another name is shared with who gives the same; null is none. */
  readonly network: string | null;
}

export const DEFAULT_BOOT_OPTIONS: BootOptions = {
  flavour: "cloud",
  vcpus: 1,
  memoryMiB: 256,
  cmdline: null,
  network: NAT,
};

/** The command line of a kernel of one's own, unless another is given. */
export const OWN_KERNEL_CMDLINE = "console=hvc0";

export interface PageParameters {
  readonly options: BootOptions;
  /** Absolute URLs of a kernel and an initramfs of one's own. */
  readonly kernelUrl: string | null;
  readonly initrdUrl: string | null;
  /** Absolute URLs of images that become disks, with a local image over each. */
  readonly diskUrls: readonly string[];
  /** WebSocket address of a relay (Wisp), by which guests reach what pages cannot. */
  readonly relayUrl: string | null;
  /** Networks that are joined with networks elsewhere. */
  readonly joins: readonly NetworkJoin[];
  readonly autostart: boolean;
  readonly embed: boolean;
  /** What was wrong with the parameters, for the person who wrote the link. */
  readonly problems: readonly string[];
}

/** Reads the parameters of `search`; relative URLs are taken against `base`. */
export function parsePageParameters(search: string, base: string): PageParameters {
  const query = new URLSearchParams(search);
  const problems: string[] = [];
  const flavourText = query.get("flavour");
  const flavour = FLAVOURS.find((name) => name === flavourText);
  if (flavourText !== null && !flavour) problems.push(`flavour=${flavourText}: expected cloud or full`);
  const number = (name: string, fallback: number, min: number, max: number) =>
    readNumber(query.get(name), name, fallback, min, max, problems);
  const url = (name: string) => readUrl(query.get(name), name, base, problems);
  const kernelUrl = url("kernel");
  const initrdUrl = url("initrd");
  const diskUrls = query.getAll("disk").flatMap((text) => readUrl(text, "disk", base, problems) ?? []);
  if (initrdUrl && !kernelUrl) problems.push("initrd= needs kernel=");
  const joins = query.getAll("join").flatMap((text) => readJoin(text, query.get("token"), problems) ?? []);
  return {
    options: {
      flavour: flavour ?? DEFAULT_BOOT_OPTIONS.flavour,
      vcpus: number("vcpus", DEFAULT_BOOT_OPTIONS.vcpus, VCPUS_MIN, VCPUS_MAX),
      memoryMiB: number("mem", DEFAULT_BOOT_OPTIONS.memoryMiB, MEMORY_MIN_MIB, MEMORY_MAX_MIB),
      cmdline: query.get("cmdline"),
      network: readNetwork(query.get("net"), joins[0]?.network ?? DEFAULT_BOOT_OPTIONS.network, problems),
    },
    kernelUrl,
    initrdUrl: kernelUrl ? initrdUrl : null,
    diskUrls,
    relayUrl: readRelay(query.get("relay") ?? query.get("relay_url"), problems),
    joins,
    autostart: isOn(query.get("autostart")),
    embed: isOn(query.get("embed")),
    problems,
  };
}

/** A guest of a page that joins a network is on it unless the link says otherwise. */
function readNetwork(text: string | null, otherwise: string | null, problems: string[]): string | null {
  if (text === null) return otherwise;
  if (text === "none") return null;
  if (networkNameProblem(text) === null) return text;
  problems.push(`net=${text}: expected nat, none, or the name of a network`);
  return otherwise;
}

function readJoin(text: string, token: string | null, problems: string[]): NetworkJoin | null {
  const join = parseJoin(text, token);
  if (join === null) problems.push(`join=${text}: expected a network and an address, as in lab@ws://host:8082/lab`);
  return join;
}

/** ws, wss, and Wisp's own wisp and wisps. */
function readRelay(text: string | null, problems: string[]): string | null {
  if (!text) return null;
  const address = text.replace(/^wisp(s?):/i, "ws$1:");
  if (/^wss?:\/\/./i.test(address) && URL.canParse(address)) return new URL(address).href;
  problems.push(`relay=${text}: expected an address with wss:// or ws://`);
  return null;
}

function isOn(text: string | null): boolean {
  return text === "1" || text === "true" || text === "";
}

function readNumber(
  text: string | null,
  name: string,
  fallback: number,
  min: number,
  max: number,
  problems: string[],
): number {
  if (text === null) return fallback;
  if (!/^\d{1,9}$/.test(text)) {
    problems.push(`${name}=${text}: expected a number from ${min} to ${max}`);
    return fallback;
  }
  const value = Math.min(max, Math.max(min, Number(text)));
  if (value !== Number(text)) problems.push(`${name}=${text}: taken as ${value} (the range is ${min} to ${max})`);
  return value;
}

function readUrl(text: string | null, name: string, base: string, problems: string[]): string | null {
  if (!text) return null;
  try {
    const url = new URL(text, base);
    if (url.protocol === "http:" || url.protocol === "https:") return url.href;
  } catch {
    // Falls through to the report below.
  }
  problems.push(`${name}=${text}: expected an http or https address`);
  return null;
}

/** The step of the memory slider nearest to `memoryMiB`. */
export function memoryStepIndex(memoryMiB: number): number {
  let best = 0;
  MEMORY_STEPS_MIB.forEach((step, index) => {
    if (Math.abs(step - memoryMiB) < Math.abs(MEMORY_STEPS_MIB[best]! - memoryMiB)) best = index;
  });
  return best;
}
