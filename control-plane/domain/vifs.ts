/**
 * The network interfaces of a domain: each has a place at its switch and a back end behind xenstore's keys. They are made
 * with the domain, attached and detached while the guest runs, and closed with it.
 */
import type { LineImpairment, PortForward, VifChange, VifConfig, VifInfo } from "../api/types.js";
import { DEFAULT_RATE_WINDOW_US } from "../backends/vif/index.js";
import type { Capture, CaptureListener, CaptureOptions, Port, Timer } from "../net/index.js";
import { err, ok, type Random, type Result } from "../util/index.js";
import { type DevicePaths, XenbusDevice } from "../xenbus/index.js";
import { homeOf } from "../xenstore/index.js";
import { type BackendIoParts, backendIo } from "./backend-io.js";
import { type Network, type Networks, portCounters } from "./networks.js";
import { Removal } from "./removal.js";
import type { OpenForward } from "./user-network.js";
import { type MadeVifBackend, makeVifBackend } from "./vif-backend.js";
import { completeVif, type FullVif, networkOf } from "./vif-checks.js";
import { VifStation } from "./vif-station.js";

export interface VifParts extends BackendIoParts {
  readonly networks: Networks;
  readonly random: Random;
  readonly timer: Timer;
  readonly epochMs: number;
}

export type VifError = "bad-config" | "bad-state" | "name-taken";
export type VifResult<T = void> = Result<T, VifError>;

/** What people made of a line; a guest's successor finds it as it was. */
export interface Line {
  readonly isUp: boolean;
  readonly fromGuest: LineImpairment;
  readonly toGuest: LineImpairment;
}

/** An interface that is to be. */
export interface VifPlan {
  readonly config: VifConfig;
  readonly line?: Line;
}

/** Of Xen's hotplug scripts, which do here what is done already. */
const HOTPLUG_STATUS = "connected";

/** One interface of a domain. */
export class DomainVif {
  readonly name: string;
  readonly #made: MadeVifBackend;
  readonly #paths: DevicePaths;
  readonly #station: VifStation;
  readonly #port: Port;
  /** What tells those who record that the interface is gone. */
  readonly #recorders = new Set<() => void>();
  readonly #forwards: { readonly asked: PortForward; readonly open: OpenForward }[] = [];
  readonly #removal = new Removal();
  #device: XenbusDevice | null = null;
  #config: FullVif;
  #fromGuest: LineImpairment = {};
  #toGuest: LineImpairment = {};
  /** Of what guests pass each other without us, while somebody wants this line to be otherwise. */
  #endRestraint: (() => void) | null = null;

