/**
 * A simulated HostApi: several domains with boot logs, CPU use and xenstore keys, all in the page's own thread. Used
 * by the page's tests and, in development builds, by ?fake=1; production builds leave it out. It keeps Domain0's
 * rules that the page depends on: unique names, states, codes of errors, and a new domid after a reboot.
 */
import type {
  CaptureStats,
  CaptureTarget,
  ConsoleKind,
  ConsoleSession,
  CreateOptions,
  DiskConfig,
  DiskInfo,
  DomainConfig,
  DomainInfo,
  DomainState,
  DomId,
  HostApi,
  HostErrorShape,
  HostEvent,
  HostInfo,
  ImageApi,
  ImageJobCall,
  JoinOptions,
  LinkId,
  NetworkInfo,
  RegionExitInfo,
  RegionInfo,
  ServedNetwork,
  ShutdownReason,
  TellProgress,
  VifChange,
  VifConfig,
  VifInfo,
} from "../../control-plane/api/index.js";
import { FakeDisks } from "./fake-disks.js";
import { FakeGuest, type GuestExit } from "./fake-guest.js";
import { FakeNetworks } from "./fake-networks.js";
import { FakeXenstore } from "./fake-xenstore.js";

const TOTAL_KIB = 4 * 1024 * 1024;
const STEP_MS = 60;
const LINES_PER_STEP = 2;

class FakeError extends Error implements HostErrorShape {
  constructor(
    readonly code: HostErrorShape["code"],
    message: string,
  ) {
    super(message);
  }
}

interface FakeDomain {
  readonly domid: DomId;
  config: DomainConfig;
  name: string;
  state: DomainState;
  reason?: ShutdownReason;
  memoryMiB: number;
  populatedKiB: number;
  cpuSeconds: number;
  readonly startedMs: number;
  readonly guest: FakeGuest;
}

export interface FakeHostOptions {
  /** Real time per step; tests pass 0 to boot at once. */
  readonly stepMs?: number;
  readonly singleThread?: boolean;
}

export class FakeHost implements HostApi {
  private readonly domains = new Map<DomId, FakeDomain>();
  private readonly listeners = new Set<(event: HostEvent) => void>();
  private readonly store = new FakeXenstore();
  private readonly disksOf = new FakeDisks();
  private readonly networksOf = new FakeNetworks();
  private readonly timer: ReturnType<typeof setInterval>;
  private log = "(XEN) Xenolith simulated host\n(XEN) 2 pCPUs, 4194304 KiB of frames\n";
  private nextDomid = 1;

  constructor(private readonly options: FakeHostOptions = {}) {
    this.timer = setInterval(() => this.step(), options.stepMs ?? STEP_MS);
    this.store.write("/local/domain/0/name", "Domain-0");
    this.store.write("/local/domain/0/domid", "0");
    this.store.write("/tool/xenstored/quota", "1000");
  }

  async info(): Promise<HostInfo> {
    const usedKiB = [...this.domains.values()].reduce((sum, domain) => sum + domain.populatedKiB, 32 * 1024);
    return {
      version: "0.1.0",
      xenVersion: "4.0.0",
      pcpus: this.options.singleThread ? 1 : 2,
      singleThread: this.options.singleThread ?? false,
      totalKiB: TOTAL_KIB,
      freeKiB: TOTAL_KIB - usedKiB,
      usedKiB,
      wasmMemoryBytes: usedKiB * 1024,
      domains: this.domains.size,
      capabilities: ["xen-3.0-x86_64", "hvm-3.0-x86_64"],
      deterministic: false,
      timesliceMs: 30,
      cpuSource: "wall",
    };
  }

  async dmesg(clear = false): Promise<string> {
    const text = this.log;
    if (clear) this.log = "";
    return text;
  }

  async regions(): Promise<RegionInfo[]> {
    return [];
  }

  async regionExits(): Promise<RegionExitInfo[]> {
    return [];
  }

