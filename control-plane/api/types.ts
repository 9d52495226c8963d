/**
 * Domain0's public face: the only way the command line, the page and embedding programs reach it. Everything here
 * crosses a worker boundary (comlink), so arguments and results are plain data, and callbacks are proxied by the caller.
 * Names follow xl(1) and xl.cfg(5).
 */

import type { ImageApi, ImageJobCall, Progress } from "../storage/index.js";
import type {
  CaptureOptions,
  CaptureStats,
  CaptureTarget,
  JoinOptions,
  LinkId,
  NetworkInfo,
  ServedNetwork,
  ServeOptions,
  VifChange,
  VifConfig,
  VifInfo,
} from "./network-types.js";

export type * from "./network-types.js";

export type DomId = number & { readonly __brand: "DomId" };

/** Why a domain stopped. [XEN] sched.h SHUTDOWN_*. */
export type ShutdownReason = "poweroff" | "reboot" | "suspend" | "crash" | "watchdog" | "soft-reset" | "exit";

/** What Domain0 does next: xl.cfg on_poweroff, on_reboot, on_crash, on_watchdog. */
export type LifecycleAction =
  | "destroy"
  | "restart"
  | "rename-restart"
  | "preserve"
  | "coredump-destroy"
  | "coredump-restart";

export interface DomainConfig {
  readonly name: string;
  readonly uuid?: string;
  /** Bytes of a bzImage or an ELF with a PVH note. */
  readonly kernel: Uint8Array;
  readonly ramdisk?: Uint8Array;
  readonly cmdline?: string;
  /** Memory at start, MiB (xl.cfg memory). */
  readonly memoryMiB: number;
  /** Ceiling for ballooning, MiB (xl.cfg maxmem); memoryMiB when absent. */
  readonly maxMemoryMiB?: number;
  /** vCPUs at the start; those up to maxVcpus come by setVcpus. */
  readonly vcpus: number;
  readonly maxVcpus?: number;
  /** Where vCPUs may run (xl.cfg cpus) and where by preference (cpus_soft): one set for all, or one each. */
  readonly cpus?: readonly CpuSet[];
  readonly softCpus?: readonly CpuSet[];
  /** Share of the pCPUs in relation to other domains (xl.cfg cpu_weight); 256 when absent. */
  readonly weight?: number;
  /** Most of it, in per cent of a pCPU (xl.cfg cap); 0 or absent is no limit. */
  readonly cap?: number;
  readonly onPoweroff?: LifecycleAction;
  readonly onReboot?: LifecycleAction;
  readonly onCrash?: LifecycleAction;
  readonly onWatchdog?: LifecycleAction;
  /** What a plain PVH machine lacks. */
  readonly platform?: PlatformConfig;
  readonly disks?: readonly DiskConfig[];
  readonly vifs?: readonly VifConfig[];
  /** Keys placed under /local/domain/<id>/data before the guest starts. */
  readonly xenstoreData?: Readonly<Record<string, string>>;
}

export type DiskFormat = "raw" | "vhd" | "qcow2";

/** A disk, as xl-disk-configuration(5) describes it. */
export interface DiskConfig {
  /** The image: a name that the host knows, or an address. Empty is a drive without a medium. */
  readonly target: string;
  /** What the name's ending tells when absent; raw when it tells nothing. */
  readonly format?: DiskFormat;
  /** The guest's name of it: xvda, sda, hda, d0, d0p1, or the number of the device. */
  readonly vdev: string;
  /** "w" when absent, "r" of a CD-ROM. */
  readonly access?: "r" | "w";
  readonly devtype?: "disk" | "cdrom";
  /** False keeps the guest from freeing what it no longer needs. */
  readonly discard?: boolean;
  /** Lets the guest copy all data through pages that stay granted. Here granting each page anew is cheaper: a tenth less work. */
  readonly persistentGrants?: boolean;
}

