/**
 * The default guest as a configuration's defaults: from the cache, or prepared with a progress bar. Without a network and
 * with an empty cache, the small guest that is part of Xenolith.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type GuestFlavour, prepareGuest, progressBar } from "../guest/index.js";
import type { ConfigDefaults } from "./config/index.js";
import { CliError, Exit } from "./errors.js";

const MEMORY_MIB = 512;
const EMBEDDED_MEMORY_MIB = 32;
/** Beside this bundle or one folder up, or in dist/ when this file runs from its source. */
const EMBEDDED_PLACES = ["./", "../", "../../dist/"];

function embeddedKernel(): string | undefined {
  const paths = EMBEDDED_PLACES.map((p) => fileURLToPath(new URL(`${p}embedded-guest.elf`, import.meta.url)));
  return paths.find((path) => existsSync(path));
}

function embeddedGuest(why: string, kernelPath: string): ConfigDefaults {
  process.stderr.write(`xl: ${why}\nxl: booting Xenolith's own small guest instead\n`);
  const memoryMiB = EMBEDDED_MEMORY_MIB;
  return { name: "embedded", kernelPath, cmdline: "console=hvc0", memoryMiB };
}

/** Finds or prepares the default guest. `mustBeLinux`: the small guest will not do in its place. */
export async function defaultGuest(flavour: GuestFlavour = "cloud", mustBeLinux = false): Promise<ConfigDefaults> {
  const bar = progressBar(process.stderr);
  const prepared = await prepareGuest({ flavour, onProgress: bar.report });
  bar.finish();
  const embedded = mustBeLinux ? undefined : embeddedKernel();
  if (!prepared.ok && prepared.error.code === "offline" && embedded) {
    return embeddedGuest(prepared.error.message, embedded);
  }
  if (!prepared.ok) {
    const next = "a kernel of your own boots with: xl run kernel=FILE ramdisk=FILE cmdline=console=hvc0";
    throw new CliError(Exit.HOST, `the default guest cannot be prepared: ${prepared.error.message}\n${next}`);
  }
  const { name, kernel, initramfs, cmdline } = prepared.value;
  return { name, kernelPath: kernel, ramdiskPath: initramfs, cmdline, memoryMiB: MEMORY_MIB };
}