  async regionText(id: number): Promise<string> {
    throw new FakeError("not-found", `There is no region ${id}.`);
  }

  async list(): Promise<DomainInfo[]> {
    return [...this.domains.values()].map(describe);
  }

  async domain(domid: DomId): Promise<DomainInfo> {
    return describe(this.find(domid));
  }

  async resolve(nameOrId: string): Promise<DomId> {
    for (const domain of this.domains.values()) {
      if (domain.name === nameOrId || String(domain.domid) === nameOrId) return domain.domid;
    }
    throw new FakeError("no-such-domain", `There is no domain ${nameOrId}.`);
  }

  async create(config: DomainConfig, options: CreateOptions = {}): Promise<DomId> {
    if (config.kernel.length < 4) throw new FakeError("bad-kernel", "The kernel is neither a bzImage nor an ELF.");
    const names = [...this.domains.values()].map((domain) => domain.name);
    if (names.includes(config.name)) throw new FakeError("name-taken", `A domain ${config.name} exists.`);
    const domid = this.start(config, options.paused ?? false);
    for (const disk of config.disks ?? []) await this.attachDisk(domid, disk);
    for (const vif of config.vifs ?? []) this.networksOf.attach(domid, vif);
    return domid;
  }

  async disks(domid: DomId): Promise<DiskInfo[]> {
    this.find(domid);
    return this.disksOf.of(domid);
  }

  async attachDisk(domid: DomId, disk: DiskConfig): Promise<void> {
    this.find(domid);
    const wrong = await this.disksOf.attach(domid, disk);
    if (wrong !== null) throw new FakeError("bad-config", wrong);
    this.emit({ kind: "domain-changed", domid });
  }

  async detachDisk(domid: DomId, vdev: string): Promise<void> {
    this.find(domid);
    this.disksOf.detach(domid, vdev);
    this.emit({ kind: "domain-changed", domid });
  }

  async changeMedium(domid: DomId, vdev: string, target: string | null): Promise<void> {
    this.find(domid);
    this.disksOf.changeMedium(domid, vdev, target ?? "");
    this.emit({ kind: "domain-changed", domid });
  }

  async vifs(domid: DomId): Promise<VifInfo[]> {
    this.find(domid);
    return this.networksOf.of(domid);
  }

  async attachVif(domid: DomId, vif: VifConfig): Promise<number> {
    this.find(domid);
    return this.networksOf.attach(domid, vif);
  }

  async detachVif(domid: DomId, devid: number): Promise<void> {
    this.find(domid);
    this.networksOf.detach(domid, devid);
  }

  async setVif(domid: DomId, devid: number, change: VifChange): Promise<void> {
    this.find(domid);
    this.networksOf.change(domid, devid, change);
  }

  async networks(): Promise<NetworkInfo[]> {
    return this.networksOf.networks();
  }

  async joinNetwork(network: string, options: JoinOptions): Promise<LinkId> {
    return this.networksOf.join(network, options);
  }

  async serveNetwork(): Promise<ServedNetwork> {
    throw new FakeError("unsupported", "A page cannot be listened at.");
  }

  async leaveNetwork(id: LinkId): Promise<void> {
    if (!this.networksOf.leave(id)) throw new FakeError("not-found", `There is no link ${id}.`);
  }

  async capture(target: CaptureTarget, onData: (data: Uint8Array) => void): Promise<() => Promise<CaptureStats>> {
    this.networksOf.capture(target, onData);
    return async () => ({ frames: 0, drops: 0, bytes: 0 });
  }

  image<Call extends keyof ImageApi>(call: Call, ...params: Parameters<ImageApi[Call]>): ReturnType<ImageApi[Call]> {
    return this.disksOf.images.image(call, ...params);
  }

  imageJob<Call extends ImageJobCall>(
    call: Call,
    params: Parameters<ImageApi[Call]>,
    onProgress: TellProgress,
  ): ReturnType<ImageApi[Call]> {
    return this.disksOf.images.imageJob(call, params, onProgress);
  }

