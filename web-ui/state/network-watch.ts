/** What the networks do, looked at every second while somebody watches. */
import type { HostApi, NetworkInfo, NetworkPort } from "../../control-plane/api/index.js";
import { Looks } from "./looks.js";
import { Store } from "./store.js";

const LOOK_MS = 1000;

/** Bytes per second of each port since the look before, by network and port. */
export type PortRates = ReadonlyMap<string, number>;

export interface NetworkSnapshot {
  /** Null before the first look. */
  readonly networks: readonly NetworkInfo[] | null;
  readonly rates: PortRates;
}

export const portKey = (network: string, port: string): string => `${network}\n${port}`;

/** All bytes that went through a port. */
export const portBytes = ({ counters }: NetworkPort): number => (counters.rxBytes ?? 0) + (counters.txBytes ?? 0);

export function ratesOf(
  before: readonly NetworkInfo[],
  now: readonly NetworkInfo[],
  elapsedMs: number,
): Map<string, number> {
  const sums = new Map(before.flatMap(({ name, ports }) => ports.map((p) => [portKey(name, p.name), portBytes(p)])));
  const rates = new Map<string, number>();
  for (const { name, ports } of now) {
    for (const port of ports) {
      const key = portKey(name, port.name);
      const known = sums.get(key);
      // A port of the same name may be another one by now.
      if (known !== undefined) rates.set(key, (Math.max(0, portBytes(port) - known) * 1000) / elapsedMs);
    }
  }
  return rates;
}

export class NetworkWatch {
  readonly snapshot = new Store<NetworkSnapshot>({ networks: null, rates: new Map() });
  private timer: ReturnType<typeof setInterval> | null = null;
  private lookedAtMs = 0;
  private readonly looks = new Looks(() => this.lookOnce());

  constructor(
    private readonly host: HostApi,
    private readonly now: () => number,
    private readonly onError: (error: unknown) => void,
  ) {}

  watch(on: boolean): void {
    if (!on) {
      if (this.timer !== null) clearInterval(this.timer);
      this.timer = null;
      return;
    }
    this.timer ??= setInterval(() => void this.look(), LOOK_MS);
    void this.look();
  }

  async look(): Promise<void> {
    try {
      await this.looks.look();
    } catch (error) {
      this.watch(false);
      this.onError(error);
    }
  }

  private async lookOnce(): Promise<void> {
    const networks = await this.host.networks();
    const atMs = this.now();
    const before = this.snapshot.get().networks;
    const rates =
      before === null ? new Map<string, number>() : ratesOf(before, networks, Math.max(1, atMs - this.lookedAtMs));
    this.lookedAtMs = atMs;
    this.snapshot.set({ networks, rates });
  }
}
