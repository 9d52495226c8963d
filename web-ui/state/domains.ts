/**
 * The domain list, kept fresh: a look every second and after every event of Domain0, with processor use worked out
 * from the CPU seconds between two looks. Events only mean "look again"; what is shown always comes from a full list.
 */
import type { DomainInfo, DomId, HostApi, HostEvent, HostInfo } from "../../control-plane/api/index.js";
import { Looks } from "./looks.js";
import { Store } from "./store.js";

/** One sample a second, a minute of them. */
export const HISTORY_LENGTH = 60;

export interface DomainRow {
  readonly info: DomainInfo;
  /** Percent of one processor since the last look. */
  readonly cpuPercent: number;
  /** Oldest first, at most HISTORY_LENGTH. */
  readonly history: readonly number[];
}

export interface Snapshot {
  readonly atMs: number;
  readonly host: HostInfo | null;
  readonly rows: readonly DomainRow[];
}

export const EMPTY_SNAPSHOT: Snapshot = { atMs: 0, host: null, rows: [] };

/** States in which a guest would lose something if the page went away. */
export function isAlive(info: DomainInfo): boolean {
  return info.state === "running" || info.state === "blocked" || info.state === "paused";
}

/** The next snapshot after a look at `atMs`. A look sooner than `minSampleMs` updates figures but adds no sample. */
export function advance(
  previous: Snapshot,
  infos: readonly DomainInfo[],
  host: HostInfo,
  atMs: number,
  minSampleMs = 900,
): Snapshot {
  const elapsedMs = atMs - previous.atMs;
  const sample = previous.atMs === 0 || elapsedMs >= minSampleMs;
  const rows = infos.map((info): DomainRow => {
    const before = previous.rows.find((row) => row.info.domid === info.domid);
    if (!before) return { info, cpuPercent: 0, history: [] };
    if (!sample) {
      // The CPU seconds of the last sample stay the base of the next.
      return { ...before, info: { ...info, cpuSeconds: before.info.cpuSeconds } };
    }
    const cpuPercent = Math.max(0, ((info.cpuSeconds - before.info.cpuSeconds) * 1000 * 100) / elapsedMs);
    return { info, cpuPercent, history: [...before.history, cpuPercent].slice(-HISTORY_LENGTH) };
  });
  return { atMs: sample ? atMs : previous.atMs, host, rows };
}

export interface MonitorHooks {
  now(): number;
  onEvent(event: HostEvent): void;
  onError(error: unknown): void;
}

const LOOK_EVERY_MS = 1000;

export class DomainMonitor {
  readonly snapshot = new Store<Snapshot>(EMPTY_SNAPSHOT);
  private timer: ReturnType<typeof setInterval> | null = null;
  private unsubscribe: (() => void) | null = null;
  private failed = false;
  private readonly looks = new Looks(() => this.lookOnce());

  constructor(
    private readonly host: HostApi,
    private readonly hooks: MonitorHooks,
  ) {}

  async start(): Promise<void> {
    this.unsubscribe = await this.host.subscribe((event) => {
      this.hooks.onEvent(event);
      void this.look();
    });
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
    await this.look();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.unsubscribe?.();
    this.unsubscribe = null;
  }

  row(domid: DomId): DomainRow | undefined {
    return this.snapshot.get().rows.find((row) => row.info.domid === domid);
  }

  look(): Promise<void> {
    return this.looks.look();
  }

  private async lookOnce(): Promise<void> {
    try {
      const [infos, host] = await Promise.all([this.host.list(), this.host.info()]);
      this.snapshot.set(advance(this.snapshot.get(), infos, host, this.hooks.now()));
      this.failed = false;
    } catch (error) {
      // Told once, not every second.
      if (!this.failed) this.hooks.onError(error);
      this.failed = true;
    }
  }
}
