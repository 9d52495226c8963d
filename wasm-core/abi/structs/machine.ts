/**
 * The machine: what lies at fixed addresses of the shared memory, and the frame table. Wasm page 0 below MACHINE_BASE
 * stays empty so that null pointers meet zeroes; the compiler's constants begin at 64 KiB; everything else (frame table,
 * heap, frames) follows them, at addresses the Machine struct holds.
 */
import { constants, i32, struct, u8, u16, u32, u64 } from "../layout.js";

/** Where the Machine struct lies. */
export const MACHINE_BASE = 0x1000;
/** Where the array of Pcpu structs lies. */
export const PCPU_BASE = 0x4000;
/** First byte of the constants that the compiler places (asc --memoryBase). */
export const DATA_BASE = 0x10000;
export const MAX_PCPUS = 128;
/** What Domain0's instance of the core writes into the locks that it takes; a pCPU's writes its number plus one. */
export const LOCK_DOMAIN0 = 255;
/** What the region compiler writes into the lock of the code cache. */
export const LOCK_COMPILER = 254;
/** Bit of a held lock: somebody sleeps until it is free. */
export const LOCK_SLEEPERS = 256;
export const MAX_DOMAINS = 512;
export const MACHINE_MAGIC = 0x4c4e4558;
/** Ports that Domain0 may have. */
export const DOM0_PORTS = 16384;
export const LOG_BYTES = 65536;
export const HEAP_ORDERS = 17;
export const LAPIC_BYTES = 4096;

export const Machine = struct("Machine", "The whole machine, at MACHINE_BASE.", {
  magic: u32("MACHINE_MAGIC once machineInit is done"),
  pcpus: u32("Number of pCPUs"),
  deterministic: u32("1 when time is a count of instructions and randomness is seeded"),
  doorbell: u32("Domain0's doorbell: incremented and notified when Domain0 has something to look at", 1, 64),
  domExc: u32("Incremented when a domain shuts down or crashes, or when one becomes quiescent"),
  presented: u32(
    "Deterministic machine: the doorbell as it was when the pCPU last ended a slice; Domain0 looks at this one",
    1,
    64,
  ),
  served: u32("Deterministic machine: the value of `presented` up to which Domain0 has done everything"),
  frameTable: u32("Address of the Frame array, indexed by mfn", 1, 64),
  totalFrames: u32("Frames the machine may have in all, the hypervisor's low part included"),
  firstFrame: u32("First mfn that the allocators hand out"),
  freshFrame: u32("First mfn never handed out: above it frames are still zero"),
  freeFrames: u32("Frames in the free list and in the heap's free blocks"),
  freeHead: u32("First frame of the free list, linked through Frame.refs; 0 at the end"),
  frameLock: u32("Spinlock of the frame allocator"),
  heapLock: u32("Spinlock of the heap's slabs"),
  heapOrders: u32("Free blocks of 2^n frames, linked through their first word", 17),
  heapSlabs: u32("Free objects of 64 << n bytes, linked through their first word", 6),
  stranded: u32("Address of u32[32768]: how many frames each domid's domain gave back that others still have"),
  domainTable: u32("Address of u32[32768]: the Domain of each domid, 0 when there is none"),
  domainList: u32("First Domain, linked through Domain.next"),
  domainSpare: u32("Domain structs that were destroyed: the memory stays of that type for ever"),
  domainCount: u32("Domains in the list, Domain0 included"),
  domainLock: u32("Spinlock of the domain table and list"),
  schedLock: u32("Spinlock of the run queue and of every Vcpu.runState", 1, 64),
  runHead: u32("First runnable vCPU of each Priority; of 0, those whose domain has used up its cap", 4),
  runTail: u32("Last of each", 4),
  runMask: u32("Bit per Priority: its list is not empty"),
  runCount: u32("Runnable vCPUs in the lists"),
  nextWake: u64("Machine time at which the first blocked vCPU must be woken, all ones when none"),
  timekeeper: i32("Idle pCPU that sleeps until nextWake, -1 when none"),
  idlePcpus: u32("Bit per pCPU: it sleeps or is about to", 4),
  accountAt: u64("Machine time at which credits are given out again"),
  timeslice: u64("Longest time that a vCPU runs while others of its priority wait, ns; Domain0 may change it"),
  startNs: u64("Host time at machine time 0", 1, 64),
  virtualNs: u64("Deterministic mode: machine time at the start of the slice that runs"),
  rng: u64("Deterministic mode: state of the random generator"),
  logLock: u32("Spinlock of the log's producers", 1, 64),
  logBase: u32("Address of the log ring, LOG_BYTES long"),
  logProd: u32("Free-running byte index of the end of the log"),
  logTail: u32("Free-running byte index of the oldest record still whole"),
  dom0Selector: u64("Bit per word of dom0Pending that may be nonzero", 4, 64),
  dom0Pending: u64("Pending ports of Domain0", 256),
  run: u32("Addresses and counters of the run layer (code cache)", 32, 64),
});

