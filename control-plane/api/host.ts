/**
 * Domain0's public face over the toolstack: HostApi for whoever shares its thread, and through `serve.ts` for everybody
 * else. Turns failures that the toolstack returns as values into the errors that callers catch.
 */

import { ShutdownReason as CoreReason, VcpuTrigger } from "../../wasm-core/abi/structs/domain.js";
import { CpuSource } from "../../wasm-core/abi/structs/machine.js";
import { XEN_VERSION } from "../../wasm-core/abi/structs/xen.js";
import { type CoreLink, machineView, PAGE_BYTES, pcpuView } from "../core-link/index.js";
import {
  attachDisk,
  attachVif,
  changeMedium,
  describeDomain,
  detachDisk,
  detachVif,
  dumpCore,
  joinNetwork,
  leaveNetwork,
  quiesce,
  requestShutdown,
  serveNetwork,
  setAffinity,
  setScheduling,
  setVif,
  startCapture,
  type Toolstack,
  writeMemoryTarget,
  writeSysrq,
  writeVcpus,
} from "../domain/index.js";
import type { ImageApi, ImageJobCall, ImageLibrary } from "../storage/index.js";
import { type Clock, type LogRing, type Result, tell, textOfByteString, utf8ByteString } from "../util/index.js";
import { HostError } from "./errors.js";
import { HostImages } from "./host-images.js";
import type {
  CaptureOptions,
  CaptureStats,
  CaptureTarget,
  ConsoleKind,
  ConsoleSession,
  CreateOptions,
  DiskConfig,
  DiskFormat,
  DiskInfo,
  DomainConfig,
  DomainInfo,
  DomId,
  HostApi,
  HostErrorShape,
  HostEvent,
  HostInfo,
  JoinOptions,
  LinkId,
  NetworkInfo,
  PinChange,
  RegionExitInfo,
  RegionInfo,
  SchedulingChange,
  ServedNetwork,
  ServeOptions,
  ShutdownReason,
  TellProgress,
  VifChange,
  VifConfig,
  VifInfo,
} from "./types.js";
import { VERSION } from "./version.js";

const CAPABILITIES = ["hvm-3.0-x86_32", "hvm-3.0-x86_32p", "hvm-3.0-x86_64"];
const THREAD = Number(CpuSource.values.THREAD);
/** How long the end of a domain waits for readers to take its last output, ms. */
const DRAIN_MS = 2000;

/** Who knows the regions. */
export interface RegionSource {
  list(): Promise<RegionInfo[]>;
  exits(clear: boolean): Promise<RegionExitInfo[]>;
  /** Undefined when there is no such region. */
  describe(id: number, wasm: boolean): Promise<string | undefined>;
}

export interface HostParts {
  readonly core: CoreLink;
  readonly toolstack: Toolstack;
  readonly log: LogRing;
  readonly clock: Clock;
  readonly pcpus: number;
  /** The region compiler, when there is one. */
  readonly regions?: RegionSource;
  /** Where images are, when the host has a place for them. */
  readonly images?: ImageLibrary;
  /** Ends the machine. */
  close(): Promise<void>;
}

export class Host implements HostApi {
  readonly #images: HostImages;

  constructor(private readonly parts: HostParts) {
    this.#images = new HostImages(parts.images);
    parts.images?.quiesceBy((disk, seconds, work) => quiesce(parts.toolstack, disk, seconds, work));
  }

  async info(): Promise<HostInfo> {
    const { core, toolstack, pcpus } = this.parts;
    const kib = (frames: number) => frames * (PAGE_BYTES / 1024);
    const total = core.calls.machineTotalFrames() >>> 0;
    const free = core.calls.machineFreeFrames() >>> 0;
    return {
      version: VERSION,
      xenVersion: `${XEN_VERSION >> 16}.${XEN_VERSION & 0xffff}`,
      pcpus,
      singleThread: !core.memory.isShared,
      totalKiB: kib(total),
      freeKiB: kib(free),
      usedKiB: kib(total - free),
      wasmMemoryBytes: core.memory.byteLength,
      domains: toolstack.registry.size,
      capabilities: CAPABILITIES,
      deterministic: toolstack.deterministic,
      timesliceMs: machineView(core).get("timeslice") / 1e6,
      cpuSource: pcpuView(core, 0).get("cpuSource") === THREAD ? "thread" : "wall",
    };
  }

