/**
 * What the core exports to TypeScript. Every instance (Domain0's and each pCPU's) has the same exports over the same
 * shared memory. Numbers are u32 unless said; addresses are byte offsets in the shared memory; an i32 result below zero
 * is a negative Xen errno. Nothing here throws: a WebAssembly trap would be a bug of ours.
 */
export interface CoreExports {
  readonly memory?: WebAssembly.Memory;

  // --- machine (called once, by Domain0, before anything else)
  /** Lays out the hypervisor's memory for at most `maxFrames` frames of guests. `deterministic` makes time a count of instructions. */
  machineInit(maxFrames: number, pcpus: number, deterministic: number, seedLo: number, seedHi: number): number;
  /** Frames still free (counting what may still be grown). */
  machineFreeFrames(): number;
  machineTotalFrames(): number;
  /** Machine time in ns since the machine started, as a double. */
  machineNow(): number;

  // --- domains
  domainCreate(domid: number, maxVcpus: number, maxPagesLo: number): number;
  /** Frees everything the domain owns. -EBUSY while one of its vCPUs is inside a pCPU: pause first and retry on the doorbell. */
  domainDestroy(domid: number): number;
  /** Address of the Domain struct, 0 when there is none. */
  domainAddress(domid: number): number;
  vcpuAddress(domid: number, vcpu: number): number;
  /** Declares gfns [start, start+count) as RAM, populated on demand. */
  domainAddRam(domid: number, startGfn: number, count: number): number;
  /**
   * Machine address of a guest page, populating it; 0 when the gfn is not RAM or memory is exhausted. Nothing keeps the
   * page: a guest that runs may give it away and another get it, so that only tests read and write by it.
   */
  domainPage(domid: number, gfn: number): number;
  /** Machine address of a guest page if it is populated RAM, else 0: whether there is one. To read it, domainHold. */
  domainPeek(domid: number, gfn: number): number;
  /** As domainPage, and the frame stays until domainUnpin even if the guest gives the page away. */
  domainPin(domid: number, gfn: number): number;
  /** As domainPeek, and the frame stays until domainUnpin likewise: to read it. */
  domainHold(domid: number, gfn: number): number;
  /** Ends one domainPin or domainHold of that address. */
  domainUnpin(address: number): void;
  /** Appends an entry to the memory map that XENMEM_memory_map returns: E820 types. */
  domainAddMapEntry(
    domid: number,
    addrLo: number,
    addrHi: number,
    sizeLo: number,
    sizeHi: number,
    type: number,
  ): number;
  /** Puts the vCPU in the PVH entry state: 32-bit protected, flat, paging off. [XEN] pvh. */
  vcpuStartPvh(domid: number, vcpu: number, eip: number, ebx: number): number;
  /** Where the vCPU may run, or with `soft` 1 where it is to run by preference: a set of pCPUs in four words. -EINVAL for none. */
  vcpuSetAffinity(domid: number, vcpu: number, soft: number, w0: number, w1: number, w2: number, w3: number): number;
  domainPause(domid: number): number;
  domainUnpause(domid: number): number;
  /** 1 when none of its vCPUs is inside a pCPU. */
  domainQuiescent(domid: number): number;
  /** Ends the domain from outside with a ShutdownReason, as if it had asked. */
  domainShutdown(domid: number, reason: number): number;
  /** Lets a domain go on that shut down with ShutdownReason.SUSPEND. */
  domainResume(domid: number): number;
  hvmParamSet(domid: number, index: number, lo: number, hi: number): number;
  /** The value as a double; negative errno for a bad index or domain. */
  hvmParamGet(domid: number, index: number): number;
  /** Platform devices beyond a plain PVH machine: a PlatformFlag set. */
  domainSetPlatform(domid: number, flags: number): number;
  /** Domain0 has put bytes into the domain's serial input ring or taken some out of its output ring. */
  serialNotify(domid: number): void;
  /** NMI, INIT-like triggers by name: a VcpuTrigger. */
  vcpuTrigger(domid: number, vcpu: number, trigger: number): number;

  // --- event channels, as Domain0 (domid 0) sees them
  evtchnAllocUnbound(domid: number, remote: number): number;
  /** Binds a new Domain0 port to `remotePort` of `remote`; returns Domain0's port. */
  evtchnBind(remote: number, remotePort: number): number;
  /** Raises the other end of Domain0's port. */
  evtchnNotify(port: number): number;
  evtchnClose(domid: number, port: number): number;
  /** Raises a VIRQ in a domain. */
  virqRaise(domid: number, vcpu: number, virq: number): number;
  /** Next pending Domain0 port, cleared as it is taken; -1 when there is none. */
  evtchnTake(): number;

  // --- grants, as Domain0 maps them
  /**
   * Machine address of the page behind a grant of `domid`, pinned until grantUnmap; a negative GNTST status on failure.
   * Addresses from 2 GiB up come back negative too: statuses are those above -4096.
   */
  grantMap(domid: number, ref: number, readonly: number): number;
  grantUnmap(domid: number, ref: number, readonly: number): number;

  // --- regions
  /** Lets hot blocks ask for regions. Address of the Jit struct, 0 when there is no memory for it. Once. */
  jitStart(): number;

  // --- pCPUs
  /** Runs vCPUs until there is nothing to run, the slice budget is spent or the machine stops. Returns a PcpuExit. */
  pcpuRun(pcpu: number): number;
  /** After PcpuExit.IDLE: ns until the next timer, as a double; Infinity when there is none. */
  pcpuIdleNs(pcpu: number): number;
  /**
   * After a trap of this pCPU's instance, called on the same: releases the locks that it held, takes its vCPU off and
   * crashes the domains that it was at work in, so that the others go on.
   */
  pcpuAbandon(pcpu: number): void;
}

/** A function that takes a vector: JavaScript can hand it on and not call it. */
type Door = WebAssembly.ExportValue;

/**
 * What else the core exports, for compiled regions and those who put them in place. See assembly/jit/doors.ts for what the
 * doors do, and jit/doors.ts for what they take.
 */
export interface RegionDoors {
  readonly regionRead: Door;
  readonly regionWrite: Door;
  readonly regionPage: Door;
  readonly regionCondition: Door;
  readonly regionEnd: Door;
  readonly regionFlags: Door;
  readonly regionPutOff: Door;
  readonly regionX87: Door;
  /** Stands for a region that a host could not make. */
  readonly regionNone: (cpu: number) => number;
  /** Handlers, and behind them the regions' functions. */
  readonly table: WebAssembly.Table;
}

/** What the core imports, as module "env". */
export interface CoreImports {
  memory: WebAssembly.Memory;
  /** What this instance writes into the locks that it takes: no two instances have the same, and none has 0. */
  lockOwner: number;
  /** Monotonic host time in ns. */
  hostNow(): number;
  /** Host wall clock, ns since 1970 as a double. */
  hostWallClock(): number;
  /** 32 random bits. */
  hostRandom(): number;
  /**
   * Sleeps while the 32-bit word at `address` has that value, until somebody notifies it, and not for long. Throws when
   * there is no other thread: nobody would.
   */
  hostWait(address: number, value: number): void;
  /** Gives the host's processor away while the word at `address` is 0, for some tens of microseconds at most. */
  hostNap(address: number): void;
  /** Tells the host's log: a TraceCode and two numbers. */
  hostTrace(code: number, a: number, b: number): void;
  abort(message: number, file: number, line: number, column: number): void;
}
