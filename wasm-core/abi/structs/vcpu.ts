/**
 * The state of one virtual processor, as both dialects see it. A vCPU is a block of shared memory behind a base
 * pointer: the general registers lie first, so that an instruction record can name one by a byte offset below 256.
 * Names are those of the SDM. Saved states and Domain0 read and write registers through these offsets.
 */
import { constants, i32, i64, struct, u8, u16, u32, u64 } from "../layout.js";

/** Pages that a region keeps in mind for its loops. */
export const CURSORS = 8;

export const Vcpu = struct("Vcpu", "One virtual processor.", {
  gpr: u64("RAX RCX RDX RBX RSP RBP RSI RDI R8-R15, in encoding order", 16),
  zero: u64("Always zero: the base or index that an addressing form lacks"),
  bias: u64("Always 2^31: the index of a RIP-relative address whose displacement leaves 32 bits"),
  blockRip: u64("RIP of the first instruction of the block that runs; records hold offsets from it"),
  rip: u64("Architectural RIP; exact between blocks and while an exception is delivered"),
  ccOp: u32("How the arithmetic flags are derived, a CcOp times 4 plus log2 of the operand size"),
  eflags: u32("RFLAGS; the arithmetic bits are only valid when ccOp is CcOp.EFLAGS"),
  ccSrc: u64("Lazy flags: second operand, or what ccOp says"),
  ccDst: u64("Lazy flags: result"),
  ctx: u64("Low 12 bits of the tags that accesses at this CPL compare with: tlbAsid, or tlbSupervisor"),
  tlb: u32("Address of the TLB that accesses compare with: supervisor, user, or the one that is always empty"),
  jumpCache: u32("Address of this vCPU's RIP-to-block cache"),
  curBlock: u32("Block that runs now, 0 between blocks"),
  modeKey: u32("Decoding mode, a ModeKey: part of the key of a decoded block"),
  events: u32(
    "Nonzero when something must be looked at before the next block: an EventBit set, written atomically by others",
  ),
  cpl: u8("Current privilege level"),
  faultVector: u8("Exception being raised by the instruction that returned FAULT"),
  faultHasError: u8("1 when faultError is to be pushed"),
  interruptShadow: u8("1 while the instruction after STI or MOV SS runs"),
  faultError: u32("Error code of the exception being raised"),
  halted: u8("1 while in HLT: only an interrupt, NMI, INIT or machine event wakes it"),
  mwait: u8("1 while in MWAIT: like HLT, and a write to the monitored line wakes it too"),
  nmiBlocked: u8("1 from NMI delivery to IRET"),
  nmiPending: u8("1 when an NMI waits"),
  waitForSipi: u8("1 between INIT and SIPI: runs nothing"),
  online: u8("1 once started (BSP at once, APs by SIPI or VCPUOP_up)"),
  fpuBlocked: u8("Why x87 and MMX instructions may not run now: 0, or an FpuBlock"),
  sseBlocked: u8("Why SSE instructions may not run now: 0, or an FpuBlock"),
  icount: u64("Instructions retired"),
  budget: i32("Instructions left in the slice"),
  exitReason: u32("Why the run loop returned, an ExitReason"),
  cr0: u64("CR0"),
  cr2: u64("CR2"),
  cr3: u64("CR3"),
  cr4: u64("CR4"),
  efer: u64("IA32_EFER"),
  xcr0: u64("XCR0"),
  dr: u64("DR0-DR3, then unused, unused, DR6, DR7", 8),
  seg: u64("ES CS SS DS FS GS LDTR TR: eight SegmentReg of 16 bytes", 16),
  gdtrBase: u64("GDTR base"),
  idtrBase: u64("IDTR base"),
  gdtrLimit: u32("GDTR limit"),
  idtrLimit: u32("IDTR limit"),
  star: u64("IA32_STAR"),
  lstar: u64("IA32_LSTAR"),
  cstar: u64("IA32_CSTAR"),
  fmask: u64("IA32_FMASK"),
  kernelGsBase: u64("IA32_KERNEL_GS_BASE"),
  sysenterCs: u64("IA32_SYSENTER_CS"),
  sysenterEsp: u64("IA32_SYSENTER_ESP"),
  sysenterEip: u64("IA32_SYSENTER_EIP"),
  pat: u64("IA32_PAT"),
  tscAux: u64("IA32_TSC_AUX"),
  tscOffset: u64("Guest TSC minus machine TSC"),
  tscAdjust: u64("IA32_TSC_ADJUST"),
  apicBase: u64("IA32_APIC_BASE"),
  miscEnable: u64("IA32_MISC_ENABLE"),
  specCtrl: u64("IA32_SPEC_CTRL"),
  featureControl: u64("IA32_FEATURE_CONTROL"),
  mtrrDefType: u64("IA32_MTRR_DEF_TYPE"),
  mtrrFixed: u64("IA32_MTRR_FIX64K_00000, FIX16K x2, FIX4K x8", 11),
  mtrrVar: u64("Base and mask pairs of the eight variable ranges", 16),
  monitorGpa: u64("Line armed by MONITOR, all ones when none"),
  monitorHolds: u8("1 when every write to it since then is seen"),
  vec: u8("XMM0-XMM15, each in a slot of VEC_STRIDE bytes (room for YMM)", 16 * 32, 16),
  fpr: u8(
    "x87 R0-R7 in physical order, 16 bytes each: 64-bit significand, 16-bit sign and exponent; MM0-MM7 alias the significands",
    8 * 16,
    16,
  ),
  fcw: u16("x87 control word"),
  fsw: u16("x87 status word, TOP included"),
  ftw: u16("x87 tag word, full form, two bits a physical register"),
  fop: u16("x87 last opcode, 11 bits"),
  mxcsr: u32("MXCSR"),
  fcs: u16("x87 instruction pointer selector"),
  fds: u16("x87 data pointer selector"),
  fip: u64("x87 instruction pointer"),
  fdp: u64("x87 data pointer"),
  bounce: u8("Where an access that crosses pages or reaches a device is gathered; bounce pointers point here", 128, 16),
  bounceLin: u64("Linear address of the access in the bounce buffer"),
  bounceSize: u32("Its size in bytes"),
  bounceKind: u32("0 plain memory, 1 a device"),
  id: u32("Number of the vCPU in its domain"),
  apicId: u32("Local APIC id"),
  domain: u32("Address of the Domain"),
  lapic: u32("Address of the local APIC's state"),
  xen: u32("Address of the Xen per-vCPU state (XenVcpu)"),
  runState: u32("Scheduler state of the vCPU, a VcpuRunState, changed by compare-and-swap"),
  pcpu: u32("pCPU that runs it now, all ones when none"),
  next: u32("Next vCPU in its run queue, 0 at the end"),
  cpuNs: u64("Nanoseconds of CPU time used"),
  wakeTime: u64("Machine time of its earliest timer, all ones when none"),
  clacList: u32("TLB slots to drop when EFLAGS.AC falls: user pages mapped for supervisor access", 8),
  clacCount: u32("How many of them"),
  tlbTurn: u32("Counts pages that a TLB entry was too few for"),
  tlbAsid: u32("Number of the address space: the user table's tags carry it"),
  tlbNextAsid: u32("Next address-space number to hand out"),
  tlbSupervisor: u32("What the supervisor table's tags carry, whatever the address space: flushing takes the next"),
  walkCache: u64(
    "Paging-structure cache: pairs of tag (walkEpoch, bits 63:21 of a linear address, address-space number) and the machine address of the table that maps it, with its level and the rights above it",
    128,
  ),
  walkEpoch: u64("Bits 63:55 of the tags that count"),
  pcidAsid: u32(
    "Address-space number last used for each of 16 recent PCIDs: PCID in the high half, number in the low",
    16,
  ),
  largePages: u64("Bloom filter of linear 2 MiB areas that were filled from a large page", 256),
  codePages: u64("Bloom filter of linear pages that the jump cache knows code of", 64),
  localSlots: u64("Bit per slot of the supervisor TLB that may hold a page of this address space alone", 32),
  globalKey: u32(
    "What the jump cache knows global code by, instead of the address space: it changes when global pages are dropped",
  ),
  stats: u64("Counters, indexed by VcpuStat", 16),
  repeats: u64(
    "Elements of repeated string instructions, eight to one: deterministic time counts them as instructions",
  ),
  regionInstructions: u64("Instructions retired in regions, handlers called from there included"),
  regionEntries: u64("Times a region was entered"),
  regionHandlers: u64("Instructions that regions left to handlers"),
  exits: u32("Address of the JitExit table of the pCPU that it is on"),
  exitWhy: u32("A JitExitReason: of an exit that is noted, until a region is entered"),
  exitBlock: u32("Of that exit: JitExit.block"),
  exitRip: u64("JitExit.rip"),
  exitAt: u64("icount there"),
  singleStep: u8("1 when each instruction is to run alone: TF, debug registers or a lockstep test"),
  tfTrap: u8("1 when a single-step trap is due after the instruction"),
  dataBreakpoints: u8("1 when DR7 enables a data or I/O breakpoint: the TLB fast path is off for watched pages"),
  pendingDr6: u8("Data or I/O breakpoint bits (DR6.B3-B0) met by the instruction that runs"),
  interruptHeld: u8("1 when an interrupt came while RFLAGS.IF was clear: whoever sets IF looks whether it still waits"),
  walkGpa: u64("Result of the last page walk: guest-physical address"),
  walkPage: u64("Result of the last page walk: size of the page that maps it"),
  walkBits: u32("Result of the last page walk: a WalkBit set"),
  bounceHost: u32("Where the bounced access continues: machine address of its first part, 0 for a device"),
  bounceHost2: u32("Machine address of its second part"),
  bounceSplit: u32("Bytes in the first part"),
  bounceGpa: u64("Guest-physical address of a bounced device access"),
  tlbBase: u32("Address of the supervisor TLB, the user TLB follows it"),
  tlbWriters: u32("Address of which of their entries let a frame be written, TLB_WRITERS of 16 bits: mmu/writers.ts"),
  inHypervisor: u32(
    "1 while the vCPU is in a hypercall: it runs no guest instruction and looks at its events before the next",
  ),
  sseStatus: u32(
    "MXCSR as one SSE instruction sees it: control bits, and the exceptions raised by this instruction alone",
  ),
  sseTemp: u8("Result of an SSE instruction until it is known not to fault", 32, 16),
  descLow: u64("Descriptor that a transfer or segment load has just read, low eight bytes"),
  descHigh: u64("Its high eight bytes when it is a 16-byte system descriptor"),
  descLin: u64("Its linear address"),
  extEvent: u8("EXT bit of error codes: 1 while an event from outside the program is delivered"),
  taskCommitted: u8("1 when a task switch passed the point after which faults belong to the new task"),
  keepRf: u8("1 when the instruction itself loaded EFLAGS.RF, which then holds for the next one"),
  forceSingleStep: u8("1 when a test wants one instruction at a time"),
  debugCtl: u64("IA32_DEBUGCTL"),
  miscFeatures: u64("MISC_FEATURE_ENABLES"),
  mcgStatus: u64("IA32_MCG_STATUS"),
  mcBank: u64("IA32_MCi_CTL, STATUS, ADDR, MISC of two banks", 8),
  mcCtl2: u64("IA32_MCi_CTL2 of two banks", 2),
  stackView: u64("The stack a transfer or delivery pushes on or pops from, a StackView until it is committed", 5),
  popped: u64("Value that a far transfer has just popped"),
  debugShadow: u8("Counts down from 2 after a load of SS: debug exceptions wait until the next instruction is done"),
  msrValue: u64("Value that RDMSR has just read"),
  microcode: u64("Value of IA32_BIOS_SIGN_ID, which CPUID leaf 1 loads"),
  x87Env: u8("Soft-float status word of one x87 instruction, and temporaries behind it", 512, 16),
  pauses: u32("PAUSE instructions since the vCPU last gave way to others"),
  pdpte: u64("PDPTE registers of PAE paging", 4),
  pdpteValid: u32("0 when they are to be read from memory at the next walk"),
  codeChanged: u32("Set when the vCPU overwrites decoded code: a region that called a handler must not go on"),
  missedSse: u32("Set where a region leaves an SSE instruction whose case is rare, until that is noted"),
  notFlat: u32(
    "Bit per segment register, by SegIndex: it does not end at 4 GiB, or is no writable data segment, or does not begin at 0; a code segment's type and the base of FS and GS count for nothing",
  ),
  regionPages: u32("JumpEntry.pages of the region that runs"),
  regionStart: i32("Where a region of several entries was entered, in bytes from its start"),
  cursorReach: u64("A region's cursors: 0, or how far into the page an access by the cursor may begin", CURSORS, 16),
  cursorPage: u64("Linear address of the page", CURSORS),
  cursorDelta: u32("Machine less linear addresses on it, modulo 2^32", CURSORS),
  targets: u32("Address of the table where regions note where indirect jumps go, its pCPU's"),
  regionsAt: u32("Ring index up to which the pCPU that runs it has regions"),
  regionDrops: u32("Pcpu.regionDrops where its jump cache was filled: regions known from before are gone"),
  affinity: u32("Bit per pCPU on which it may run", 4),
  softAffinity: u32("Bit per pCPU on which it is to run by preference", 4),
  credit: i64("Processor time that it may use before others of its kind come first, ns"),
  sliceLeft: i64("What is left of its timeslice, ns"),
  priority: u32("A Priority"),
  sharing: u8("1 while it takes part in the sharing of credits: it has run lately"),
  parked: u8("1 while its domain has used up its cap"),
  lastPcpu: u32("pCPU that ran it last"),
  spins: u32("Windows of PAUSE instructions in a row, while nobody else wanted the pCPU"),
  spinAt: u32("Budget that was left at the end of the last of them"),
  napping: u32("1 while it spins and its thread sleeps until somebody notifies `events`, or for a moment"),
});

