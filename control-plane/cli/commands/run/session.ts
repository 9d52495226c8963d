/** The course of a run: create, connect the console, wait for the ends or for what ends it earlier, tidy up. */
import type { ConsoleKind, ConsoleSession, DomainConfig, DomId, HostApi, HostInfo } from "../../../api/index.js";
import { CliError, Exit } from "../../errors.js";
import { say } from "../../output.js";
import { Terminal } from "../../terminal.js";
import type { ExecOutput } from "./exec.js";
import { actionFor, type Ending, type Line, Lines } from "./lineage.js";
import { type FinishedGuest, makeStats, writeStats } from "./stats.js";
import { statusOfAll } from "./status.js";

export interface RunRequest {
  readonly host: HostApi;
  readonly guests: readonly DomainConfig[];
  /** Whose console is shown. */
  readonly consoleIndex: number;
  readonly consoleKind: ConsoleKind;
  /** Of --exec: takes the command's status out of the output. */
  readonly exec: ExecOutput | null;
  readonly timeoutMs: number | null;
  readonly statsFile: string | null;
}

/** Domain0 gets so long to end its threads, ms. */
const CLOSE_MS = 2000;

/** Lines of the hypervisor's log that are shown after a crash. */
const LOG_LINES = 12;

/** Why a run ended before its guests did. */
interface Stop {
  readonly status: number;
  readonly why: string;
}

export async function runGuests(request: RunRequest, terminal = new Terminal()): Promise<number> {
  const run = new Run(request, terminal);
  const stops = watchForStops(request.timeoutMs);
  try {
    const stop = await Promise.race([run.toTheEnd(), stops.stopped]);
    return await run.finish(stop);
  } finally {
    stops.unwatch();
    terminal.restore();
    await within(CLOSE_MS, request.host.close());
  }
}

class Run {
  readonly #lines: Line[] = [];
  readonly #finished = new Map<Line, { ending: Ending; wallMs: number }>();
  readonly #started = performance.now();
  #session: ConsoleSession | null = null;
  #machine: HostInfo | null = null;

  constructor(
    private readonly request: RunRequest,
    private readonly terminal: Terminal,
  ) {}

  /** Resolves to null when every guest has ended. */
  async toTheEnd(): Promise<null> {
    const { host, guests, consoleIndex } = this.request;
    const lines = await Lines.start(host);
    for (const config of guests) {
      const domid = await host.create(config, { paused: true });
      this.#lines.push({ config, domid, restarts: 0, infos: new Map() });
    }
    const shown = this.#lines[consoleIndex]!;
    await this.#attach(shown.domid);
    this.#connectKeyboard();
    const ends = this.#lines.map((line) => this.#follow(lines, line, line === shown));
    for (const { domid } of this.#lines) await host.unpause(domid);
    await Promise.all(ends);
    return null;
  }

  async #follow(lines: Lines, line: Line, shown: boolean): Promise<void> {
    const ending = await lines.follow(line, () => (shown ? this.#restarted(line) : undefined));
    this.#finished.set(line, { ending, wallMs: performance.now() - this.#started });
    const { host } = this.request;
    this.#machine = await host.info();
    // Frees its memory for the others; a domain that was to be preserved is of no use once this process ends.
    await host.destroy(line.domid).catch(() => undefined);
  }

  /** A renamed predecessor keeps its console, so its successor has another. */
  async #restarted(line: Line): Promise<void> {
    const renames = (["reboot", "crash"] as const).some(
      (reason) => actionFor(line.config, reason) === "rename-restart",
    );
    if (!renames) return;
    this.#session?.detach();
    await this.#attach(line.domid);
  }

  async #attach(domid: DomId): Promise<void> {
    const { host, consoleKind, exec } = this.request;
    // The promise is the acknowledgement that slows a guest down to what reads its output.
    this.#session = await host.attachConsole(domid, consoleKind, (data) => {
      const shown = exec ? exec.push(data) : data;
      return shown.length > 0 ? this.terminal.write(shown) : undefined;
    });
  }

  #connectKeyboard(): void {
    this.terminal.attach({
      onInput: (data) => this.#session?.write(data),
      onResize: (columns, rows) => this.#session?.resize(columns, rows),
      onDetach: () => {
        this.#session?.detach();
        this.#session = null;
        say("detached; the guests run on until they end, or Ctrl-C ends them");
      },
    });
  }

  async finish(stop: Stop | null): Promise<number> {
    const { exec, statsFile } = this.request;
    if (exec) await this.terminal.write(exec.end());
    this.terminal.restore();
    if (stop) say(stop.why);
    else await this.#sayHowTheyEnded();
    if (statsFile !== null) await writeStats(statsFile, await this.#stats(stop));
    if (stop) return stop.status;
    const status = statusOfAll(this.#lines.map((line) => this.#finished.get(line)!.ending));
    if (status !== Exit.OK || !exec) return status;
    if (exec.status === null) throw new CliError(Exit.HOST, "the guest ended and reported no status of the command");
    return exec.status;
  }

  /** Says who did not end well, with what the hypervisor knows of it. */
  async #sayHowTheyEnded(): Promise<void> {
    let failed = false;
    for (const [{ config }, { ending }] of this.#finished) {
      const { reason, restartFailed } = ending;
      failed ||= restartFailed === true || reason === "crash" || reason === "watchdog";
      if (restartFailed) say(`guest "${config.name}" could not be restarted`);
      else if (reason === "crash") say(`guest "${config.name}" crashed`);
      else if (reason === "watchdog") say(`guest "${config.name}" was ended by its watchdog`);
    }
    const log = failed ? await within(CLOSE_MS, this.request.host.dmesg()) : null;
    for (const line of log?.trimEnd().split("\n").slice(-LOG_LINES) ?? []) say(`dmesg: ${line}`);
  }

  async #stats(stop: Stop | null): Promise<object> {
    const { host } = this.request;
    const guests: FinishedGuest[] = [];
    for (const line of this.#lines) {
      const finished = this.#finished.get(line);
      const info = finished ? null : await within(CLOSE_MS, host.domain(line.domid));
      if (info) line.infos.set(line.domid, info);
      const wallMs = finished?.wallMs ?? performance.now() - this.#started;
      guests.push({ line, ending: finished?.ending ?? null, wallMs });
    }
    const machine = this.#machine ?? (await within(CLOSE_MS, host.info()));
    const reason = stop === null ? null : stop.status === Exit.TIMEOUT ? "timeout" : "interrupted";
    return makeStats(guests, machine, reason);
  }
}

/** Ends that come from outside: the time limit and signals. */
function watchForStops(timeoutMs: number | null): { stopped: Promise<Stop>; unwatch(): void } {
  let stop = (_: Stop): void => {};
  const stopped = new Promise<Stop>((resolve) => {
    stop = resolve;
  });
  const interrupted = () => stop({ status: Exit.INTERRUPTED, why: "interrupted: the guests are ended" });
  const terminated = () => stop({ status: Exit.TERMINATED, why: "terminated: the guests are ended" });
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", terminated);
  process.on("SIGHUP", terminated);
  const expired = () =>
    stop({ status: Exit.TIMEOUT, why: `timeout: the guests did not end in ${timeoutMs! / 1000} s` });
  const timer = timeoutMs === null ? undefined : setTimeout(expired, timeoutMs);
  return {
    stopped,
    unwatch: () => {
      clearTimeout(timer);
      process.off("SIGINT", interrupted);
      process.off("SIGTERM", terminated);
      process.off("SIGHUP", terminated);
    },
  };
}

/** The result, or null when there is none in time. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([work.catch(() => null), limit]).finally(() => clearTimeout(timer));
}
