/**
 * `npm run bench`: the default guest here and on Debian's QEMU with TCG, in turn, on the same machine in the same run.
 * Options: --quick (one pair), --pairs N, --programs (also programs in the guest), --flavour cloud|full,
 * --check (exit 1 when worse than baseline.json allows), --update (write baseline.json). docs/performance.md explains.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { requirePrograms } from "../support/programs.js";
import { type Baseline, type Figures, figuresOf, type Pair, regressions, table } from "./figures.js";
import { makeSubjects, type Subject } from "./subjects.js";

const BASELINE = new URL("baseline.json", import.meta.url);
const DEFAULT_PAIRS = 5;

/** Shell commands for the guest by workload. All but the first are the boot with a program at its end. */
const BOOT = { boot: "true" };
const PROGRAMS = {
  sha256: "head -c 16000000 /dev/zero | sha256sum",
  gzip: "head -c 4000000 /bin/busybox | gzip -9 | wc -c",
  "shell loop": "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done",
  "fork and exec": "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done",
};

function readOptions(): {
  pairs: number;
  programs: boolean;
  check: boolean;
  update: boolean;
  flavour: "cloud" | "full";
} {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      pairs: { type: "string", default: String(DEFAULT_PAIRS) },
      programs: { type: "boolean", default: false },
      flavour: { type: "string", default: "cloud" },
      check: { type: "boolean", default: false },
      update: { type: "boolean", default: false },
    },
  });
  const pairs = values.quick ? 1 : Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1) throw new Error(`--pairs: ${values.pairs} is not a number of pairs`);
  if (values.flavour !== "cloud" && values.flavour !== "full") throw new Error("--flavour is cloud or full");
  return { pairs, programs: values.programs, check: values.check, update: values.update, flavour: values.flavour };
}

/** Runs the pairs in turn; who goes first alternates, so that a drift of the machine's speed favours neither. */
async function measurePairs([ours, theirs]: readonly [Subject, Subject], command: string, n: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let i = 0; i < n; i++) {
    const first = await (i % 2 === 0 ? ours : theirs).run(command);
    const second = await (i % 2 === 0 ? theirs : ours).run(command);
    pairs.push(i % 2 === 0 ? { ours: first, theirs: second } : { ours: second, theirs: first });
    process.stderr.write(`  pair ${i + 1} of ${n}\n`);
  }
  return pairs;
}

const rounded = (figures: Figures): Figures =>
  Object.fromEntries(
    Object.entries(figures).map(([key, value]) => [key, Math.round(value * 100) / 100]),
  ) as unknown as Figures;

const options = readOptions();
await requirePrograms([{ commands: ["qemu-system-x86_64"], package: "qemu-system-x86" }]);
const scratch = mkdtempSync(join(tmpdir(), "xenolith-bench-"));
const baseline = JSON.parse(readFileSync(BASELINE, "utf8")) as Baseline;
const measured: Record<string, Figures> = {};
try {
  const subjects = await makeSubjects(options.flavour, scratch);
  const [cpu] = cpus();
  process.stdout.write(`# ${cpu?.model ?? "unknown processor"}, ${cpus().length} threads, Node ${process.version}\n`);
  for (const [workload, command] of Object.entries(options.programs ? { ...BOOT, ...PROGRAMS } : BOOT)) {
    process.stderr.write(`${workload}\n`);
    const pairs = await measurePairs(subjects, command, options.pairs);
    measured[workload] = figuresOf(pairs);
    process.stdout.write(`\n${table(workload, [subjects[0].name, subjects[1].name], pairs)}\n`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (options.update) {
  const workloads = Object.fromEntries(Object.entries(measured).map(([name, figures]) => [name, rounded(figures)]));
  writeFileSync(
    BASELINE,
    `${JSON.stringify({ ...baseline, workloads: { ...baseline.workloads, ...workloads } }, null, 2)}\n`,
  );
}
if (options.check) {
  const worse = Object.entries(measured).flatMap(([name, figures]) => regressions(name, figures, baseline));
  for (const sentence of worse) process.stderr.write(`worse than the baseline: ${sentence}\n`);
  process.exitCode = worse.length === 0 ? 0 : 1;
}