/** A disk of a domain. */
export interface DiskInfo {
  readonly config: DiskConfig;
  /** The number that the guest knows it by, and its usual name. */
  readonly id: number;
  readonly vdev: string;
  /** Of the back end: [XEN] io/xenbus.h. */
  readonly state: number;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Images from the top down, as far as they are in the folder of the first. */
  readonly chain: readonly string[];
  readonly backendPath: string;
  /** What it did so far. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface PlatformConfig {
  /** A 16550 at COM1 whose output is the domain's serial console. */
  readonly serial?: boolean;
  /** Debug console at port 0xe9, shown on the serial console. */
  readonly debugcon?: boolean;
  /** Exit port at 0xf4 with isa-debug-exit's meaning. */
  readonly exitPort?: boolean;
  readonly ioapic?: boolean;
  readonly pit?: boolean;
  readonly pmTimer?: boolean;
}

/** Numbers of pCPUs. */
export type CpuSet = readonly number[] | "all";

/** What is to change of a domain's share of the pCPUs. */
export interface SchedulingChange {
  readonly weight?: number;
  readonly cap?: number;
}

/** What is to change of a vCPU's places. */
export interface PinChange {
  /** Where it may run. */
  readonly hard?: CpuSet;
  /** Where it is to run by preference. */
  readonly soft?: CpuSet;
}

/** xl list's states. */
export type DomainState = "running" | "blocked" | "paused" | "shutdown" | "crashed" | "dying";

export interface VcpuInfo {
  readonly id: number;
  readonly online: boolean;
  readonly state: "running" | "runnable" | "blocked" | "offline";
  readonly pcpu: number | null;
  /** The pCPUs on which it may run, and those on which it is to run by preference. */
  readonly hardAffinity: readonly number[];
  readonly softAffinity: readonly number[];
  readonly cpuSeconds: number;
  readonly instructions: number;
}

export interface InstructionShares {
  readonly region: number;
  readonly handler: number;
  readonly interpreter: number;
}

export interface DomainInfo {
  readonly domid: DomId;
  readonly name: string;
  readonly uuid: string;
  readonly state: DomainState;
  readonly shutdownReason?: ShutdownReason;
  /** Status written to the exit port, (value << 1) | 1. */
  readonly exitStatus?: number;
  readonly memoryKiB: number;
  readonly maxMemoryKiB: number;
  /** Frames the domain really holds, KiB. */
  readonly populatedKiB: number;
  readonly vcpus: readonly VcpuInfo[];
  /** Of the credit scheduler; a cap of 0 is none. */
  readonly weight: number;
  readonly cap: number;
  readonly cpuSeconds: number;
  readonly uptimeSeconds: number;
  readonly instructions: number;
  /** Where they were executed: in compiled regions, in handlers called from these, in the interpreter. Absent before the first region. */
  readonly jit?: InstructionShares;
}

export interface HostInfo {
  readonly version: string;
  readonly xenVersion: string;
  readonly pcpus: number;
  /** Domain0 and the pCPU share a thread: the host has no shared memory, or was told to do without. */
  readonly singleThread: boolean;
  readonly totalKiB: number;
  readonly freeKiB: number;
  readonly usedKiB: number;
  readonly wasmMemoryBytes: number;
  readonly domains: number;
  readonly capabilities: readonly string[];
  readonly deterministic: boolean;
  /** Longest time that a vCPU keeps a pCPU while others wait. */
  readonly timesliceMs: number;
  /**
   * What CPU times of domains are: "thread", processor time of the pCPUs' threads; "wall", time on a pCPU, whether its
   * thread had a processor or not.
   */
  readonly cpuSource: "thread" | "wall";
}

export type HostEvent =
  | {
      readonly kind: "domain-created";
      readonly domid: DomId;
      /** The domain that this one takes the place of, after a reboot. */
      readonly restartOf?: DomId;
    }
  | { readonly kind: "domain-changed"; readonly domid: DomId }
  | {
      readonly kind: "domain-shutdown";
      readonly domid: DomId;
      readonly reason: ShutdownReason;
      readonly exitStatus?: number;
    }
  | { readonly kind: "domain-destroyed"; readonly domid: DomId };

