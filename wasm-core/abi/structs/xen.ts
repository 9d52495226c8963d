/** Xen's per-vCPU state and the numbers of its public interface. [XEN] public headers */
import { constants, struct, u8, u16, u32, u64 } from "../layout.js";

/** Version of the interface that guests are told, major << 16 | minor. */
export const XEN_VERSION = 0x00040000;
/** XENVER_get_features, submap 0: writable page tables, auto-translated physmap, callback vector, safe pvclock, vnode. */
export const XEN_FEATURES = 0x2305;

export const XenVcpu = struct("XenVcpu", "Xen state of a vCPU.", {
  args: u64("Arguments of the hypercall that runs; a continuation leaves the next ones here", 6),
  info: u32("Machine address of its vcpu_info"),
  infoMfn: u32("Frame pinned by register_vcpu_info, 0 when it lies in shared_info"),
  scratch: u32("Address of a page for hypercall structures"),
  upcallVector: u32("Vector of HVMOP_set_evtchn_upcall_vector, 0 when none"),
  wide: u32("1 when the hypercall came from 64-bit mode"),
  multicall: u32("1 inside a multicall"),
  runstateGva: u64("Guest virtual address of the runstate area"),
  timeGva: u64("Guest virtual address of the time area"),
  runstateSet: u32("1 when a runstate area is registered"),
  timeSet: u32("1 when a time area is registered"),
  runstateStale: u32("1 when the guest's copy could not be written at the last change"),
  runstate: u32("A RunState"),
  runstateEntry: u64("Machine time of the last change of state"),
  runstateTime: u64("Nanoseconds in each state", 4),
  singleshot: u64("Deadline of the one-shot timer, all ones when off"),
  periodic: u64("Period of the periodic timer in ns, 0 when off"),
  periodicNext: u64("Its next deadline"),
  pollDeadline: u64("Deadline of SCHEDOP_poll, all ones when none"),
  block: u32("A BlockMode: why the vCPU is to block after the hypercall"),
  pollPort: u32("The port polled for; all ones when several"),
  virq: u32("Port bound to each per-vCPU VIRQ", 24),
  fifoControl: u32("Machine address of the FIFO control block, 0 when none"),
  fifoMfn: u32("Frame pinned for it"),
  fifoTail: u32("Last port of each FIFO queue", 16),
  dummyInfo: u8("vcpu_info of vCPUs beyond 31 until they register one", 64, 8),
  yielded: u32("1 when the vCPU gave up the rest of its slice"),
  runstateNarrow: u32("1 when the runstate area was registered by 32-bit code"),
});

export const BlockMode = constants("BlockMode", "Values of XenVcpu.block.", { NONE: 0, BLOCK: 1, POLL: 2 });

export const RunState = constants("RunState", "States in the runstate area.", {
  RUNNING: 0,
  RUNNABLE: 1,
  BLOCKED: 2,
  OFFLINE: 3,
});

export const VcpuInfo = struct("VcpuInfo", "The guest's vcpu_info.", {
  upcallPending: u8("An event waits"),
  upcallMask: u8("Unused by HVM guests"),
  pad: u8("", 6),
  pendingSel: u64("2-level: words of evtchn_pending that may be nonzero"),
  cr2: u64("Unused by HVM guests"),
  pad2: u64("The rest of arch_vcpu_info"),
  time: u8("VcpuTime", 32, 8),
});

export const VcpuTime = struct("VcpuTime", "The pvclock record.", {
  version: u32("Odd while it is being written"),
  pad0: u32(""),
  tscTimestamp: u64("Guest TSC at systemTime"),
  systemTime: u64("Nanoseconds since the machine started"),
  mul: u32("Multiplier, a 32-bit fraction"),
  shift: u8("Shift of the TSC difference, signed"),
  flags: u8("Bit 0: the TSC is the same on all vCPUs"),
  pad1: u16(""),
});

export const SharedInfo = struct("SharedInfo", "The shared_info page.", {
  vcpuInfo: u8("VcpuInfo of vCPUs 0-31", 32 * 64, 8),
  evtchnPending: u64("2-level pending bits", 64),
  evtchnMask: u64("2-level mask bits", 64),
  wcVersion: u32("Odd while the wall clock is being written"),
  wcSec: u32("Wall clock at system time 0"),
  wcNsec: u32("Its nanoseconds"),
  wcSecHi: u32("High half of the seconds"),
});