  async dmesg(clear = false): Promise<string> {
    const text = this.parts.log.text();
    if (clear) this.parts.log.clear();
    return text;
  }

  async regions(): Promise<RegionInfo[]> {
    return (await this.parts.regions?.list()) ?? [];
  }

  async regionExits(clear = false): Promise<RegionExitInfo[]> {
    return (await this.parts.regions?.exits(clear)) ?? [];
  }

  async regionText(id: number, wasm = false): Promise<string> {
    const text = await this.parts.regions?.describe(id, wasm);
    if (text === undefined) throw new HostError("not-found", `there is no region ${id}; "xl jit" lists them`);
    return text;
  }

  async list(): Promise<DomainInfo[]> {
    const now = this.parts.clock.now();
    return [...this.parts.toolstack.registry.all()].map((record) => describeDomain(this.parts.core, record, now));
  }

  async domain(domid: DomId): Promise<DomainInfo> {
    return describeDomain(this.parts.core, this.#record(domid), this.parts.clock.now());
  }

  async resolve(nameOrId: string): Promise<DomId> {
    const { registry } = this.parts.toolstack;
    const record = /^\d+$/.test(nameOrId) ? registry.get(Number(nameOrId)) : registry.byName(nameOrId);
    if (!record) throw new HostError("no-such-domain", `there is no domain "${nameOrId}"`);
    return record.domid;
  }

  async create(config: DomainConfig, options: CreateOptions = {}): Promise<DomId> {
    return expect(await this.parts.toolstack.create(config, options.paused ?? false));
  }

  async pause(domid: DomId): Promise<void> {
    expect(await this.parts.toolstack.pause(domid));
  }

  async unpause(domid: DomId): Promise<void> {
    expect(await this.parts.toolstack.unpause(domid));
  }

  async shutdown(domid: DomId, reason: "poweroff" | "reboot" | "suspend"): Promise<void> {
    const record = this.#record(domid);
    if (record.outcome) throw new HostError("bad-state", `domain ${domid} has shut down already`);
    requestShutdown(this.parts.toolstack.store.local, domid, reason);
  }

  async waitShutdown(domid: DomId): Promise<{ reason: ShutdownReason; exitStatus?: number }> {
    const consoles = this.parts.toolstack.registry.get(domid)?.consoles;
    const outcome = expect(await this.parts.toolstack.waitShutdown(domid));
    if (consoles) await within(DRAIN_MS, Promise.all([consoles.pv.drained(), consoles.serial.drained()]));
    return outcome;
  }

  async destroy(domid: DomId): Promise<void> {
    expect(await this.parts.toolstack.destroy(domid));
  }

  async rename(domid: DomId, name: string): Promise<void> {
    expect(await this.parts.toolstack.rename(domid, name));
  }

  async setMemory(domid: DomId, memoryMiB: number): Promise<void> {
    const record = this.#record(domid);
    const bytes = memoryMiB * 1024 * 1024;
    if (!Number.isInteger(memoryMiB) || memoryMiB < 1 || bytes > record.config.maxMemoryBytes) {
      const most = record.config.maxMemoryBytes / 1024 / 1024;
      throw new HostError("bad-config", `memory: ${memoryMiB} is not a whole number of MiB from 1 to ${most} (maxmem)`);
    }
    record.targetBytes = bytes;
    writeMemoryTarget(this.parts.toolstack.store.local, domid, bytes);
    this.parts.toolstack.notifyChanged(domid);
  }

  async setVcpus(domid: DomId, count: number): Promise<void> {
    const { maxVcpus } = this.#record(domid).config;
    if (!Number.isInteger(count) || count < 1 || count > maxVcpus) {
      throw new HostError("bad-config", `vcpus: ${count} is not a whole number from 1 to ${maxVcpus} (maxvcpus)`);
    }
    writeVcpus(this.parts.toolstack.store.local, domid, count, maxVcpus);
    this.parts.toolstack.notifyChanged(domid);
  }

  async pinVcpu(domid: DomId, vcpu: number | null, change: PinChange): Promise<void> {
    const { core, toolstack } = this.parts;
    const record = this.#record(domid);
    const vcpus = vcpu === null ? Array.from({ length: record.config.maxVcpus }, (_, id) => id) : [vcpu];
    for (const id of vcpus) {
      for (const kind of ["hard", "soft"] as const) {
        const set = change[kind];
        if (set !== undefined) expect(setAffinity(core, record, id, kind, set));
      }
    }
    toolstack.notifyChanged(domid);
  }

  async setScheduling(domid: DomId, change: SchedulingChange): Promise<void> {
    expect(setScheduling(this.parts.core, this.#record(domid), change));
    this.parts.toolstack.notifyChanged(domid);
  }

  async disks(domid: DomId): Promise<DiskInfo[]> {
    const disks = [...this.#record(domid).disks.values()].map((disk) => disk.info());
    return disks.sort((a, b) => a.id - b.id);
  }

  async attachDisk(domid: DomId, disk: DiskConfig): Promise<void> {
    expect(await attachDisk(this.parts.toolstack, domid, disk));
  }

  async detachDisk(domid: DomId, vdev: string, force = false): Promise<void> {
    expect(await detachDisk(this.parts.toolstack, domid, vdev, force));
  }

  async changeMedium(domid: DomId, vdev: string, target: string | null, format?: DiskFormat): Promise<void> {
    expect(await changeMedium(this.parts.toolstack, domid, vdev, target, format));
  }

  async vifs(domid: DomId): Promise<VifInfo[]> {
    const vifs = [...this.#record(domid).vifs.values()].map((vif) => vif.info());
    return vifs.sort((a, b) => a.devid - b.devid);
  }

  async attachVif(domid: DomId, vif: VifConfig): Promise<number> {
    return expect(await attachVif(this.parts.toolstack, domid, vif));
  }

  async detachVif(domid: DomId, devid: number, force = false): Promise<void> {
    expect(await detachVif(this.parts.toolstack, domid, devid, force));
  }

  async setVif(domid: DomId, devid: number, change: VifChange): Promise<void> {
    expect(await setVif(this.parts.toolstack, domid, devid, change));
  }

  async networks(): Promise<NetworkInfo[]> {
    return this.parts.toolstack.context.vifs.networks.list();
  }

  async joinNetwork(network: string, options: JoinOptions): Promise<LinkId> {
    return expect(joinNetwork(this.parts.toolstack, network, options));
  }

  async serveNetwork(network: string, options: ServeOptions): Promise<ServedNetwork> {
    return expect(await serveNetwork(this.parts.toolstack, network, options));
  }

  async leaveNetwork(id: LinkId): Promise<void> {
    expect(await leaveNetwork(this.parts.toolstack, id));
  }

  async capture(
    target: CaptureTarget,
    onData: (data: Uint8Array) => void | Promise<void>,
    options: CaptureOptions = {},
  ): Promise<() => Promise<CaptureStats>> {
    return expect(startCapture(this.parts.toolstack, target, onData, options));
  }

  image<Call extends keyof ImageApi>(call: Call, ...params: Parameters<ImageApi[Call]>): ReturnType<ImageApi[Call]> {
    return this.#images.image(call, ...params);
  }

  imageJob<Call extends ImageJobCall>(
    call: Call,
    params: Parameters<ImageApi[Call]>,
    onProgress: TellProgress,
  ): ReturnType<ImageApi[Call]> {
    return this.#images.imageJob(call, params, onProgress);
  }

  async trigger(domid: DomId, what: "nmi" | "reset" | "init" | "sysrq", argument = ""): Promise<void> {
    this.#record(domid);
    const { core, toolstack } = this.parts;
    switch (what) {
      case "nmi":
        core.calls.vcpuTrigger(domid, vcpuNumber(argument), Number(VcpuTrigger.values.NMI));
        return;
      case "init":
        core.calls.vcpuTrigger(domid, vcpuNumber(argument), Number(VcpuTrigger.values.INIT));
        return;
      case "reset":
        core.calls.domainShutdown(domid, Number(CoreReason.values.REBOOT));
        return;
      case "sysrq":
        if (!/^[0-9a-z]$/i.test(argument)) throw new HostError("bad-config", "sysrq: one letter or digit is expected");
        writeSysrq(toolstack.store.local, domid, argument);
        return;
    }
  }

  async dumpCore(domid: DomId, onChunk: (chunk: Uint8Array) => void | Promise<void>): Promise<void> {
    const { core, toolstack } = this.parts;
    expect(
      await toolstack.whilePaused(domid, async () => {
        for (const chunk of dumpCore(core, domid)) await onChunk(chunk);
      }),
    );
  }

  async attachConsole(domid: DomId, kind: ConsoleKind, onData: (data: Uint8Array) => void): Promise<ConsoleSession> {
    const stream = this.#record(domid).consoles[kind];
    const detach = stream.attach(onData);
    return {
      write: (data) => stream.input(data),
      // Neither the PV console nor a UART can tell the guest; programs inside ask the terminal itself.
      resize: () => {},
      detach,
    };
  }

  async consoleScrollback(domid: DomId, kind: ConsoleKind): Promise<Uint8Array> {
    return this.#record(domid).consoles[kind].scrollback();
  }

  async xenstoreRead(path: string): Promise<string | null> {
    const value = this.parts.toolstack.store.local.read(path);
    return value === null ? null : textOfByteString(value);
  }

  async xenstoreList(path: string): Promise<string[]> {
    return this.parts.toolstack.store.local.list(path);
  }

  async xenstoreWrite(path: string, value: string): Promise<void> {
    const written = this.parts.toolstack.store.local.write(path, utf8ByteString(value));
    if (!written) throw new HostError("bad-config", `"${path}" is not a xenstore path`);
  }

  async xenstoreRemove(path: string): Promise<void> {
    const removed = this.parts.toolstack.store.local.remove(path);
    if (!removed) throw new HostError("not-found", `xenstore has no "${path}" that could be removed`);
  }

  async xenstoreWatch(path: string, onChange: (path: string) => void): Promise<() => void> {
    let end: (() => void) | null = null;
    let isGone = false;
    const gone = () => {
      isGone = true;
      end?.();
    };
    end = this.parts.toolstack.store.local.watch(path, (changed) => tell(onChange, changed, gone));
    // The first word comes before there is anything to end.
    if (isGone) end();
    return end;
  }

  async subscribe(listener: (event: HostEvent) => void): Promise<() => void> {
    return this.parts.toolstack.subscribe(listener);
  }

  async close(): Promise<void> {
    await this.parts.toolstack.closeDevices();
    await this.parts.close();
  }

  #record(domid: DomId) {
    return expect(this.parts.toolstack.find(domid));
  }
}

function expect<T>(result: Result<T, HostErrorShape["code"]>): T {
  if (result.ok) return result.value;
  const { code, message, next } = result.error;
  throw new HostError(code, message, next);
}

function vcpuNumber(argument: string): number {
  return /^\d{1,3}$/.test(argument) ? Number(argument) : 0;
}

function within(ms: number, work: Promise<unknown>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
