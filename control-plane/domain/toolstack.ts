/**
 * The toolstack: carries out what people ask of domains, and what their configuration says is to happen when they stop.
 * Every change of a domain goes through its queue as a plan of atoms. Failures are values; nothing a guest does throws.
 */
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import type { DomainConfig, DomId, HostEvent, LifecycleAction } from "../api/types.js";
import { ConsoleStream } from "../backends/console/index.js";
import { type CoreLink, machineView } from "../core-link/index.js";
import { EventChannels } from "../evtchn/index.js";
import { nowhere, type Outside } from "../net/index.js";
import { type Clock, err, type LogRing, ok, type Random, type Result, randomUuid, tell } from "../util/index.js";
import { XenstoreServer } from "../xenstore/index.js";
import type { AtomContext } from "./atoms.js";
import type { BuildError } from "./builder.js";
import { type CheckedConfig, checkConfig, checkName } from "./config.js";
import type { DiskError, OpenDisk } from "./disks.js";
import { HypervisorLog } from "./hypervisor-log.js";
import type { LinkHost } from "./links.js";
import { natNetwork } from "./nat.js";
import { Networks } from "./networks.js";
import { planAftermath, planRequest } from "./plan.js";
import { type Consoles, DomainRecord, type Outcome } from "./record.js";
import { DomainRegistry } from "./registry.js";
import { DomainQueues, runAll, runPlan } from "./run.js";
import { servicePass } from "./service.js";
import { writeDomain0Tree, writeName } from "./xenstore-tree.js";

export type ToolstackError = BuildError | DiskError | "no-such-domain" | "name-taken" | "bad-state" | "denied";
export type ToolstackResult<T> = Result<T, ToolstackError>;

export interface ToolstackParts {
  readonly core: CoreLink;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogRing;
  readonly coreSink: AtomContext["coreSink"];
  /** How guests' images are opened; absent on a host that has no place for images. */
  readonly openDisk?: OpenDisk;
  /** What of the world outside guests may reach; absent, nothing. */
  readonly network?: NetworkHost;
  /** Runs `work` after others had their turn. */
  readonly later: (work: () => void) => void;
}

export interface NetworkHost {
  readonly outside: Outside;
  /** Whether guests reach servers of the host's loopback. */
  readonly hostLoopback: boolean;
  /** What the host's clock says when the machine's says 0, milliseconds since 1970. */
  readonly epochMs: number;
  /** Absent: no links to networks elsewhere. */
  readonly links?: LinkHost;
}

const NO_NETWORK_HOST: NetworkHost = {
  outside: nowhere("nothing beyond this machine's guests can be reached from here"),
  hostLoopback: false,
  epochMs: 0,
};

/** Passes in a row before the event loop gets its turn. */
const PASSES_PER_TURN = 16;
/** How often a condition is asked again when the core does not ring for it, milliseconds. */
const RECHECK_MS = 20;

export class Toolstack {
  readonly store = new XenstoreServer();
  readonly registry = new DomainRegistry();
  readonly channels: EventChannels;
  readonly #context: AtomContext;
  readonly #queues = new DomainQueues();
  readonly #listeners = new Set<(event: HostEvent) => void>();
  readonly #conditions = new Set<() => void>();
  readonly #hypervisorLog: HypervisorLog;
  #serviceDue = false;

