/** Verbs about domains, with Xen's names. A domain is given by name or number. */
import { CAP_MAX, WEIGHT_MAX, WEIGHT_MIN } from "../../api/index.js";
import { NO_NETWORK } from "./options.js";
import { oneOf, wholeNumber } from "./values.js";
import type { Verb, VerbOption } from "./verb.js";

const CONSOLE_TYPE: VerbOption = {
  flags: "-t, --type <type>",
  text: "pv (hvc0, the default) or serial (COM1)",
  parse: oneOf("pv", "serial"),
};
const WAIT: VerbOption = { flags: "-w, --wait", text: "until it is done" };
const ALL: VerbOption = { flags: "-a, --all", text: "every domain" };

export const DOMAIN_VERBS: readonly Verb[] = [
  {
    name: "create",
    arguments: "[arguments...]",
    summary: "start a domain from a configuration",
    details: "Arguments are one configuration file (xl.cfg syntax) and settings key=value. Needs a running host.",
    options: [
      { flags: "-c, --console", text: "attach to its console; Ctrl-] detaches" },
      { flags: "-p, --paused", text: 'leave it paused; "xl unpause" starts it' },
      { flags: "--default", text: "the default guest: Debian's Linux with busybox" },
      {
        flags: "--flavour <name>",
        text: "the default guest's kernel: cloud (small) or full (every driver)",
        parse: oneOf("cloud", "full"),
      },
      NO_NETWORK,
    ],
    examples: [
      ["create web.cfg", "start the domain that web.cfg describes"],
      ["create -c web.cfg name=web2 memory=256", "another of it, with its console"],
      ["create --default name=deb", "Debian's Linux"],
    ],
    load: async () => (await import("../commands/create.js")).create,
  },
  {
    name: "list",
    alias: "ls",
    arguments: "[domain...]",
    summary: "domains with their state, memory and time",
    details: "State letters: r running, b blocked (idle), p paused, s shut down, c crashed, d dying.",
    options: [{ flags: "-l, --long", text: "everything, as JSON" }],
    examples: [
      ["list", "all domains"],
      ["list -l web", "all that is known of one"],
    ],
    load: async () => (await import("../commands/list.js")).list,
  },
  {
    name: "vcpu-list",
    arguments: "[domain...]",
    summary: "virtual CPUs with their state and time",
    details: `CPU is the physical CPU on which a virtual one runs. State letters: r running, b blocked (idle), p paused or
offline. Affinity: the physical CPUs on which it may run, and those on which it is to run by preference.`,
    examples: [["vcpu-list web", "the virtual CPUs of web"]],
    load: async () => (await import("../commands/list.js")).vcpuList,
  },
  {
    name: "vcpu-set",
    arguments: "<domain> <vcpus>",
    summary: "take virtual CPUs from a running guest, or give them back",
    details: `The guest does it itself and must cooperate, as Linux does. The limit is maxvcpus. The default guest brings
processors that come online at once; elsewhere write 1 to /sys/devices/system/cpu/cpuN/online in the guest.`,
    examples: [["vcpu-set web 2", "vCPUs 0 and 1 stay"]],
    load: async () => (await import("../commands/lifecycle.js")).vcpuSet,
  },
  {
    name: "vcpu-pin",
    arguments: "<domain> <vcpu> <cpus> [soft]",
    summary: "say on which physical CPUs a virtual CPU may run",
    details: `VCPU is a number or "all". CPUS, where it may run, and SOFT, where it is to run by preference, are lists as in
xl.cfg's cpus: "all", "0,2-5", "all,^0"; "-" leaves that one as it is.`,
    examples: [
      ["vcpu-pin web 0 1", "vCPU 0 on pCPU 1 only"],
      ["vcpu-pin web all all", "everywhere again"],
      ["vcpu-pin web all - 0-3", "by preference on pCPUs 0 to 3"],
    ],
    load: async () => (await import("../commands/scheduling.js")).vcpuPin,
  },
  {
    name: "sched-credit",
    summary: "weights and caps of the credit scheduler",
    details: `When domains want more than there is, they share by weight (256 where nobody said otherwise). A cap, in per cent of a
physical CPU, is kept even when nobody else wants it; 0 is none.`,
    options: [
      { flags: "-d, --domain <domain>", text: "this domain only" },
      { flags: "-w, --weight <n>", text: "give it this weight", parse: wholeNumber(WEIGHT_MIN, WEIGHT_MAX) },
      { flags: "-c, --cap <percent>", text: "give it this cap", parse: wholeNumber(0, CAP_MAX) },
      { flags: "-s, --schedparam", text: "the scheduler's own parameters" },
    ],
    examples: [
      ["sched-credit", "all domains"],
      ["sched-credit -d web -w 512", "twice the time of one with 256"],
      ["sched-credit -d web -c 50", "half a physical CPU at most"],
    ],
    load: async () => (await import("../commands/scheduling.js")).schedCredit,
  },
  {
    name: "uptime",
    arguments: "[domain...]",
    summary: "how long domains have been running",
    options: [{ flags: "-s, --short", text: "days, hours and minutes only, without a header" }],
    examples: [["uptime", "of all domains"]],
    load: async () => (await import("../commands/list.js")).uptime,
  },
  {
    name: "domid",
    arguments: "<name>",
    summary: "the number of a domain",
    examples: [["domid web", "prints 3"]],
    load: async () => (await import("../commands/list.js")).domid,
  },
  {
    name: "domname",
    arguments: "<domid>",
    summary: "the name of a domain",
    examples: [["domname 3", "prints web"]],
    load: async () => (await import("../commands/list.js")).domname,
  },
  {
    name: "console",
    arguments: "<domain>",
    summary: "attach to a domain's console; Ctrl-] detaches",
    options: [CONSOLE_TYPE],
    examples: [
      ["console web", "the console, with what was printed before"],
      ["console -t serial test", "the serial port's"],
    ],
    load: async () => (await import("../commands/console.js")).console,
  },
  {
    name: "pause",
    arguments: "<domain>",
    summary: "stop a domain's processors",
    examples: [["pause web", "it keeps its memory and gets no time"]],
    load: async () => (await import("../commands/lifecycle.js")).pause,
  },
  {
    name: "unpause",
    arguments: "<domain>",
    summary: "let a paused domain go on",
    examples: [["unpause web", ""]],
    load: async () => (await import("../commands/lifecycle.js")).unpause,
  },
  {
    name: "shutdown",
    arguments: "[domain...]",
    summary: "ask a domain to power off",
    details: 'The guest does it itself and must cooperate; "xl destroy" does not ask.',
    options: [WAIT, ALL],
    examples: [
      ["shutdown -w web", "and wait until it has"],
      ["shutdown -a", "all of them"],
    ],
    load: async () => (await import("../commands/lifecycle.js")).shutdown,
  },
  {
    name: "reboot",
    arguments: "[domain...]",
    summary: "ask a domain to reboot",
    options: [WAIT, ALL],
    examples: [["reboot web", "consoles stay attached"]],
    load: async () => (await import("../commands/lifecycle.js")).reboot,
  },
  {
    name: "destroy",
    arguments: "<domain...>",
    summary: "end a domain at once, as pulling the plug",
    examples: [["destroy web", ""]],
    load: async () => (await import("../commands/lifecycle.js")).destroy,
  },
  {
    name: "rename",
    arguments: "<domain> <name>",
    summary: "give a domain another name",
    examples: [["rename web old-web", ""]],
    load: async () => (await import("../commands/lifecycle.js")).rename,
  },
  {
    name: "mem-set",
    arguments: "<domain> <memory>",
    summary: "give a domain more or less memory, by its balloon driver",
    details: "Memory is in MiB, or with a unit: 512m, 1g. The guest follows as it can; the limit is maxmem.",
    examples: [["mem-set web 256", ""]],
    load: async () => (await import("../commands/lifecycle.js")).memSet,
  },
  {
    name: "sysrq",
    arguments: "<domain> <letter>",
    summary: "send a magic system request to Linux",
    examples: [["sysrq web t", "its tasks, on its console"]],
    load: async () => (await import("../commands/lifecycle.js")).sysrq,
  },
  {
    name: "trigger",
    arguments: "<domain> <what> [vcpu]",
    summary: "send nmi or init to a virtual CPU, or reset the domain",
    examples: [
      ["trigger web nmi 0", "a non-maskable interrupt to vCPU 0"],
      ["trigger web reset", "as the reset button"],
    ],
    load: async () => (await import("../commands/lifecycle.js")).trigger,
  },
  {
    name: "dump-core",
    arguments: "<domain> <file>",
    summary: "write a domain's memory and registers to an ELF file",
    details: "The domain is paused meanwhile.",
    examples: [["dump-core web web.core", "for gdb, crash or drgn"]],
    load: async () => (await import("../commands/dump-core.js")).dumpCore,
  },
];

