/**
 * v86, a PC emulator with a compiler to WebAssembly, in Node: Debian's kernel for i686 on it, as it has no 64-bit mode. Its npm
 * package is fetched into the cache, at the version that the figures name; SeaBIOS comes from Debian.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { DEFAULT_CMDLINE } from "../../../control-plane/guest/index.js";
import { buildInitramfs } from "../../../control-plane/guest/rootfs/index.js";
import type { I386Parts } from "../debian-i386.js";
import { GUEST_COMMAND, withBench } from "../guest.js";
import { CLOCK, filesFor } from "../programs.js";
import { MEMORY_MIB, type Peer } from "./peer.js";
import { serialCmdline } from "./qemu.js";
import type { MachineFile } from "./v86-machine.js";
import { listenToOutput, start, watch } from "./watch.js";

const VERSION = "0.5.462";
/** Debian's package seabios, which QEMU's depends on. */
const BIOS_FOLDER = "/usr/share/seabios";

function fetchLibrary(cacheDir: string): string {
  const folder = join(cacheDir, "bench", `v86-${VERSION}`);
  const library = join(folder, "node_modules/v86/build");
  if (!existsSync(join(library, "v86.wasm"))) {
    mkdirSync(folder, { recursive: true });
    const options = ["--prefix", folder, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
    execFileSync("npm", ["install", ...options, `v86@${VERSION}`], { stdio: ["ignore", "ignore", "inherit"] });
  }
  return library;
}

export function v86(parts: I386Parts, programs: string, scratch: string, cacheDir: string): Peer {
  const title = `v86 ${VERSION}`;
  const library = fetchLibrary(cacheDir);
  const [kernel, initrd, config] = ["bzimage-686", "v86.cpio", "v86.json"].map((name) => join(scratch, name));
  const program = join(scratch, "v86-machine.mjs");
  const source = fileURLToPath(new URL("v86-machine.ts", import.meta.url));
  buildSync({ entryPoints: [source], outfile: program, format: "esm", platform: "node", target: "node20" });
  writeFileSync(kernel!, parts.kernel);
  const base = buildInitramfs({ busybox: parts.busybox, moduleFiles: [], loadAtBoot: [] });
  return {
    name: "v86",
    title,
    words: [32],
    smp: false,
    disk: false,
    net: false,
    run(tasks) {
      writeFileSync(initrd!, withBench(base, tasks, filesFor(programs, tasks)));
      const machine: MachineFile = {
        library: join(library, "libv86.mjs"),
        wasm: join(library, "v86.wasm"),
        images: {
          bios: join(BIOS_FOLDER, "bios.bin"),
          vga_bios: join(BIOS_FOLDER, "vgabios-stdvga.bin"),
          bzimage: kernel!,
          initrd: initrd!,
        },
        cmdline: `${serialCmdline(DEFAULT_CMDLINE)} xl.exec="${GUEST_COMMAND}"`,
        memoryBytes: MEMORY_MIB << 20,
      };
      writeFileSync(config!, JSON.stringify(machine));
      const startedMs = performance.now();
      const child = start(process.execPath, [program, config!], { stdio: ["ignore", "pipe", "inherit"] });
      return watch(title, {
        child,
        clock: join(programs, CLOCK),
        startedMs,
        counters: async () => null,
        listen: listenToOutput(child),
      });
    },
  };
}
