/** Whether a run was good: right results, and nothing worse than the committed baseline allows. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Baseline, type Figures, regressions, updated } from "./baseline.js";
import type { Options } from "./options.js";
import { medianOf, type Round, ratio, taskFigures, wrongResults } from "./statistics.js";
import { SMP_WORKS, speedUp } from "./targets.js";
import type { Task } from "./workloads.js";

const BASELINE = new URL("baseline.json", import.meta.url);
const say = (text: string): boolean => process.stderr.write(`${text}\n`);

/** What ran on a number of processors. */
export interface Measured {
  readonly tasks: readonly Task[];
  readonly rounds: readonly Round[];
}

const known = (name: keyof Figures, value: number | null): Figures => (value === null ? {} : { [name]: value });

/** The figures that a baseline keeps of programs for one processor. */
function figuresOf({ tasks, rounds }: Measured): Record<string, Figures> {
  return Object.fromEntries(
    tasks.map(({ key }) => {
      const { cpuRatio, counters } = taskFigures(rounds, key);
      const millions = counters === null ? null : counters.instructions / 1e6;
      const { qemu = null, v86 = null, native = null } = cpuRatio;
      const ratios = { ...known("qemu", qemu), ...known("v86", v86), ...known("native", native) };
      return [key, { ...ratios, ...known("instructionsM", millions) }];
    }),
  );
}

/** Of those for disks and networks that QEMU ran too. */
function wallFigures({ tasks, rounds }: Measured): Record<string, Figures> {
  return Object.fromEntries(
    tasks.map(({ key }) => [
      key,
      known(
        "wall",
        ratio(rounds, "qemu", (run) => run.tasks.get(key)?.wallMs),
      ),
    ]),
  );
}

/** Of those for two processors. */
function smpFigures({ rounds }: Measured): Record<string, Figures> {
  return Object.fromEntries(
    SMP_WORKS.flatMap((work) => {
      const faster = speedUp(rounds, "xenolith", work);
      return faster === null ? [] : [[`${work}-2 64`, { second: 1 / faster }]];
    }),
  );
}

/** Memory is compared after all the programs only: a few of them touch less. */
function machineFigures({ rounds }: Measured, whole: boolean): Record<string, Figures> {
  const cpu = ratio(rounds, "qemu", (run) => run.boot?.cpuMs);
  const memory = whole ? ratio(rounds, "qemu", (run) => run.residentMiB) : null;
  const count = medianOf(rounds, "xenolith", (run) => run.boot?.counters?.instructions);
  return {
    boot: {
      ...(cpu === null ? {} : { qemu: cpu }),
      ...(memory === null ? {} : { memory }),
      ...(count === null ? {} : { instructionsM: count / 1e6 }),
    },
  };
}

/** Says what is wrong or got worse, or writes the baseline; the exit status. */
export function judge(options: Options, one: Measured, two: Measured, others: readonly Measured[]): number {
  const complaints = [one, two, ...others].flatMap(({ tasks, rounds }) =>
    wrongResults(
      rounds,
      tasks.map(({ key }) => key),
    ),
  );
  for (const sentence of complaints) say(`wrong result: ${sentence}`);
  const measured = {
    ...figuresOf(one),
    ...smpFigures(two),
    ...Object.assign({}, ...others.map(wallFigures)),
    ...(one.rounds.length > 0 ? machineFigures(one, options.whole) : {}),
  };
  const baseline = JSON.parse(readFileSync(BASELINE, "utf8")) as Baseline;
  if (options.update && complaints.length === 0) {
    writeFileSync(BASELINE, `${JSON.stringify(updated(baseline, measured), null, 2)}\n`);
  }
  const worse = options.check ? regressions(measured, baseline) : [];
  for (const sentence of worse) say(`worse than the baseline: ${sentence}`);
  return complaints.length + worse.length === 0 ? 0 : 1;
}