  private start(config: DomainConfig, paused: boolean): DomId {
    const domid = this.nextDomid++ as DomId;
    const guest = new FakeGuest({ ...config, cmdline: config.cmdline ?? "" }, (how) => this.exited(domid, how));
    this.domains.set(domid, {
      domid,
      config,
      name: config.name,
      state: paused ? "paused" : "running",
      memoryMiB: config.memoryMiB,
      populatedKiB: 24 * 1024,
      cpuSeconds: 0,
      startedMs: Date.now(),
      guest,
    });
    const path = `/local/domain/${domid}`;
    this.store.write(`${path}/name`, config.name);
    this.store.write(`${path}/domid`, String(domid));
    this.store.write(`${path}/memory/target`, String(config.memoryMiB * 1024));
    this.store.write(`${path}/device/console/0/state`, "4");
    this.note(`d${domid} created: ${config.name}, ${config.memoryMiB} MiB, ${config.vcpus} vCPU`);
    this.emit({ kind: "domain-created", domid });
    return domid;
  }

  async pause(domid: DomId): Promise<void> {
    this.setState(domid, ["running", "blocked"], "paused");
  }

  async unpause(domid: DomId): Promise<void> {
    this.setState(domid, ["paused"], "running");
  }

  async shutdown(domid: DomId, reason: "poweroff" | "reboot" | "suspend"): Promise<void> {
    this.find(domid);
    this.store.write(`/local/domain/${domid}/control/shutdown`, reason);
    if (reason !== "suspend") setTimeout(() => this.domains.has(domid) && this.exited(domid, reason), 300);
  }

  waitShutdown(domid: DomId): Promise<{ reason: ShutdownReason }> {
    this.find(domid);
    return new Promise((resolve) => {
      const listener = (event: HostEvent): void => {
        if (event.kind !== "domain-shutdown" || event.domid !== domid) return;
        this.listeners.delete(listener);
        resolve({ reason: event.reason });
      };
      this.listeners.add(listener);
    });
  }

  async destroy(domid: DomId): Promise<void> {
    this.find(domid);
    this.remove(domid);
  }

  async rename(domid: DomId, name: string): Promise<void> {
    this.find(domid).name = name;
    this.store.write(`/local/domain/${domid}/name`, name);
    this.emit({ kind: "domain-changed", domid });
  }

  async setMemory(domid: DomId, memoryMiB: number): Promise<void> {
    this.find(domid).memoryMiB = memoryMiB;
    this.store.write(`/local/domain/${domid}/memory/target`, String(memoryMiB * 1024));
    this.emit({ kind: "domain-changed", domid });
  }

  async setVcpus(domid: DomId, count: number): Promise<void> {
    this.find(domid);
    this.note(`d${domid} vcpus ${count}`);
  }

  async pinVcpu(domid: DomId): Promise<void> {
    this.find(domid);
  }

  async setScheduling(domid: DomId): Promise<void> {
    this.find(domid);
  }

  async trigger(domid: DomId, what: "nmi" | "reset" | "init" | "sysrq", argument = ""): Promise<void> {
    this.note(`d${domid} ${what} ${argument}`.trimEnd());
    this.find(domid).guest.pv.print(
      `\r\n${what === "sysrq" ? `sysrq: ${argument}` : `Uhhuh. ${what} received`}\r\n~ # `,
    );
  }

  async dumpCore(domid: DomId, onChunk: (chunk: Uint8Array) => void | Promise<void>): Promise<void> {
    this.find(domid);
    await onChunk(new TextEncoder().encode("\x7fELF simulated core"));
  }

  async attachConsole(domid: DomId, kind: ConsoleKind, onData: (data: Uint8Array) => void): Promise<ConsoleSession> {
    const domain = this.find(domid);
    const detach = domain.guest[kind].attach(onData);
    return {
      write: (data) => {
        if (kind === "pv" && domain.state === "running") domain.guest.type(data);
      },
      resize: (columns, rows) => domain.guest.resize(columns, rows),
      detach,
    };
  }

