/** The bench's command line. */
import { parseArgs } from "node:util";
import type { PeerName } from "./peers/peer.js";
import { pick, WORDS, WORKLOADS, type Word, type Workload } from "./workloads.js";

const PEERS: readonly PeerName[] = ["qemu", "v86", "native"];

export const HELP = `npm run bench -- [OPTIONS]

Boots Debian here and on others, runs the same programs in each guest, and compares the CPU time of the processes.

  --only A,B         these programs or groups; "boot" alone runs none, only boots (see --list)
  --peers A,B        compare with these: qemu, v86, native (default: all)
  --words 64,32      programs in these word sizes (default: both; v86 has 32 alone)
  --pairs N          boot everyone N times, in turn; medians are shown (default: 3)
  --quick            the same as --pairs 1
  --scale X          multiply the work of every program by X (default: 1)
  --flavour NAME     cloud or full: which of Debian's kernels (default: cloud)
  --no-jit           the interpreter alone here; nothing is compared with the baseline
  --no-build         take dist/ as it is
  --update           write what was measured into tests/bench/baseline.json instead of checking it
  --no-check         do not compare with the baseline
  --json FILE        also write every figure of every run
  --list             list the programs and end
  --help             this text

A regression beyond the baseline's tolerance, and a program whose result differs between machines, end with status 1.
Examples:
  npm run bench -- --quick --only alu,chase-cache --peers qemu,native --words 64
  npm run bench -- --only boot --no-jit
  npm run bench -- --only smp --pairs 5
  npm run bench -- --only disk --peers qemu
  npm run bench -- --only net --peers qemu
docs/performance.md says how to read the figures and how to add a program.
`;

export interface Options {
  readonly workloads: readonly Workload[];
  /** Nothing is left out, so that memory after all of it can be compared. */
  readonly whole: boolean;
  readonly peers: readonly PeerName[];
  readonly words: readonly Word[];
  readonly pairs: number;
  readonly scale: number;
  readonly flavour: "cloud" | "full";
  readonly jit: boolean;
  readonly build: boolean;
  readonly update: boolean;
  readonly check: boolean;
  readonly json: string | undefined;
}

function listOf<T extends string | number>(flag: string, text: string, known: readonly T[]): T[] {
  return text.split(",").map((name) => {
    const found = known.find((value) => String(value) === name);
    if (found === undefined) throw new Error(`${flag}: "${name}" is none of ${known.join(", ")}`);
    return found;
  });
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag}: "${text}" is not a number above 0`);
  return value;
}

function workloadsOf(only: string | undefined): Workload[] {
  if (only === undefined) return pick([]);
  const names = only.split(",").filter((name) => name !== "boot");
  return names.length === 0 ? [] : pick(names);
}

/** The options, or a text to print instead of running. Throws with a sentence for what is wrong. */
export function readOptions(args: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      peers: { type: "string", default: PEERS.join() },
      words: { type: "string", default: WORDS.join() },
      pairs: { type: "string", default: "3" },
      quick: { type: "boolean", default: false },
      scale: { type: "string", default: "1" },
      flavour: { type: "string", default: "cloud" },
      "no-jit": { type: "boolean", default: false },
      "no-build": { type: "boolean", default: false },
      update: { type: "boolean", default: false },
      "no-check": { type: "boolean", default: false },
      json: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return HELP;
  if (values.list) return WORKLOADS.map((w) => `${w.name.padEnd(14)}${w.group.padEnd(9)}${w.does}\n`).join("");
  const pairs = values.quick ? 1 : numberOf("--pairs", values.pairs);
  if (!Number.isInteger(pairs)) throw new Error("--pairs: only whole boots");
  const scale = numberOf("--scale", values.scale);
  const words = listOf("--words", values.words, WORDS);
  const jit = !values["no-jit"];
  if (values.update && !jit) throw new Error("--update: the baseline is of runs without --no-jit");
  return {
    workloads: workloadsOf(values.only),
    whole: values.only === undefined && words.length === WORDS.length && scale === 1,
    peers: listOf("--peers", values.peers, PEERS),
    words,
    pairs,
    scale,
    flavour: listOf("--flavour", values.flavour, ["cloud", "full"] as const)[0]!,
    jit,
    build: !values["no-build"],
    update: values.update,
    // Another amount of work makes other ratios, as start-up and compiling weigh differently.
    check: !values["no-check"] && !values.update && scale === 1 && jit,
    json: values.json,
  };
}