export const SegmentReg = struct("SegmentReg", "A segment register with its hidden part. [SDM] 3A 3.4.3", {
  base: u64("Base"),
  limit: u32("Limit in bytes, granularity applied"),
  selector: u16("Visible selector"),
  attr: u16(
    "Descriptor bits 55:40 without the limit: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, DB 10, G 11; 0 = unusable",
  ),
});

export const SegIndex = constants("SegIndex", "Order of the segment registers in Vcpu.seg.", {
  ES: 0,
  CS: 1,
  SS: 2,
  DS: 3,
  FS: 4,
  GS: 5,
  LDTR: 6,
  TR: 7,
});

export const ModeKey = constants("ModeKey", "Bits of Vcpu.modeKey.", {
  CODE16: 0,
  CODE32: 1,
  CODE64: 2,
  CODE_MASK: 3,
  /** CR0.PE and not virtual-8086 */
  PROTECTED: 4,
  VM86: 8,
  /** SS.B, or 64-bit mode */
  STACK32: 16,
  /** EFER.LMA */
  LONG: 32,
  /** one instruction to a block */
  SINGLE: 64,
});

/**
 * A vCPU's budget is less than this, and every EventBit more: one comparison of both tells whether the budget is spent or
 * there is an event.
 */
export const BUDGET_BELOW = 2 ** 22;