/** pv: the Xen console ring (hvc0). serial: COM1 and port 0xe9. */
export type ConsoleKind = "pv" | "serial";

export interface ConsoleSession {
  /** Bytes typed by the user. */
  write(data: Uint8Array): void;
  resize(columns: number, rows: number): void;
  detach(): void;
}

/** A region: hot guest code that was compiled to WebAssembly. */
export interface RegionInfo {
  /** Names it as long as it lives. */
  readonly id: number;
  /** Linear RIP where it was found, sixteen hexadecimal digits. */
  readonly rip: string;
  /** Basic blocks and x86 instructions. */
  readonly nodes: number;
  readonly instructions: number;
  /** Of WebAssembly. */
  readonly bytes: number;
  /** Times that it was entered; of each vCPU the last few hundred may be missing. */
  readonly runs: number;
}

/** A way out of regions, by which the interpreter went on. Counts are estimates: a few of all exits are looked at. */
export interface RegionExitInfo {
  /** RIP of the first instruction that no region did, sixteen hexadecimal digits. */
  readonly rip: string;
  /**
   * cold: there is no region where the code goes on; left: the instruction was left to the interpreter; fault: it raised an
   * exception; stale: code was overwritten.
   */
  readonly why: "cold" | "left" | "fault" | "stale";
  readonly exits: number;
  /** What the interpreter executed until a region was entered again. */
  readonly instructions: number;
  /** The instruction, where it is known. */
  readonly text?: string;
}

/** Told how far an operation is; false cancels it. */
export type TellProgress = (progress: Progress) => boolean | Promise<boolean>;

export interface CreateOptions {
  readonly paused?: boolean;
}

/** Thrown (rejected) by every call that fails; `code` is stable, `message` says what to do next. */
export interface HostErrorShape {
  readonly code:
    | "no-such-domain"
    | "name-taken"
    | "bad-kernel"
    | "bad-config"
    | "out-of-memory"
    | "bad-state"
    | "not-found"
    | "denied"
    | "unsupported"
    | "internal";
  readonly message: string;
  /** The message without what to do next, and that alone, where the two are known apart. */
  readonly problem?: string;
  readonly next?: string;
}