export const VcpuInfo32 = struct(
  "VcpuInfo32",
  "vcpu_info of a 32-bit guest; the time record is where VcpuInfo has it.",
  {
    upcallPending: u8("An event waits"),
    upcallMask: u8("Unused by HVM guests"),
    pad: u16(""),
    pendingSel: u32("2-level: words of evtchn_pending that may be nonzero"),
  },
);

export const SharedInfo32 = struct("SharedInfo32", "The shared_info page of a 32-bit guest.", {
  vcpuInfo: u8("VcpuInfo32 of vCPUs 0-31, 64 bytes each", 32 * 64, 8),
  evtchnPending: u32("2-level pending bits", 32),
  evtchnMask: u32("2-level mask bits", 32),
  wcVersion: u32("Odd while the wall clock is being written"),
  wcSec: u32("Wall clock at system time 0"),
  wcNsec: u32("Its nanoseconds"),
  arch: u32("The rest of arch_shared_info", 6),
  wcSecHi: u32("High half of the seconds"),
});

export const Hypercall = constants("Hypercall", "Numbers of hypercalls.", {
  SET_TRAP_TABLE: 0,
  MMU_UPDATE: 1,
  PLATFORM_OP: 7,
  MEMORY_OP: 12,
  MULTICALL: 13,
  SET_TIMER_OP: 15,
  XEN_VERSION: 17,
  CONSOLE_IO: 18,
  GRANT_TABLE_OP: 20,
  VM_ASSIST: 21,
  VCPU_OP: 24,
  XSM_OP: 27,
  SCHED_OP: 29,
  CALLBACK_OP: 30,
  XENOPROF_OP: 31,
  EVENT_CHANNEL_OP: 32,
  PHYSDEV_OP: 33,
  HVM_OP: 34,
  SYSCTL: 35,
  DOMCTL: 36,
  KEXEC_OP: 37,
  TMEM_OP: 38,
  ARGO_OP: 39,
  XENPMU_OP: 40,
  DM_OP: 41,
  HYPFS_OP: 42,
  MCA: 48,
});

export const Domid = constants("Domid", "Reserved domain numbers.", {
  FIRST_RESERVED: 0x7ff0,
  SELF: 0x7ff0,
  IO: 0x7ff1,
  XEN: 0x7ff2,
  COW: 0x7ff3,
  INVALID: 0x7ff4,
});

export const Errno = constants(
  "Errno",
  "Xen's error numbers, positive.",
  {
    EPERM: 1,
    ENOENT: 2,
    ESRCH: 3,
    EIO: 5,
    E2BIG: 7,
    EAGAIN: 11,
    ENOMEM: 12,
    EACCES: 13,
    EFAULT: 14,
    EBUSY: 16,
    EEXIST: 17,
    ENODEV: 19,
    EINVAL: 22,
    ENOSPC: 28,
    EROFS: 30,
    ERANGE: 34,
    ENOSYS: 38,
    ENODATA: 61,
    ETIME: 62,
    EOPNOTSUPP: 95,
    ENOBUFS: 105,
  },
  "i32",
);

export const HvmParam = constants("HvmParam", "Indices of HVM params.", {
  CALLBACK_IRQ: 0,
  STORE_PFN: 1,
  STORE_EVTCHN: 2,
  IOREQ_PFN: 5,
  BUFIOREQ_PFN: 6,
  VIRIDIAN: 9,
  TIMER_MODE: 10,
  HPET_ENABLED: 11,
  IDENT_PT: 12,
  ACPI_S_STATE: 14,
  VM86_TSS: 15,
  VPT_ALIGN: 16,
  CONSOLE_PFN: 17,
  CONSOLE_EVTCHN: 18,
  ACPI_IOPORTS_LOCATION: 19,
  NESTEDHVM: 24,
  PAGING_RING_PFN: 27,
  MONITOR_RING_PFN: 28,
  SHARING_RING_PFN: 29,
  ALTP2M: 35,
  MCA_CAP: 38,
});

export const Virq = constants("Virq", "Virtual interrupts.", {
  TIMER: 0,
  DEBUG: 1,
  CONSOLE: 2,
  DOM_EXC: 3,
  TBUF: 4,
  DEBUGGER: 6,
  XENOPROF: 7,
  CON_RING: 8,
  PCPU_STATE: 9,
  MEM_EVENT: 10,
  ARGO: 11,
  ENOMEM: 12,
  XENPMU: 13,
  MCA: 16,
  COUNT: 24,
});