export const EventBit = constants("EventBit", "Bits of Vcpu.events, from BUDGET_BELOW on.", {
  /** an interrupt may be deliverable: look at the local APIC and the event channels */
  INTERRUPT: 2 ** 22,
  NMI: 2 ** 23,
  INIT: 2 ** 24,
  SIPI: 2 ** 25,
  /** drop the TLB and acknowledge */
  FLUSH_TLB: 2 ** 26,
  /** leave the run loop: pause, destroy, reschedule */
  STOP: 2 ** 27,
  /** writes to some frame are watched from now on: acknowledge that none is under way unseen */
  SETTLE: 2 ** 28,
  /** blocks are about to be taken out of the code cache: leave and acknowledge */
  FLUSH_CODE: 2 ** 29,
  MCE: 2 ** 30,
});

export const FpuBlock = constants(
  "FpuBlock",
  "Reasons in Vcpu.fpuBlocked and Vcpu.sseBlocked, the exception to raise.",
  {
    NONE: 0,
    UD: 1,
    NM: 2,
    MF: 3,
  },
);

export const Status = constants(
  "Status",
  "What a handler returns to the run loop.",
  {
    /** go on with the next record */
    NEXT: 0,
    /** Vcpu.rip holds the target, of a branch or of an event that the handler delivered */
    BRANCH: 1,
    /** an exception: Vcpu.faultVector; nothing was changed */
    FAULT: 2,
    /** complete, but the block ends here: RIP becomes the next instruction */
    END: 3,
    /** not complete: run the same instruction again after looking at events */
    RESTART: 4,
    /** bit set in any of them: the instruction of the next record is done too, or raised the fault */
    PAIR: 16,
  },
  "i32",
);