export interface HostApi {
  info(): Promise<HostInfo>;
  /** The hypervisor's own log (xl dmesg). */
  dmesg(clear?: boolean): Promise<string>;
  /** What the region compiler has made and is in use, by RIP; empty while it is off. */
  regions(): Promise<RegionInfo[]>;
  /** Ways out of regions since they were cleared, those first that cost the most; then clears them when told to. */
  regionExits(clear?: boolean): Promise<RegionExitInfo[]>;
  /** A region's x86 instructions as text, or with `wasm` what they became. */
  regionText(id: number, wasm?: boolean): Promise<string>;
  list(): Promise<DomainInfo[]>;
  domain(domid: DomId): Promise<DomainInfo>;
  /** Finds a domain by name or number. */
  resolve(nameOrId: string): Promise<DomId>;
  create(config: DomainConfig, options?: CreateOptions): Promise<DomId>;
  pause(domid: DomId): Promise<void>;
  unpause(domid: DomId): Promise<void>;
  /** Asks the guest through control/shutdown; resolves once it is written. */
  shutdown(domid: DomId, reason: "poweroff" | "reboot" | "suspend"): Promise<void>;
  /** Resolves when the domain has shut down and its images are closed, or is gone. */
  waitShutdown(domid: DomId): Promise<{ reason: ShutdownReason; exitStatus?: number }>;
  destroy(domid: DomId): Promise<void>;
  rename(domid: DomId, name: string): Promise<void>;
  /** Balloon target. */
  setMemory(domid: DomId, memoryMiB: number): Promise<void>;
  /** Asks the guest to bring vCPUs up or take them down, so that `count` of them are left. */
  setVcpus(domid: DomId, count: number): Promise<void>;
  /** Moves a vCPU, or all of them with null. */
  pinVcpu(domid: DomId, vcpu: number | null, change: PinChange): Promise<void>;
  setScheduling(domid: DomId, change: SchedulingChange): Promise<void>;
  /** The disks of a domain, in the order of their numbers. */
  disks(domid: DomId): Promise<DiskInfo[]>;
  /** Gives a running domain one more disk. */
  attachDisk(domid: DomId, disk: DiskConfig): Promise<void>;
  /** Takes a disk away: resolves when the guest has let go of it; with `force` it is not asked. */
  detachDisk(domid: DomId, vdev: string, force?: boolean): Promise<void>;
  /** Puts another medium into a CD-ROM drive; null leaves it empty. */
  changeMedium(domid: DomId, vdev: string, target: string | null, format?: DiskFormat): Promise<void>;
  /** The network interfaces of a domain, in the order of their numbers. */
  vifs(domid: DomId): Promise<VifInfo[]>;
  /** Gives a running domain one more interface; the answer is its number. */
  attachVif(domid: DomId, vif: VifConfig): Promise<number>;
  /** Takes an interface away: resolves when the guest has let go of it; with `force` it is not asked. */
  detachVif(domid: DomId, devid: number, force?: boolean): Promise<void>;
  setVif(domid: DomId, devid: number, change: VifChange): Promise<void>;
  /** Every network that is in use, with who talks to whom. */
  networks(): Promise<NetworkInfo[]>;
  /**
   * Makes one network of a network here and one elsewhere. Resolves at once: `networks` tells how far it is. It is tried
   * again until `leaveNetwork`, whatever comes between. A network with a link is in use.
   */
  joinNetwork(network: string, options: JoinOptions): Promise<LinkId>;
  /** Lets networks elsewhere join one here; a page cannot. */
  serveNetwork(network: string, options: ServeOptions): Promise<ServedNetwork>;
  /** Ends either. */
  leaveNetwork(id: LinkId): Promise<void>;
  /**
   * Records frames as a pcapng file, piece by piece. Where `onData` answers a promise, no more pieces come than it keeps up
   * with. The returned function ends the recording, and resolves when all of it has been handed over.
   * An empty piece says that the interface is gone: nothing is recorded any more, and the function is to be called.
   */
  capture(
    target: CaptureTarget,
    onData: (data: Uint8Array) => void | Promise<void>,
    options?: CaptureOptions,
  ): Promise<() => Promise<CaptureStats>>;
  /**
   * What can be done to images, by name, whether a running domain uses them or not. Functions among the options, as for
   * progress, do not cross to Domain0.
   */
  image<Call extends keyof ImageApi>(call: Call, ...params: Parameters<ImageApi[Call]>): ReturnType<ImageApi[Call]>;
  /** What takes long, with progress; it is cancelled when `onProgress` answers false. */
  imageJob<Call extends ImageJobCall>(
    call: Call,
    params: Parameters<ImageApi[Call]>,
    onProgress: TellProgress,
  ): ReturnType<ImageApi[Call]>;
  trigger(domid: DomId, what: "nmi" | "reset" | "init" | "sysrq", argument?: string): Promise<void>;
  /** ELF core of the domain, in chunks. */
  dumpCore(domid: DomId, onChunk: (chunk: Uint8Array) => void | Promise<void>): Promise<void>;
  /** Calls `onData` with the scrollback first, then with what follows. */
  attachConsole(domid: DomId, kind: ConsoleKind, onData: (data: Uint8Array) => void): Promise<ConsoleSession>;
  consoleScrollback(domid: DomId, kind: ConsoleKind): Promise<Uint8Array>;
  xenstoreRead(path: string): Promise<string | null>;
  xenstoreList(path: string): Promise<string[]>;
  xenstoreWrite(path: string, value: string): Promise<void>;
  xenstoreRemove(path: string): Promise<void>;
  /** Fires once at once, then on each change below `path`. The returned function ends it. */
  xenstoreWatch(path: string, onChange: (path: string) => void): Promise<() => void>;
  subscribe(listener: (event: HostEvent) => void): Promise<() => void>;
  close(): Promise<void>;
}