  private constructor(
    private readonly parts: VifParts,
    private readonly domid: number,
    private readonly network: Network,
    config: FullVif,
    vcpus: number,
  ) {
    const { devid, mac, vlan, ip } = config;
    this.#config = config;
    this.name = config.vifname ?? `vif${domid}.${devid}`;
    this.#station = new VifStation(this.name);
    const options = { mac, checkMac: ip !== undefined, ...(vlan === undefined ? {} : { vlan }) };
    this.#port = network.plug(this.#station, ip === undefined ? options : { ...options, ip: [ip] }, { domid, devid });
    this.#station.port = this.#port;
    this.#made = makeVifBackend({
      name: this.name,
      config,
      vcpus,
      timer: parts.timer,
      plug: (driver) => this.#station.connect(driver),
      bypasses: () => (ip === undefined ? network.bypasses(vlan ?? 0) : network.noBypasses()),
    });
    const kind = config.type ?? "vif";
    this.#paths = {
      frontend: `${homeOf(domid)}/device/${kind}/${devid}`,
      backend: `/local/domain/0/backend/${kind}/${domid}/${devid}`,
    };
  }

  /** Plugs the interface in and opens its forwards. `taken`: numbers of the domain's others. */
  static async open(
    parts: VifParts,
    domid: number,
    plan: VifPlan,
    taken: ReadonlySet<number>,
    vcpus: number,
  ): Promise<VifResult<DomainVif>> {
    const config = completeVif(plan.config, taken, parts.random);
    if (config === null) return err("bad-state", `domain ${domid} has no number left for an interface`);
    const network = parts.networks.hold(networkOf(config));
    const owner = network.nat === null ? null : network.portOf(config.mac);
    if (owner !== null) {
      network.release();
      return err(
        "bad-config",
        `vif: mac ${config.mac} is ${owner}'s: interfaces of ${network.name} are told apart by it`,
      );
    }
    const vif = new DomainVif(parts, domid, network, config, vcpus);
    if (plan.line !== undefined) vif.#setLine(plan.line);
    vif.#applyLine();
    const opened = await vif.#openWays();
    if (opened.ok) return ok(vif);
    await vif.close();
    return opened;
  }

  get devid(): number {
    return this.#config.devid;
  }

  /** As it is now, for a successor. */
  get plan(): VifPlan {
    const line = { isUp: this.#station.isUp, fromGuest: this.#fromGuest, toGuest: this.#toGuest };
    return { config: this.#config, line };
  }

  /** Shows the interface to the guest. */
  start(): void {
    const { parts, domid, name } = this;
    const { trusted, ip, type } = this.#config;
    const io = backendIo(parts, domid, name, this.#paths, () => this.#device!);
    this.#device = new XenbusDevice(parts.store, this.#paths, io, this.#made.backend, this.#removal.done);
    const { keys } = this.#made;
    this.#device.start({
      frontend: { ...keys.frontend, ...(trusted === false ? { trusted: "0" } : {}) },
      backend: {
        ...keys.backend,
        bridge: this.network.name,
        vifname: name,
        type: type ?? "vif",
        "hotplug-status": HOTPLUG_STATUS,
        ...(ip === undefined ? {} : { ip }),
        ...rateKey(this.#config),
      },
    });
  }

  /** Asks the guest to let go; true when it has within the time that there is. */
  release(): Promise<boolean> {
    this.#device?.remove();
    return this.#removal.inTime();
  }

  /** Ends all work, whatever the guest thinks, and takes the interface out of its network. */
  async close(): Promise<void> {
    this.#device?.close();
    await this.#made.backend.pause();
    for (const { open } of this.#forwards.splice(0)) open.close();
    this.#endRestraint?.();
    for (const gone of [...this.#recorders]) gone();
    this.network.unplug(this.#port);
    this.network.nat?.forget(this.#config.mac);
    this.network.release();
  }

  /** Removes the keys of an interface whose guest was not asked. */
  removeKeys(): void {
    this.parts.store.remove(this.#paths.backend);
    this.parts.store.remove(this.#paths.frontend);
  }

  change({ linkUp, rateBytesPerSecond, rateWindowUs, fromGuest, toGuest }: VifChange): void {
    this.#config = withRate(this.#config, rateBytesPerSecond, rateWindowUs);
    this.#setLine({
      isUp: linkUp ?? this.#station.isUp,
      fromGuest: fromGuest ?? this.#fromGuest,
      toGuest: toGuest ?? this.#toGuest,
    });
    this.#applyLine();
  }

  /** Records what the guest sends and gets; `gone` is called when the interface goes away before the recording ends. */
  tap(listener: CaptureListener, options: CaptureOptions, gone: () => void): Capture {
    const endRestraint = this.network.restrain();
    const ended = (): void => {
      this.#recorders.delete(gone);
      endRestraint();
    };
    this.#recorders.add(gone);
    return this.#port.tap(listener, { ...options, epochMs: this.parts.epochMs, ended });
  }

  info(): VifInfo {
    const { mac, devid, forwards: _, ...config } = this.#config;
    const forwards = this.#forwards.map(({ asked, open }) => ({ ...asked, hostPort: open.port }));
    const counters = this.#made.backend.stats();
    return {
      config: {
        ...config,
        devid,
        mac,
        ...(this.#config.forwards === undefined ? {} : { forwards: this.#config.forwards }),
      },
      devid,
      mac,
      name: this.name,
      network: this.network.name,
      state: this.#device?.state.own ?? 0,
      linkUp: this.#station.isUp,
      queues: queuesOf(counters),
      counters: { ...wholeOf(counters), ...atPort(portCounters(this.#port)) },
      fromGuest: this.#fromGuest,
      toGuest: this.#toGuest,
      addresses: this.network.nat?.addressesOf(mac) ?? [],
      forwards,
      backendPath: this.#paths.backend,
    };
  }

  async #openWays(): Promise<VifResult> {
    const { ip, mac, forwards = [] } = this.#config;
    const { nat } = this.network;
    if (nat === null) return ok(undefined);
    const wrong = ip === undefined ? null : nat.reserve(mac, ip);
    if (wrong !== null) return err("bad-config", `${this.name}: ip: ${wrong}`);
    for (const asked of forwards) {
      try {
        this.#forwards.push({ asked, open: await nat.forward(mac, asked) });
      } catch (error) {
        const message = (error as Error).message;
        return err("bad-state", `${this.name}: hostfwd: ${message}`);
      }
    }
    return ok(undefined);
  }

  #setLine({ isUp, fromGuest, toGuest }: Line): void {
    this.#station.setUp(isUp);
    this.#fromGuest = fromGuest;
    this.#toGuest = toGuest;
  }

  #applyLine(): void {
    const { rateBytesPerSecond: rate = null, rateWindowUs, ip } = this.#config;
    this.#made.limit?.(rate, rateWindowUs);
    const onLine = this.#made.limit === null ? rate : null;
    const fromGuest = perfectIsNull(slower(this.#fromGuest, onLine));
    const toGuest = perfectIsNull(this.#toGuest);
    this.#port.impair({ in: fromGuest, out: toGuest });
    const isPlain = this.#station.isUp && rate === null && ip === undefined && fromGuest === null && toGuest === null;
    if (isPlain) {
      this.#endRestraint?.();
      this.#endRestraint = null;
    } else this.#endRestraint ??= this.network.restrain();
  }
}

/** The configuration with another rate, and none when that is 0; what is undefined stays. */
function withRate(config: FullVif, rate?: number, windowUs?: number): FullVif {
  const { rateBytesPerSecond: _, rateWindowUs: __, ...rest } = config;
  if (rate === 0) return rest;
  return {
    ...config,
    ...(rate === undefined ? {} : { rateBytesPerSecond: rate }),
    ...(windowUs === undefined ? {} : { rateWindowUs: windowUs }),
  };
}

/** The line with a limit to its rate. */
function slower(line: LineImpairment, rate: number | null): LineImpairment {
  const { rateBytesPerSecond = Number.POSITIVE_INFINITY } = line;
  return rate === null || rate >= rateBytesPerSecond ? line : { ...line, rateBytesPerSecond: rate };
}

const perfectIsNull = (line: LineImpairment): LineImpairment | null =>
  Object.values(line).some((value) => value !== undefined && value > 0) ? line : null;

/** [XEN] libxl_nic.c: bytes in a window, and its length in microseconds. */
function rateKey({
  rateBytesPerSecond: rate,
  rateWindowUs = DEFAULT_RATE_WINDOW_US,
}: VifConfig): Record<string, string> {
  return rate === undefined ? {} : { rate: `${Math.max(1, Math.floor((rate * rateWindowUs) / 1e6))},${rateWindowUs}` };
}

const QUEUE_COUNTER = /^queue(\d+)\.(.+)$/;

/** The counters of each queue, which the back end names "queue0.rxFrames". */
function queuesOf(counters: Readonly<Record<string, number>>): Record<string, number>[] {
  const queues: Record<string, number>[] = [];
  for (const [name, count] of Object.entries(counters)) {
    const match = QUEUE_COUNTER.exec(name);
    if (match === null) continue;
    queues[Number(match[1])] ??= {};
    queues[Number(match[1])]![match[2]!] = count;
  }
  return queues;
}

/** The same words as the back end's, of the switch's port. */
const atPort = (counters: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counters).map(([name, count]) => [`port.${name}`, count]));

const wholeOf = (counters: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counters).filter(([name]) => !QUEUE_COUNTER.test(name)));