export const CcOp = constants(
  "CcOp",
  "Ways to derive the arithmetic flags; Vcpu.ccOp is one of these times 4 plus log2(operand bytes).",
  {
    /** the flags stand in Vcpu.eflags */
    EFLAGS: 0,
    /** ccDst = a + b, ccSrc = b */
    ADD: 1,
    /** ccDst = a + b + 1, ccSrc = b */
    ADC: 2,
    /** ccDst = a - b, ccSrc = b */
    SUB: 3,
    /** ccDst = a - b - 1, ccSrc = b */
    SBB: 4,
    /** ccDst = result; CF = OF = AF = 0 */
    LOGIC: 5,
    /** ccDst = a + 1, ccSrc = CF kept */
    INC: 6,
    /** ccDst = a - 1, ccSrc = CF kept */
    DEC: 7,
    /** ccDst = result, ccSrc = operand shifted by count - 1 (its top bit is CF) */
    SHL: 8,
    /** ccDst = result, ccSrc = operand shifted (logically or arithmetically) by count - 1 (its bit 0 is CF) */
    SHR: 9,
    /** ccDst = low result, ccSrc = nonzero when CF = OF = 1 */
    MUL: 10,
  },
);

export const VEC_STRIDE = 32;
export const FPR_STRIDE = 16;

export const WalkBit = constants("WalkBit", "Rights and kind a page walk found.", {
  WRITE: 1,
  USER: 2,
  EXEC: 4,
  GLOBAL: 8,
  DIRTY: 16,
  LARGE: 32,
});