export const XENSTORE_VERBS: readonly Verb[] = [
  {
    name: "xenstore-ls",
    arguments: "[path]",
    summary: "xenstore's tree",
    options: [{ flags: "-f, --full", text: "full paths, one a line" }],
    examples: [
      ["xenstore-ls", "all of it"],
      ["xenstore-ls -f /local/domain/3", "of one domain"],
    ],
    load: async () => (await import("../commands/xenstore.js")).xenstoreLs,
  },
  {
    name: "xenstore-list",
    arguments: "<path>",
    summary: "the children of a node",
    examples: [["xenstore-list /local/domain", "the numbers of all domains"]],
    load: async () => (await import("../commands/xenstore.js")).xenstoreList,
  },
  {
    name: "xenstore-read",
    arguments: "<path...>",
    summary: "values from xenstore",
    examples: [["xenstore-read /local/domain/3/name", ""]],
    load: async () => (await import("../commands/xenstore.js")).xenstoreRead,
  },
  {
    name: "xenstore-write",
    arguments: "<path-value...>",
    summary: "write values: PATH VALUE [PATH VALUE ...]",
    examples: [["xenstore-write /local/domain/3/data/greeting hello", ""]],
    load: async () => (await import("../commands/xenstore.js")).xenstoreWrite,
  },
  {
    name: "xenstore-rm",
    arguments: "<path...>",
    summary: "remove nodes with all below them",
    examples: [["xenstore-rm /local/domain/3/data/greeting", ""]],
    load: async () => (await import("../commands/xenstore.js")).xenstoreRm,
  },
  {
    name: "xenstore-watch",
    arguments: "<path...>",
    summary: "print paths as they change, until Ctrl-C",
    options: [{ flags: "-n, --count <n>", text: "end after so many", parse: wholeNumber(1, 1_000_000_000) }],
    examples: [
      ["xenstore-watch /local/domain/3", "each watch fires once at the start"],
      ["xenstore-watch -n 2 /local/domain/3/control", "until the first change"],
    ],
    load: async () => (await import("../commands/xenstore.js")).xenstoreWatch,
  },
];
