// `npm run guest`: prepares the default guest and says where it is.
import { copyFile, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import {
  type GuestFlavour,
  type GuestImage,
  type MakeDiskOptions,
  makeDisk,
  type PrepareGuestOptions,
  prepareGuest,
  progressBar,
} from "./index.js";

const HELP = `Prepares the default guest: Debian's own Linux kernel with busybox, verified, in your cache.

Usage: npm run guest -- [options]

  --flavour NAME    cloud (default): Debian's small kernel for virtual machines
                    full: Debian's standard kernel, with every driver
  --modules A,B     add these kernel modules, with what they depend on, and load them at boot; "netchannel2" is
                    Xenolith's own, and is built here: that takes gcc and make
  --mirror URL      fetch from this Debian mirror instead of through apt (also: XENOLITH_MIRROR)
  --keyring FILE    OpenPGP keys that must have signed the mirror's index
                    (default: Debian's, installed or built in)
  --out DIR         also copy the kernel and the initramfs to DIR
  --disk FILE       make a disk with a Debian root file system instead: a VHD to boot with root=/dev/xvda
  --disk-size MiB   its size (default: 1024)
  --packages A,B    Debian packages on it beside the base system's
  --refresh         look for newer packages even when the cache holds a guest
  --offline         use only what the cache holds
  --help            this text
`;

/** Exit statuses, as the other programs of Xenolith use them. */
const EXIT_USAGE = 1;
const EXIT_FAILURE = 2;
/** The base system fits. */
const MIN_DISK_MIB = 192;

interface Arguments {
  readonly options: PrepareGuestOptions;
  readonly outDir: string | undefined;
  readonly disk: { readonly file: string; readonly options: MakeDiskOptions } | undefined;
}

function parse(args: readonly string[]): Arguments | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      flavour: { type: "string", default: "cloud" },
      modules: { type: "string", default: "" },
      mirror: { type: "string" },
      keyring: { type: "string" },
      out: { type: "string" },
      disk: { type: "string" },
      "disk-size": { type: "string", default: "1024" },
      packages: { type: "string", default: "" },
      refresh: { type: "boolean", default: false },
      offline: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  if (values.flavour !== "cloud" && values.flavour !== "full") {
    throw new Error(`--flavour is "cloud" or "full", not "${values.flavour}"`);
  }
  const flavour: GuestFlavour = values.flavour;
  const modules = values.modules.split(",").filter((name) => name !== "");
  const { mirror, keyring, refresh, offline } = values;
  const options = {
    flavour,
    modules,
    refresh,
    offline,
    ...(mirror ? { mirror } : {}),
    ...(keyring ? { keyring } : {}),
  };
  const sizeMiB = Number(values["disk-size"]);
  if (!Number.isInteger(sizeMiB) || sizeMiB < MIN_DISK_MIB) {
    throw new Error(`--disk-size is a whole number of MiB from ${MIN_DISK_MIB} up, not "${values["disk-size"]}"`);
  }
  const packages = values.packages.split(",").filter((name) => name !== "");
  const file = values.disk;
  const disk =
    file === undefined ? undefined : { file, options: { ...options, packages, sizeBytes: sizeMiB * 2 ** 20 } };
  return { options, outDir: values.out, disk };
}

async function copyTo(outDir: string, image: GuestImage): Promise<void> {
  await mkdir(outDir, { recursive: true });
  for (const path of [image.kernel, image.initramfs]) await copyFile(path, join(outDir, basename(path)));
}

function describe(image: GuestImage): string {
  const { release, packages, modules } = image.manifest;
  const lines = [
    `Linux ${release} (${packages.map(({ name, version }) => `${name} ${version}`).join(", ")})`,
    `kernel    = "${image.kernel}"`,
    `ramdisk   = "${image.initramfs}"`,
    `extra     = "${image.cmdline}"`,
    `modules: ${modules.join(" ") || "none"}`,
  ];
  return `${lines.join("\n")}\n`;
}

async function makeDiskOf(file: string, options: MakeDiskOptions, finish: () => void): Promise<number> {
  const made = await makeDisk(file, options);
  finish();
  if (!made.ok) {
    process.stderr.write(`guest: ${made.error.message}\n`);
    return EXIT_FAILURE;
  }
  process.stdout.write(`disk      = [ "${file},vhd,xvda,w" ]\nroot      = "/dev/xvda"\n`);
  return 0;
}

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`guest: ${error instanceof Error ? error.message : error}\nTry: npm run guest -- --help\n`);
    return EXIT_USAGE;
  }
  if (parsed === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  const bar = progressBar(process.stderr);
  if (parsed.disk)
    return makeDiskOf(
      parsed.disk.file,
      { ...parsed.disk.options, onProgress: bar.report, signal: abort.signal },
      bar.finish,
    );
  const prepared = await prepareGuest({ ...parsed.options, onProgress: bar.report, signal: abort.signal });
  bar.finish();
  if (!prepared.ok) {
    process.stderr.write(`guest: ${prepared.error.message}\n`);
    return EXIT_FAILURE;
  }
  if (parsed.outDir) await copyTo(parsed.outDir, prepared.value);
  process.stdout.write(describe(prepared.value));
  return 0;
}

process.exitCode = await main();
