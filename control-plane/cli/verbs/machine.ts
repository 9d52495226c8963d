/** Verbs about the machine: running one here, keeping one running, and what it says of itself. */
import { NO_NETWORK } from "./options.js";
import { oneOf, seconds, wholeNumber } from "./values.js";
import type { Verb, VerbOption } from "./verb.js";

const PCPUS: VerbOption = {
  flags: "--pcpus <n>",
  text: "physical CPUs: threads that run guests (default 1)",
  parse: wholeNumber(1, 64),
};
const MACHINE_MEMORY: VerbOption = {
  flags: "--memory <MiB>",
  text: "memory for all guests together (default: all that fits, taken as it is used)",
  parse: wholeNumber(2, 4096),
};
const NO_JIT: VerbOption = {
  flags: "--no-jit",
  text: "interpret all guest code: slower, for comparing",
};
const SINGLE_THREAD: VerbOption = {
  flags: "--single-thread",
  text: "everything in one thread without shared memory, as in a page that is not isolated",
};
const CORE_DUMPS: VerbOption = {
  flags: "--core-dumps <dir>",
  text: "where on_crash=coredump-... puts its files (default: the working directory)",
};

const IMAGES: VerbOption = {
  flags: "--images <dir...>",
  text: "folders of images that may stand on each other; names count from the first",
};

const NO_HOST_LOOPBACK: VerbOption = {
  flags: "--no-host-loopback",
  text: "guests do not reach servers of this host's loopback at 10.0.2.2",
};

export const MACHINE_VERBS: readonly Verb[] = [
  {
    name: "run",
    arguments: "[arguments...]",
    summary: "boot guests in this process, console on standard input and output",
    details: `Arguments are configuration files (xl.cfg syntax) and settings key=value, which count for every file.
The command ends when all guests have ended. On a terminal, Ctrl-] detaches from the console and the guests run on.

Exit status: 0 powered off, 1 bad usage or configuration, 2 the host failed, 3 a guest crashed or panicked, 124 timeout.
A guest that wrote its exit port gives (value << 1) | 1; with --exec it is the command's own.`,
    options: [
      { flags: "--default", text: "run the default guest: Debian's Linux with busybox" },
      { flags: "--exec <command>", text: "run a shell command in the default guest and exit with its status" },
      {
        flags: "--flavour <name>",
        text: "the default guest's kernel: cloud (small) or full (every driver)",
        parse: oneOf("cloud", "full"),
      },
      { flags: "--timeout <s>", text: "end after so many seconds, with status 124", parse: seconds },
      { flags: "--stats <file>", text: "write times, instructions and memory use as JSON" },
      { flags: "--console <name>", text: "the guest whose console is shown (default: the first)" },
      PCPUS,
      MACHINE_MEMORY,
      NO_JIT,
      SINGLE_THREAD,
      { flags: "--deterministic", text: "time counts instructions: same inputs, same run" },
      { flags: "--seed <n>", text: "randomness of a deterministic run", parse: wholeNumber(0, 2 ** 53 - 1) },
      CORE_DUMPS,
      IMAGES,
      NO_NETWORK,
      NO_HOST_LOOPBACK,
    ],
    examples: [
      ["run --default", "Debian's Linux to a shell"],
      ['run --exec "uname -a"', "one command in it"],
      ["run --default vif=hostfwd=tcp::8080-:80", "port 8080 of this host leads to its port 80"],
      ["run guest.cfg memory=512 vcpus=2", "a guest of your own, with changes"],
      ["run --timeout 60 --stats stats.json test.cfg", "in CI"],
      ["run kernel=vmlinuz ramdisk=initrd.img cmdline='console=hvc0 quiet'", "without a file"],
      ["run --console b a.cfg b.cfg", "two guests side by side, the console of the second"],
    ],
    load: async () => (await import("../commands/run/index.js")).run,
  },
  {
    name: "host",
    summary: "keep a machine running for the other verbs",
    details: `The machine lives until Ctrl-C or "xl host --stop". Other verbs find it by a socket that only you can open.`,
    options: [
      { flags: "--detach", text: "in the background" },
      { flags: "--stop", text: "end the running host and its guests" },
      PCPUS,
      MACHINE_MEMORY,
      NO_JIT,
      SINGLE_THREAD,
      CORE_DUMPS,
      IMAGES,
      NO_HOST_LOOPBACK,
    ],
    examples: [
      ["host --detach --pcpus 2", "start one in the background"],
      ["host --stop", "end it"],
    ],
    load: async () => (await import("../commands/host.js")).host,
  },
  {
    name: "info",
    summary: "describe the host",
    options: [{ flags: "-l, --long", text: "as JSON" }],
    examples: [["info", "versions, processors, memory"]],
    load: async () => (await import("../commands/info.js")).info,
  },
  {
    name: "dmesg",
    summary: "the hypervisor's own log",
    options: [{ flags: "-c, --clear", text: "clear it after printing" }],
    examples: [["dmesg", "what the hypervisor and Domain0 had to say"]],
    load: async () => (await import("../commands/info.js")).dmesg,
  },
  {
    name: "jit",
    arguments: "[region]",
    summary: "what of the guests' code was compiled to WebAssembly",
    details: `Without an argument lists the regions in use by address: number, where it was found, basic blocks, x86 instructions,
bytes of WebAssembly, and how often it was entered. With a region's number shows its x86 instructions. With --exits tells where
regions were left and why, those first after which the interpreter had the most to do: "cold", no region begins there; "left", the
region leaves the instruction to the interpreter; "fault", it raised an exception; "stale", code was overwritten. Estimates.`,
    options: [
      { flags: "-w, --wasm", text: "with the WebAssembly of each instruction" },
      { flags: "-e, --exits", text: "where regions are left" },
      { flags: "-c, --clear", text: "with --exits: count anew afterwards" },
      { flags: "-l, --long", text: "the list as JSON, of exits all of them" },
    ],
    examples: [
      ["jit", "all regions"],
      ["jit --exits", "what the interpreter is busy with"],
      ["jit --wasm 12", "region 12, x86 and WebAssembly"],
    ],
    load: async () => (await import("../commands/jit.js")).jit,
  },
];
