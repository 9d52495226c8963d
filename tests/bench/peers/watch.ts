/** Follows a guest by the marks on its console: what its process took at each. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import type { RegionExitInfo } from "../../../control-plane/api/index.js";
import { type Mark, MarkReader } from "../guest.js";
import { cpuMs, residentMiB } from "../process.js";
import type { Counters, SuiteRun, TaskRun } from "./peer.js";

/** No mark for so long means a guest that hangs. */
const SILENCE_MS = 300_000;
const TAIL_CHARACTERS = 3000;

export interface Watched {
  readonly child: ChildProcess;
  /** Processes that are its own as well: their CPU time counts, and they end with it. */
  readonly others?: readonly ChildProcess[];
  /** The bench's program that reads the CPU time of a process. */
  readonly clock: string;
  /** When the process was started, by performance.now(). */
  readonly startedMs: number;
  /** What the guest has executed so far. */
  readonly counters: () => Promise<Counters | null>;
  /** Where compiled code was left for the interpreter since this was asked last. */
  readonly exits?: () => Promise<readonly RegionExitInfo[]>;
  /** Resolves with why the guest ended, where that does not end the process. */
  readonly ended?: Promise<string>;
  /** Calls back with what the console shows; resolves when it listens. */
  readonly listen: (onText: (text: string) => void) => Promise<void>;
}

interface Moment {
  readonly cpu: number;
  readonly wall: number;
  readonly counters: Counters | null;
}

/** Starts a process that does not outlive the bench. */
export function start(command: string, argv: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, argv, options);
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  return child;
}

/** The difference of two counts, where both are known. */
export function counted(from: Counters | null, to: Counters | null): Counters | null {
  if (!from || !to) return null;
  const instructions = to.instructions - from.instructions;
  if (!from.jit || !to.jit) return { instructions };
  const { region, handler, interpreter } = to.jit;
  return {
    instructions,
    jit: {
      region: region - from.jit.region,
      handler: handler - from.jit.handler,
      interpreter: interpreter - from.jit.interpreter,
    },
  };
}

/** The course of one run; marks are taken in turn, as reading the counters takes time. */
class Course {
  #boot: SuiteRun["boot"] = null;
  #begun: Moment | null = null;
  readonly #tasks = new Map<string, TaskRun>();

  constructor(private readonly watched: Watched) {}

  /** Gives the whole run at its last mark. */
  async take(mark: Mark, cpu: number, wall: number): Promise<SuiteRun | null> {
    const { child, counters, startedMs } = this.watched;
    switch (mark.kind) {
      case "ready":
        this.#boot = { cpuMs: cpu, wallMs: wall - startedMs, counters: await counters() };
        await this.watched.exits?.();
        return null;
      case "begin": {
        const before = await counters();
        // Again, so that asking is not counted.
        this.#begun = { cpu: cpuOf(this.watched), wall, counters: before };
        return null;
      }
      case "go":
        if (this.#begun) this.#begun = { ...this.#begun, wall };
        return null;
      case "end":
        this.#end(mark, cpu, wall, await counters(), await this.watched.exits?.());
        return null;
      case "out": {
        const run = this.#tasks.get(mark.key);
        if (run) this.#tasks.set(mark.key, { ...run, output: `${run.output}${mark.text}\n` });
        return null;
      }
      case "done": {
        const total = await counters();
        const resident = residentMiB(child.pid!);
        return { boot: this.#boot, residentMiB: resident, counters: total, tasks: this.#tasks };
      }
    }
  }

  #end(mark: Mark & { kind: "end" }, cpu: number, wall: number, after: Counters | null, exits: TaskRun["exits"]): void {
    const begun = this.#begun;
    if (!begun) return;
    const took = cpu - begun.cpu;
    process.stderr.write(`    ${mark.key}: ${(took / 1000).toFixed(2)} s\n`);
    this.#tasks.set(mark.key, {
      cpuMs: took,
      wallMs: wall - begun.wall,
      status: mark.status,
      output: "",
      counters: counted(begun.counters, after),
      ...(exits === undefined ? {} : { exits }),
    });
  }
}

/** CPU time of all processes, ms. */
const cpuOf = ({ child, others = [], clock }: Watched): number =>
  [child, ...others].reduce((sum, { pid }) => sum + cpuMs(clock, pid!), 0);

/** Watches until the guest's last mark and then ends the process. */
export async function watch(title: string, watched: Watched): Promise<SuiteRun> {
  const { child, others = [] } = watched;
  const course = new Course(watched);
  let tail = "";
  let silence: NodeJS.Timeout | undefined;
  try {
    return await new Promise<SuiteRun>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${title} ${why}. The end of its console:\n${tail}`));
      const listenOn = () => {
        clearTimeout(silence);
        silence = setTimeout(() => fail(`said nothing for ${SILENCE_MS / 1000} s`), SILENCE_MS);
      };
      let turn: Promise<void> = Promise.resolve();
      const reader = new MarkReader((mark) => {
        if (child.exitCode !== null) return;
        const wall = performance.now();
        // The others come while a program runs: reading the clock would disturb it.
        const cpu = mark.kind === "go" || mark.kind === "out" ? 0 : cpuOf(watched);
        listenOn();
        turn = turn
          .then(() => course.take(mark, cpu, wall))
          .then((run) => (run ? resolve(run) : undefined))
          .catch(reject);
      });
      child.once("error", reject);
      child.once("close", (status, signal) => fail(`ended with ${signal ?? `status ${status}`}`));
      watched.ended?.then((reason) => fail(`ended: ${reason}`)).catch(reject);
      listenOn();
      watched
        .listen((text) => {
          tail = (tail + text).slice(-TAIL_CHARACTERS);
          reader.push(text);
        })
        .catch(reject);
    });
  } finally {
    clearTimeout(silence);
    child.removeAllListeners("close");
    for (const each of [child, ...others]) each.kill("SIGKILL");
  }
}

/** A child whose console is its standard output. */
export function listenToOutput(child: ChildProcess): Watched["listen"] {
  return async (onText) => {
    child.stdout!.setEncoding("utf8").on("data", onText);
  };
}
