/**
 * Follows domains to their real ends. A guest that reboots is destroyed and built again under a new number; its line goes
 * on with the successor, until a domain of it ends and has none.
 */
import type { DomainConfig, DomainInfo, DomId, HostApi, LifecycleAction, ShutdownReason } from "../../../api/index.js";

export interface Ending {
  readonly reason: ShutdownReason;
  readonly exitStatus?: number;
  /** A restart was due and failed. */
  readonly restartFailed?: boolean;
}

/** One guest from its first domain to its last. */
export interface Line {
  readonly config: DomainConfig;
  /** The domain that is it now. */
  domid: DomId;
  restarts: number;
  /** What is known of earlier and present domains of the line, by number. */
  readonly infos: Map<DomId, DomainInfo>;
}

interface RestartWaiter {
  readonly line: Line;
  resolve(next: DomId | null): void;
}

export class Lines {
  readonly #successors = new Map<DomId, DomId>();
  readonly #waiters = new Map<DomId, RestartWaiter>();
  readonly #lines = new Map<DomId, Line>();

  private constructor(private readonly host: HostApi) {}

  static async start(host: HostApi): Promise<Lines> {
    const lines = new Lines(host);
    await host.subscribe((event) => {
      if (event.kind === "domain-created" && event.restartOf !== undefined)
        lines.#created(event.restartOf, event.domid);
      // Before it is taken down: what it has used is forgotten with it.
      if (event.kind === "domain-shutdown") void lines.sample(event.domid);
      if (event.kind === "domain-destroyed") void lines.#failLostRestarts();
    });
    return lines;
  }

  /** Resolves when the line that begins with `domid` has ended. `onRestart` is told of each successor. */
  async follow(line: Line, onRestart: (line: Line) => void | Promise<void>): Promise<Ending> {
    for (;;) {
      this.#lines.set(line.domid, line);
      const outcome = await this.host.waitShutdown(line.domid);
      await this.sample(line.domid);
      if (!restarts(actionFor(line.config, outcome.reason))) return outcome;
      const next = await this.#successorOf(line);
      if (next === null) return { ...outcome, restartFailed: true };
      line.domid = next;
      line.restarts++;
      await onRestart(line);
    }
  }

  /** Notes what a domain has used; a domain that is gone already keeps its last note. */
  async sample(domid: DomId): Promise<void> {
    const line = this.#lines.get(domid);
    if (!line) return;
    const info = await this.host.domain(domid).catch(() => null);
    if (info) line.infos.set(domid, info);
  }

  #created(before: DomId, next: DomId): void {
    this.#successors.set(before, next);
    this.#waiters.get(before)?.resolve(next);
    this.#waiters.delete(before);
  }

  #successorOf(line: Line): Promise<DomId | null> {
    const known = this.#successors.get(line.domid);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      this.#waiters.set(line.domid, { line, resolve });
      void this.#failLostRestarts();
    });
  }

  /** A restart that fails leaves no domain of that name, neither the old nor a new one. */
  async #failLostRestarts(): Promise<void> {
    if (this.#waiters.size === 0) return;
    const infos = await this.host.list().catch(() => null);
    if (!infos) return;
    for (const [domid, { line, resolve }] of this.#waiters) {
      if (infos.some((info) => info.domid === domid || info.name === line.config.name)) continue;
      this.#waiters.delete(domid);
      resolve(null);
    }
  }
}

/** What Domain0 does after a shutdown; the defaults are xl.cfg's. */
export function actionFor(config: DomainConfig, reason: ShutdownReason): LifecycleAction {
  switch (reason) {
    case "reboot":
    case "soft-reset":
      return config.onReboot ?? "restart";
    case "crash":
      return config.onCrash ?? "destroy";
    case "watchdog":
      return config.onWatchdog ?? "destroy";
    case "suspend":
      return "preserve";
    default:
      return config.onPoweroff ?? "destroy";
  }
}

function restarts(action: LifecycleAction): boolean {
  return action === "restart" || action === "rename-restart" || action === "coredump-restart";
}