  constructor(private readonly parts: ToolstackParts) {
    const { core, log, coreSink } = parts;
    this.channels = new EventChannels(core);
    this.#hypervisorLog = new HypervisorLog(core, log, (domid, bytes) => {
      this.registry.get(domid)?.consoles.serial.output(bytes);
    });
    const serviceSoon = () => this.#serviceSoon();
    const until = (condition: () => boolean) => this.#until(condition);
    const { clock, later, random, openDisk = null, network = NO_NETWORK_HOST } = parts;
    const io = { core, channels: this.channels, store: this.store.local, clock, log, later };
    const disks = { ...io, openDisk };
    const makeUserNetwork = natNetwork({ clock, random, timer, ...network });
    const networks = new Networks({ clock, random, timer, log, makeUserNetwork, ...network });
    const vifs = { ...io, networks, random, timer, epochMs: network.epochMs };
    const { channels, store } = this;
    this.#context = { core, channels, store, log, serviceSoon, until, coreSink, disks, vifs };
    writeDomain0Tree(this.store.local);
  }

  get context(): AtomContext {
    return this.#context;
  }

  /** Looks at everything: to be called when the doorbell rings. */
  service(): void {
    this.#serviceDue = false;
    const machine = machineView(this.parts.core);
    const presented = machine.get("presented");
    const parts = {
      core: this.parts.core,
      channels: this.channels,
      log: this.parts.log,
      hypervisorLog: this.#hypervisorLog,
      records: () => [...this.registry.all()],
      stopped: (record: DomainRecord, outcome: Outcome) => this.#stopped(record, outcome),
    };
    let more = true;
    for (let pass = 0; more && pass < PASSES_PER_TURN; pass++) more = servicePass(parts);
    for (const check of [...this.#conditions]) check();
    if (more) this.#serviceSoon();
    else this.#served(presented);
  }

  /** Lets the pCPU of a deterministic machine go on. */
  #served(presented: number): void {
    const { memory } = this.parts.core;
    const { words, index } = memory.wordAt(MACHINE_BASE + Machine.off.served);
    if (Atomics.exchange(words, index, presented | 0) !== (presented | 0)) Atomics.notify(words, index);
  }

  subscribe(listener: (event: HostEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async create(config: DomainConfig, paused: boolean): Promise<ToolstackResult<DomId>> {
    const checked = checkConfig(config);
    if (!checked.ok) return checked;
    const { name } = checked.value;
    if (this.registry.isTaken(name)) return nameTaken(name);
    const consoles = { pv: new ConsoleStream(), serial: new ConsoleStream() };
    const uuid = checked.value.uuid ?? randomUuid(this.parts.random);
    return this.#build(checked.value, uuid, consoles, paused, null);
  }

  async pause(domid: DomId): Promise<ToolstackResult<void>> {
    return this.withDomain(domid, async (record) => {
      if (record.outcome) return err("bad-state", `domain ${domid} has shut down`);
      await runAll(this.#context, record, planRequest({ kind: "pause" }));
      this.#emit({ kind: "domain-changed", domid });
      return ok(undefined);
    });
  }

  async unpause(domid: DomId): Promise<ToolstackResult<void>> {
    return this.withDomain(domid, async (record) => {
      await runAll(this.#context, record, planRequest({ kind: "unpause" }));
      this.#emit({ kind: "domain-changed", domid });
      return ok(undefined);
    });
  }

  async destroy(domid: DomId): Promise<ToolstackResult<void>> {
    // What is before it in the queue may wait for the disks as well.
    this.registry.get(domid)?.abandonDisks();
    return this.withDomain(domid, async (record) => {
      await this.#takeDown(record, "destroy");
      return ok(undefined);
    });
  }

  async rename(domid: DomId, name: string): Promise<ToolstackResult<void>> {
    const wrong = checkName(name);
    if (wrong !== null) return err("bad-config", wrong);
    return this.withDomain(domid, async (record) => {
      // When it is its turn: somebody else may have got the name meanwhile.
      if (this.registry.isTaken(name, record)) return nameTaken(name);
      record.name = name;
      writeName(this.store.local, record);
      this.#emit({ kind: "domain-changed", domid });
      return ok(undefined);
    });
  }

  /** Runs `work` while the domain is stopped, and lets it go on afterwards. */
  async whilePaused<T>(domid: DomId, work: (record: DomainRecord) => Promise<T>): Promise<ToolstackResult<T>> {
    return this.withDomain(domid, async (record) => {
      const wasPaused = record.userPaused;
      await runAll(this.#context, record, ["pause", "quiesce"]);
      try {
        return ok(await work(record));
      } finally {
        if (!wasPaused) await runAll(this.#context, record, ["unpause"]);
      }
    });
  }

  /** Stops all domains and closes what they have of the host's: the machine is about to end. */
  async closeDevices(): Promise<void> {
    const end = ["pause", "quiesce", "close-vifs", "close-disks"] as const;
    const stopped = [...this.registry.all()].map((record) => {
      record.abandonDisks();
      return this.#queues.enqueue(record.domid, () => runAll(this.#context, record, end));
    });
    await Promise.all(stopped);
    await this.#context.vifs.networks.close();
  }

  async waitShutdown(domid: DomId): Promise<ToolstackResult<Outcome>> {
    const record = this.registry.get(domid);
    if (record) return ok(await record.ended.promise);
    const past = this.registry.outcomeOf(domid);
    return past ? ok(past) : noSuchDomain(domid);
  }

  find(domid: number): ToolstackResult<DomainRecord> {
    const record = this.registry.get(domid);
    return record ? ok(record) : noSuchDomain(domid);
  }

  notifyChanged(domid: DomId): void {
    this.#emit({ kind: "domain-changed", domid });
  }

  /** Runs work on a domain when what was asked of it before is done. */
  withDomain<T>(
    domid: DomId,
    work: (record: DomainRecord) => Promise<ToolstackResult<T>>,
  ): Promise<ToolstackResult<T>> {
    return this.#queues.enqueue(domid, async () => {
      const record = this.registry.get(domid);
      if (!record || record.dying) return noSuchDomain(domid);
      return work(record);
    });
  }

  async #build(
    config: CheckedConfig,
    uuid: string,
    consoles: Consoles,
    paused: boolean,
    restartOf: DomId | null,
  ): Promise<ToolstackResult<DomId>> {
    const domid = this.registry.allocateDomid();
    if (domid === null) return err("internal", "no domain number is free");
    const { clock, log } = this.parts;
    const record = new DomainRecord(domid, config.name, uuid, config, consoles, clock.now(), config.memoryBytes);
    this.registry.add(record);
    return this.#queues.enqueue(domid, async () => {
      const built = await runPlan(this.#context, record, planRequest({ kind: "create", paused }));
      if (!built.ok) {
        await this.#takeDown(record, "destroy", { reason: "crash" });
        return built;
      }
      log.write(`d${domid}: ${config.name} created`);
      this.#emit({ kind: "domain-created", domid, ...(restartOf === null ? {} : { restartOf }) });
      this.#serviceSoon();
      return ok(domid);
    });
  }

  /** Ends a domain whatever state it is in. Runs inside its queue. */
  async #takeDown(
    record: DomainRecord,
    kind: "destroy" | "dump-and-destroy",
    ifRunning: Outcome = { reason: "poweroff" },
  ): Promise<void> {
    record.dying = true;
    await runAll(this.#context, record, planRequest({ kind }));
    const outcome = record.outcome ?? ifRunning;
    this.registry.remove(record, outcome);
    record.ended.resolve(outcome);
    this.#emit({ kind: "domain-destroyed", domid: record.domid });
    this.parts.log.write(`d${record.domid}: ${record.name} destroyed`);
  }

  #stopped(record: DomainRecord, outcome: Outcome): void {
    const { domid } = record;
    this.store.announceRelease();
    this.#emit({ kind: "domain-shutdown", domid, ...outcome });
    const action = actionFor(record.config, outcome);
    void this.#queues.enqueue(domid, async () => {
      // Somebody may have destroyed it meanwhile.
      if (this.registry.get(domid) === record && !record.dying) await this.#aftermath(record, outcome, action);
    });
  }

  async #aftermath(record: DomainRecord, outcome: Outcome, action: LifecycleAction): Promise<void> {
    const aftermath = planAftermath(action);
    const { name } = record;
    const endPromise = aftermath.restart ? this.registry.promise(name) : () => {};
    if (aftermath.rename) {
      record.name = this.#freeName(name);
      writeName(this.store.local, record);
      this.#emit({ kind: "domain-changed", domid: record.domid });
    }
    const { domid } = record;
    // What was attached and detached meanwhile stays so.
    const disks = [...record.disks.values()].map((disk) => disk.config);
    const vifs = [...record.vifs.values()].map((vif) => vif.plan);
    const config = { ...record.config, disks, vifs };
    // The successor is the same machine to its owner; one that stays beside it keeps its own identity.
    const uuid = aftermath.rename ? randomUuid(this.parts.random) : record.uuid;
    try {
      // A successor wants the images and ports, and nobody uses them any more.
      if (outcome.reason !== "suspend") await runAll(this.#context, record, ["close-vifs", "close-disks"]);
      // Not before: who waits for the end may want the images as much as a successor does.
      record.ended.resolve(outcome);
      if (aftermath.request?.kind === "destroy" || aftermath.request?.kind === "dump-and-destroy") {
        await this.#takeDown(record, aftermath.request.kind);
      }
    } finally {
      endPromise();
    }
    if (!aftermath.restart) return;
    const consoles = aftermath.rename ? { pv: new ConsoleStream(), serial: new ConsoleStream() } : record.consoles;
    const started = await this.#build({ ...config, name }, uuid, consoles, false, domid);
    if (!started.ok) this.parts.log.write(`d${domid}: restart failed: ${started.error.message}`);
  }

  #freeName(name: string): string {
    for (let number = 1; ; number++) {
      const candidate = `${name}-${number}`;
      if (!this.registry.isTaken(candidate)) return candidate;
    }
  }

  #serviceSoon(): void {
    if (this.#serviceDue) return;
    this.#serviceDue = true;
    this.parts.later(() => this.service());
  }

  #until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        clearInterval(timer);
        this.#conditions.delete(check);
        resolve();
      };
      const timer = setInterval(check, RECHECK_MS);
      this.#conditions.add(check);
    });
  }

  #emit(event: HostEvent): void {
    for (const listener of [...this.#listeners]) tell(listener, event, () => this.#listeners.delete(listener));
  }

  /** Whether time is a count of instructions. */
  get deterministic(): boolean {
    return machineView(this.parts.core).get("deterministic") !== 0;
  }
}

function timer(ms: number, work: () => void): () => void {
  const id = setTimeout(work, ms);
  return () => clearTimeout(id);
}

const noSuchDomain = (domid: number) => err("no-such-domain" as const, `there is no domain ${domid}`);

function actionFor(config: CheckedConfig, { reason }: Outcome): LifecycleAction {
  switch (reason) {
    case "poweroff":
    case "exit":
      return config.onPoweroff;
    case "reboot":
    case "soft-reset":
      return config.onReboot;
    case "crash":
      return config.onCrash;
    case "watchdog":
      return config.onWatchdog;
    case "suspend":
      return "preserve";
  }
}

const nameTaken = (name: string) => err("name-taken" as const, `a domain named "${name}" exists already`);