  async consoleScrollback(domid: DomId, kind: ConsoleKind): Promise<Uint8Array> {
    return this.find(domid).guest[kind].read();
  }

  async xenstoreRead(path: string): Promise<string | null> {
    return this.store.read(path);
  }

  async xenstoreList(path: string): Promise<string[]> {
    return this.store.list(path);
  }

  async xenstoreWrite(path: string, value: string): Promise<void> {
    this.store.write(path, value);
  }

  async xenstoreRemove(path: string): Promise<void> {
    this.store.remove(path);
  }

  async xenstoreWatch(path: string, onChange: (path: string) => void): Promise<() => void> {
    return this.store.watch(path, onChange);
  }

  async subscribe(listener: (event: HostEvent) => void): Promise<() => void> {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.listeners.clear();
  }

  private step(): void {
    for (const domain of this.domains.values()) {
      if (domain.state !== "running") continue;
      const busy = domain.guest.busy;
      domain.guest.step(LINES_PER_STEP);
      domain.cpuSeconds += (STEP_MS / 1000) * (busy ? 0.95 : 0.015);
      if (busy) domain.populatedKiB = Math.min(domain.memoryMiB * 1024, domain.populatedKiB + 2300);
    }
  }

  private exited(domid: DomId, how: GuestExit): void {
    const domain = this.find(domid);
    this.emit({ kind: "domain-shutdown", domid, reason: how });
    if (how === "crash") {
      domain.state = "crashed";
      domain.reason = "crash";
      this.note(`d${domid} crashed`);
      return;
    }
    this.remove(domid);
    if (how === "reboot") this.start({ ...domain.config, name: domain.name }, false);
  }

  private remove(domid: DomId): void {
    this.domains.delete(domid);
    this.disksOf.forget(domid);
    this.networksOf.detach(domid);
    this.store.remove(`/local/domain/${domid}`);
    this.note(`d${domid} destroyed`);
    this.emit({ kind: "domain-destroyed", domid });
  }

  private setState(domid: DomId, from: readonly DomainState[], to: DomainState): void {
    const domain = this.find(domid);
    if (!from.includes(domain.state)) throw new FakeError("bad-state", `The domain is ${domain.state}.`);
    domain.state = to;
    this.emit({ kind: "domain-changed", domid });
  }

  private find(domid: DomId): FakeDomain {
    const domain = this.domains.get(domid);
    if (!domain) throw new FakeError("no-such-domain", `There is no domain ${domid}.`);
    return domain;
  }

  private note(text: string): void {
    this.log += `(XEN) ${text}\n`;
  }

  private emit(event: HostEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
}

function describe(domain: FakeDomain): DomainInfo {
  const vcpus = Array.from({ length: domain.config.vcpus }, (_, id) => ({
    id,
    online: true,
    state: domain.state === "running" ? ("running" as const) : ("blocked" as const),
    pcpu: id % 2,
    hardAffinity: [0, 1],
    softAffinity: [0, 1],
    cpuSeconds: domain.cpuSeconds / domain.config.vcpus,
    instructions: Math.round(domain.cpuSeconds * 5e7),
  }));
  return {
    domid: domain.domid,
    name: domain.name,
    uuid: `00000000-0000-4000-8000-${String(domain.domid).padStart(12, "0")}`,
    state: domain.state === "running" && !domain.guest.busy ? "blocked" : domain.state,
    ...(domain.reason ? { shutdownReason: domain.reason } : {}),
    memoryKiB: domain.memoryMiB * 1024,
    maxMemoryKiB: domain.memoryMiB * 1024,
    populatedKiB: domain.populatedKiB,
    vcpus,
    weight: 256,
    cap: 0,
    cpuSeconds: domain.cpuSeconds,
    uptimeSeconds: (Date.now() - domain.startedMs) / 1000,
    instructions: Math.round(domain.cpuSeconds * 5e7),
  };
}