export const Pcpu = struct("Pcpu", "One physical CPU: a worker. PCPU_BASE + id * Pcpu.size.", {
  doorbell: u32("Incremented and notified to wake the pCPU", 1, 64),
  current: u32("vCPU that runs on it, 0 when none"),
  priority: u32("Its Priority, PRIORITY_NONE when none: changed under Machine.schedLock"),
  rate: u32("Instructions per microsecond, measured, for the length of slices"),
  id: u32("Its number"),
  sliceWork: u64("Vcpu.icount and repeats at the start of the slice that runs"),
  busyNs: u64("Nanoseconds spent in vCPUs"),
  cpuShare: u32(
    "Of such a nanosecond, what is charged to the vCPU, in 2^-16: what the worker's thread had of a processor",
  ),
  cpuSource: u32("A CpuSource, where cpuShare comes from"),
  slices: u64("Slices run"),
  gaugeNs: u64("Nanoseconds spent in vCPUs since the rate was last measured"),
  gaugeWork: u64("Instructions, and rounds of repeated ones, in that time"),
  regionsRead: u32("Ring index up to which it has read what was published: the compiler may overwrite that"),
  regionsAt: u32(
    "Ring index up to which it has instantiated the published regions; behind what it could not take until that is dropped",
  ),
  regionDrops: u32("How often it has emptied slots of regions since the machine started"),
  scratch: u32("Scratch of the pCPU for operations that are not on a vCPU's behalf", 16),
  pad: u32("Keeps two pCPUs off one cache line", 1, 64),
});

export const CpuSource = constants("CpuSource", "What the CPU time of vCPUs is measured by.", {
  /** time on a pCPU, whether the pCPU's thread had a processor or not */
  WALL: 0,
  /** processor time of the pCPU's thread */
  THREAD: 1,
});

export const Frame = struct("Frame", "One entry of the frame table.", {
  owner: u16("domid of the owner; DOMID_XEN for the hypervisor"),
  type: u8("A FrameType"),
  flags: u8("A FrameFlag set"),
  refs: u32("References: the owner's p2m, grant mappings, pins. Next free frame while free"),
  codeMap: u32("Bit per 128-byte chunk that holds decoded code; with codeGen one 64-bit word, changed as one"),
  codeGen: u32("Incremented whenever codeMap is cleared: code in the frame was overwritten, or it changes hands"),
});

export const FrameType = constants("FrameType", "What a frame is used for.", {
  FREE: 0,
  /** hypervisor structures */
  HEAP: 1,
  /** guest memory */
  GUEST: 2,
  /** hypervisor page that the guest may map: shared_info, grant table, status */
  XEN_SHARED: 3,
  /** guest memory shared copy-on-write; owner DOMID_COW */
  COW: 4,
  /** below firstFrame */
  RESERVED: 5,
});

export const FrameFlag = constants("FrameFlag", "Bits of Frame.flags.", {
  /** written through a p2m since the bit was cleared */
  DIRTY: 1,
  /** holds a line that MONITOR has armed */
  MONITORED: 2,
  /** others than its owner have, or had, it by a grant to write to it */
  LENT: 4,
  /** its owner gave it back, and it counts in Machine.stranded until it is free */
  STRANDED: 8,
});

export const P2mKind = constants("P2mKind", "Kind of a p2m entry, bits 23:20.", {
  NONE: 0,
  RAM: 1,
  COW: 2,
  POD: 3,
  PAGED: 4,
  GRANT: 5,
  MMIO: 6,
  BALLOON: 7,
});

export const P2m = constants("P2m", "Parts of a p2m entry: mfn 19:0, kind 23:20, rights 26:24.", {
  MFN_MASK: 0xfffff,
  KIND_SHIFT: 20,
  KIND_MASK: 0xf,
  R: 1 << 24,
  W: 1 << 25,
  X: 1 << 26,
  RX: 5 << 24,
  RWX: 7 << 24,
  /** gfns below this may be mapped: 2^30 pages, 4 TiB */
  GFN_LIMIT: 1 << 30,
});

export const Access = constants("Access", "Kind of access for p2mResolve.", { READ: 0, WRITE: 1, EXECUTE: 2 });

export const LogRecord = struct("LogRecord", "Header of a record in the log ring; the bytes follow, padded to 4.", {
  domid: u16("Who wrote"),
  kind: u16("A LogKind"),
  length: u32("Bytes that follow"),
});

export const LogKind = constants("LogKind", "Streams that the log carries.", {
  /** console_io */
  CONSOLE: 0,
});

export const TraceCode = constants("TraceCode", "First argument of the hostTrace import.", {
  /** a = domid, b = hypercall number */
  UNKNOWN_HYPERCALL: 1,
  /** a = domid << 16 | hypercall, b = sub-operation */
  UNKNOWN_SUBOP: 2,
  /** a = domid, b = CrashReason */
  CRASH: 3,
  /** a = domid, b = shutdown reason */
  SHUTDOWN: 4,
  /** a = free frames */
  OUT_OF_FRAMES: 5,
});
