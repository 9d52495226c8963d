/** The default guest as a configuration's defaults: from the cache, or prepared with a progress bar. */
import { type GuestFlavour, prepareGuest, progressBar } from "../guest/index.js";
import type { ConfigDefaults } from "./config/index.js";
import { CliError, Exit } from "./errors.js";

const MEMORY_MIB = 512;

/** Finds or prepares the default guest. */
export async function defaultGuest(flavour: GuestFlavour = "cloud"): Promise<ConfigDefaults> {
  const bar = progressBar(process.stderr);
  const prepared = await prepareGuest({ flavour, onProgress: bar.report });
  bar.finish();
  if (!prepared.ok) {
    const next = "a kernel of your own boots with: xl run kernel=FILE ramdisk=FILE cmdline=console=hvc0";
    throw new CliError(Exit.HOST, `the default guest cannot be prepared: ${prepared.error.message}\n${next}`);
  }
  const { name, kernel, initramfs, cmdline } = prepared.value;
  return { name, kernelPath: kernel, ramdiskPath: initramfs, cmdline, memoryMiB: MEMORY_MIB };
}
