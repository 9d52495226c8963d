/** What is compared: the same kernel, initramfs and command line on Xenolith's `xl run` and on QEMU's TCG. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackKernel } from "../../control-plane/domain/index.js";
import { EXEC_STATUS_PREFIX, prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { ROOT } from "../support/run.js";
import { runTimed, type Sample } from "./process.js";

const MEMORY_MIB = 256;
const TIMEOUT_MS = 600_000;
/** Of the kernel on its console: earlier messages go to a log of the hypervisor here, to the serial port there. */
const FIRST_LINE = /^\[ *\d+\.\d+\] /m;
const REACHED_SHELL = new RegExp(`${EXEC_STATUS_PREFIX}(\\d+)`);

export interface Run extends Sample {
  readonly firstLineMs: number | null;
  readonly shellMs: number | null;
  /** Instructions retired by the guest, where the subject tells. */
  readonly instructions: number | null;
}

export interface Subject {
  readonly name: string;
  /** Boots the guest, runs the shell command in it, and waits for its power-off. */
  run(command: string): Promise<Run>;
}

async function measure(name: string, argv: readonly string[]): Promise<Run> {
  const sample = await runTimed(argv, [FIRST_LINE, REACHED_SHELL], TIMEOUT_MS);
  const status = REACHED_SHELL.exec(sample.output)?.[1];
  if (status !== "0") {
    throw new Error(`${name} did not finish its command (${status ?? "not reached"}):\n${sample.output.slice(-2000)}`);
  }
  const [firstLineMs = null, shellMs = null] = sample.marks;
  return { ...sample, firstLineMs, shellMs, instructions: null };
}

interface Stats {
  readonly domains: readonly { readonly instructions: number }[];
}

function xenolith(kernel: string, initramfs: string, cmdline: string, scratch: string): Subject {
  const name = "Xenolith";
  return {
    name,
    run: async (command) => {
      const statsFile = join(scratch, "stats.json");
      rmSync(statsFile, { force: true });
      const settings = { name: "bench", kernel, ramdisk: initramfs, memory: String(MEMORY_MIB), vcpus: "1" };
      const argv = [process.execPath, join(ROOT, "dist/xl.js"), "run", "--pcpus", "1", "--stats", statsFile];
      argv.push(...Object.entries(settings).map(([key, value]) => `${key}=${value}`));
      const run = await measure(name, [...argv, `cmdline=${cmdline} xl.exec="${command}"`]);
      const [domain] = (JSON.parse(readFileSync(statsFile, "utf8")) as Stats).domains;
      return { ...run, instructions: domain?.instructions ?? null };
    },
  };
}

/** A PC with nothing but a serial port: QEMU's microvm has no clock that Linux can calibrate without KVM. */
const QEMU = ["-accel", "tcg,thread=single", "-machine", "pc", "-nodefaults", "-no-reboot", "-display", "none"];

function qemu(vmlinux: string, initramfs: string, cmdline: string): Subject {
  const name = "QEMU TCG";
  const machine = ["qemu-system-x86_64", ...QEMU, "-serial", "stdio", "-m", String(MEMORY_MIB), "-smp", "1"];
  const serial = cmdline
    .replace("console=hvc0", "console=ttyS0")
    .replace("earlyprintk=xen", "earlyprintk=ttyS0,115200");
  return {
    name,
    run: (command) =>
      measure(name, [
        ...machine,
        "-kernel",
        vmlinux,
        "-initrd",
        initramfs,
        "-append",
        `${serial} xl.exec="${command}"`,
      ]),
  };
}

/** Both subjects over the default guest; QEMU's -kernel enters an uncompressed kernel at its PVH note, as we do. */
export async function makeSubjects(flavour: "cloud" | "full", scratch: string): Promise<readonly [Subject, Subject]> {
  const guest = unwrap(await prepareGuest({ flavour }));
  const vmlinux = join(scratch, "vmlinux");
  writeFileSync(vmlinux, unwrap(unpackKernel(readFileSync(guest.kernel))));
  return [
    xenolith(guest.kernel, guest.initramfs, guest.cmdline, scratch),
    qemu(vmlinux, guest.initramfs, guest.cmdline),
  ];
}
