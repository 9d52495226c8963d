/** A domain: the hypervisor's side of a guest. Domain0 reads its fields in place. */
import { constants, i32, i64, struct, u8, u32, u64 } from "../layout.js";

export const MAX_VCPUS = 128;
export const MAX_RAM_RANGES = 16;
export const MAX_E820 = 32;
export const HVM_PARAMS = 64;

export const Domain = struct("Domain", "One domain.", {
  domid: u32("Its number; DOMID_INVALID while the struct is spare"),
  next: u32("Next domain of the machine"),
  state: u32("A DomainState"),
  lock: u32("Spinlock of this struct's small state"),
  pauseCount: i32("Paused while above zero; a domain is created with one"),
  shutdown: u32("1 once shut down or crashed: none of its vCPUs runs"),
  shutdownReason: u32("A ShutdownReason, all ones before"),
  crashReason: u32("A CrashReason when the hypervisor crashed it"),
  exitStatus: u32("What the exit port made of the value written: twice that plus one; all ones when none"),
  platform: u32("A PlatformFlag set"),
  maxVcpus: u32("vCPUs it has"),
  vcpus: u32("Addresses of its Vcpus", 128),
  p2mRoot: u32("Top node of the p2m"),
  p2mLock: u32("Spinlock of p2m changes"),
  p2mNodes: u32("Frames that p2m nodes take"),
  p2mMaxNodes: u32("Most of them"),
  ramRanges: u32("Number of RAM ranges"),
  ram: u32("First gfn and count of each range of RAM, populated on demand", 32),
  maxPages: u32("Most frames of memory it may own"),
  totPages: u32("Frames of memory it owns"),
  curPages: u32("Pages it may touch without asking: RAM populated or on demand, less the balloon"),
  maxGfn: u32("Highest gfn ever mapped"),
  e820Count: u32("Entries of the memory map that XENMEM_memory_map returns"),
  e820: u8("Entries of 20 bytes: address, size, type", 32 * 20, 8),
  sharedInfo: u32("Address of the shared_info page"),
  vmAssist: u32("vm_assist types switched on, a bit each"),
  handle: u8("Its UUID, written by Domain0", 16, 8),
  callbackVia: u64("HVM_PARAM_CALLBACK_IRQ"),
  hvmParams: u64("HVM params", 64),
  evtLock: u32("Spinlock of ports and of event delivery to this domain", 1, 8),
  evtFifo: u32("1 when the FIFO ABI is on"),
  evtMaxPorts: u32("Ports below this may exist"),
  evtPorts: u32("Ports that have memory behind them"),
  evtFree: u32("No port below this is free"),
  evtBuckets: u32("Pages of Evtchn, 128 ports each", 128),
  evtArrays: u32("Machine addresses of the guest's FIFO event array pages", 128),
  evtArrayCount: u32("How many of them"),
  evtMoved: u32("Ports that were bound to another vCPU while they stood in a FIFO queue; 0 in free places", 8),
  evtMoves: u32("How many of them"),
  pollers: u32("Bit per vCPU that polls for a port", 4),
  gntLock: u32("Spinlock of the grant table", 1, 8),
  gntVersion: u32("1 or 2"),
  gntFrames: u32("Shared frames it has"),
  gntMaxFrames: u32("Most of them"),
  gntShared: u32("Addresses of the shared frames", 64),
  gntStatus: u32("Addresses of the status frames of version 2", 16),
  gntActive: u32("Addresses of two pages of GrantActive per 512 refs", 64),
  mapLock: u32("Spinlock of the maptrack: mappings that this domain has made"),
  mapFree: u32("First free handle, all ones when none"),
  mapCount: u32("Handles that have memory behind them"),
  mapUsed: u32("Handles in use"),
  mapPages: u32("Pages of Maptrack, 128 handles each", 128),
  dying: u32("1 when destruction has begun"),
  ioLock: u32("Spinlock of platform devices"),
  monitorLock: u32("Spinlock of the lines that MONITOR has armed"),
  stats: u64("Counters, indexed by DomainStat", 24),
  flushSeq: u32("For the shootdown layer", 8),
  platformState: u32("Address of its PlatformState, 0 when it has none"),
  watchdogs: u32("Bit per watchdog of SCHEDOP_watchdog in use"),
  watchdogAt: u64("Machine time at which each of them fires, all ones when it does not", 2),
  narrowInfo: u32("1 when shared_info and vcpu_info have the layout of 32-bit guests"),
  callbackPin: u32("I/O APIC pin that vCPU 0's upcall_pending asserts, 0 when none"),
  gntSharedGfn: u32("Where the guest has put each shared frame last", 64),
  gntStatusGfn: u32("Where it has put each status frame last", 16),
  weight: u32("Its share of processor time, in relation to other domains; Domain0 may change it"),
  cap: u32("Most processor time it gets, in percent of a pCPU; 0 is no limit; Domain0 may change it"),
  sharers: u32("vCPUs among which its credits are shared"),
  grant: i64("Credits of the present period, ns; negative while they are being worked out"),
});

export const DomainState = constants("DomainState", "Life of a Domain struct.", { SPARE: 0, LIVE: 1, DYING: 2 });

export const ShutdownReason = constants("ShutdownReason", "Why a domain shut down. [XEN] sched.h", {
  POWEROFF: 0,
  REBOOT: 1,
  SUSPEND: 2,
  CRASH: 3,
  WATCHDOG: 4,
  SOFT_RESET: 5,
  NONE: 0xffffffff,
});

export const CrashReason = constants("CrashReason", "Why the hypervisor crashed a domain.", {
  NONE: 0,
  /** the guest asked: SHUTDOWN_crash */
  GUEST: 1,
  TRIPLE_FAULT: 2,
  /** no frame left in the machine, or the domain's limit is reached */
  OUT_OF_MEMORY: 3,
  /** a state that the run loop cannot go on from */
  INTERNAL: 4,
  MACHINE_CHECK: 5,
});

export const VcpuTrigger = constants("VcpuTrigger", "Argument of vcpuTrigger.", {
  NMI: 0,
  INIT: 1,
  SIPI: 2,
  MCE: 3,
  WAKE: 4,
});

export const DomainStat = constants("DomainStat", "Indices of Domain.stats.", {
  HYPERCALLS: 0,
  UNKNOWN_HYPERCALLS: 1,
  EVTCHN_SENDS: 2,
  UPCALLS: 3,
  GRANT_MAPS: 4,
  GRANT_COPIES: 5,
  POD_FILLS: 6,
  COW_BREAKS: 7,
  TIMER_FIRES: 8,
  CONSOLE_BYTES: 9,
  GRANT_FAILURES: 10,
});
