/**
 * Where the core and the region compiler meet: the core asks for a region from a hot block, the compiler answers with
 * modules, which every pCPU instantiates in the order in which they were published. See wasm-core/README.md, "the life
 * of one region".
 */
import { constants, struct, u32, u64 } from "../layout.js";

/** Requests that the ring holds; a request that finds it full is made again when the block is hot again. */
export const JIT_REQUESTS = 1024;
/** Bytes of the ring through which modules reach the pCPUs. */
export const JIT_RING_BYTES = 8 * 1024 * 1024;
/** Places for targets of indirect jumps in a table, and tables: pCPUs that run the same code are not to write to the same one. */
export const JIT_TARGETS = 4096;
export const JIT_TARGET_TABLES = 8;
/** Places for ways out of regions in a table, of which there are as many; one exit in 2^JIT_EXIT_SAMPLE is noted. */
export const JIT_EXITS = 1024;
export const JIT_EXIT_SAMPLE = 6;
/** Entries of the map from function-table index to variant, and the bit of one that is a pair's, which does more than that. */
export const JIT_FUNCTIONS = 8192;
export const JIT_PAIRED = 0x8000;
/**
 * Runs of a block of supervisor code in the interpreter before a region is asked for; Jit.threshold begins with it. A kernel
 * has much that runs some thousand times and never again.
 */
export const JIT_THRESHOLD = 6000;
/** The same for a user's code, which goes on with what it does; Jit.userThreshold begins with it. */
export const JIT_USER_THRESHOLD = 300;
/**
 * Millions of instructions of a domain's first vCPU in which it counts as young, as Linux takes them to a shell. What runs then
 * is seldom run again: a region is asked for after JIT_YOUNG_RUNS times as many runs, or soon after its youth.
 */
export const JIT_YOUTH = 400;
export const JIT_YOUNG_RUNS = 4;
/**
 * Millions of instructions in which a user's block runs Jit.userThreshold times if it is worth a region at once: at that pace it
 * has soon run as often as pays for one. One that is slower must have run Jit.threshold times.
 */
export const JIT_PACE = 150;
/** The same for a region with all that it calls: one of a block that is slower is small. */
export const JIT_BRISK = 1;
/** A block that has not come this part of the way to a region is seldom run: regions do without, and it makes room first. */
export const JIT_SELDOM = 32;
/** How many times as many are waited for at most where regions went stale before. */
export const JIT_PATIENCE = 128;

/** Runs of a block that lies in a region, by itself, before it is worth a region of its own. */
export const JIT_COVERED = 24000;
/** Entries of a region before it is made again, with what other regions begin with, and for speed alone; Jit.hot begins with it. */
export const JIT_HOT = 100000;
/**
 * Times that regions left an instruction to the interpreter, after which one made for speed calls the core there instead. Where
 * it was a rare case of SSE's, it is made again at once.
 */
export const JIT_LEAVES = 200;
/** The same for regions made for speed, which then are made again: by then that has cost as much as compiling one. */
export const JIT_MANY_LEAVES = 5000;

export const Jit = struct("Jit", "The machine's region compiler.", {
  enabled: u32("1 when hot blocks ask for regions"),
  variants: u32(
    "Address of u16[JIT_FUNCTIONS]: by function-table index the handler's variant plus 1, 0 when it is none; a pair's has JIT_PAIRED",
  ),
  requests: u32("Address of JIT_REQUESTS JitRequest records"),
  threshold: u32("Runs of a block in the interpreter before a region is asked for: blocks take it when they are made"),
  userThreshold: u32("The same at privilege level 3"),
  youth: u32("Millions of instructions in which a domain is young"),
  hot: u32("Entries of a region before it is made again, for speed alone: JIT_HOT to begin with"),
  longest: u32("The most runs that are waited for where regions went stale before"),
  ring: u32("Address of the ring of published modules, JIT_RING_BYTES long"),
  targets: u32("Address of JIT_TARGET_TABLES times JIT_TARGETS JitTarget records"),
  exits: u32("Address of JIT_TARGET_TABLES times JIT_EXITS JitExit records"),
  requestLock: u32("Spinlock of those who ask", 1, 64),
  requestTail: u32("Free-running count of requests made; the compiler sleeps on it"),
  requestHead: u32("Free-running count of requests taken", 1, 64),
  published: u32("Free-running byte index of the end of the ring", 1, 64),
});

export const JitTarget = struct(
  "JitTarget",
  "Where an indirect jump or call went that left a region, by a hash of both: a guess, written without a lock.",
  {
    from: u32("Low half of the linear RIP where the region was entered that a jump left; of a call the call's own"),
    to: u32("Low half of the linear RIP where it went"),
    count: u32("How often, and how often what lay here before"),
    unused: u32("Fills 16 bytes"),
  },
);

export const JitExit = struct(
  "JitExit",
  "A way out of regions, by a hash of its RIP, and what the interpreter did until a region went on: an estimate, written without a lock.",
  {
    rip: u64("RIP of the first instruction that no region did"),
    why: u32("A JitExitReason"),
    block: u32("The block there, 0 when none was looked for"),
    instructions: u64("Instructions that the interpreter retired, less what it did after others that lay here before"),
    count: u32("Exits that were noted"),
    unused: u32("Fills 32 bytes"),
  },
);

export const JitExitReason = constants("JitExitReason", "Why regions were left: Vcpu.exitWhy and JitExit.why.", {
  /** of Vcpu alone: this exit is not noted */
  NONE: 0,
  /** of Vcpu alone: what comes next is */
  NEXT: 1,
  /** there is no region where the code goes on */
  COLD: 2,
  /** the instruction was left to the interpreter: its page was not at hand, or it needs more than a region can do */
  LEFT: 3,
  /** an instruction raised an exception */
  FAULT: 4,
  /** code was overwritten */
  STALE: 5,
});

export const JitRequest = struct("JitRequest", "A wish for a region.", {
  block: u32("The hot block"),
  vcpu: u32("The vCPU that ran it"),
  rip: u64("Linear RIP of the block there"),
  epoch: u32("CodeCache.epoch"),
  fpu: u32("x87 control word there, and the status word in the upper half"),
  isSlow: u32("1 when the block is slower than JIT_BRISK"),
});

export const JitRecord = struct("JitRecord", "Header of a record in the ring; the bytes follow, padded to 8.", {
  kind: u32("A JitRecordKind"),
  bytes: u32("Bytes that follow"),
  first: u32("MODULE: table slot of its first function, counted from the first slot; EVICT: first slot to be emptied"),
  count: u32("Functions, or slots"),
});

export const JitRecordKind = constants("JitRecordKind", "Kinds of records in the ring.", {
  /** a module to be instantiated */
  MODULE: 1,
  /** nobody enters any slot any more */
  DROP: 2,
  /** the rest of the ring up to its end is unused */
  WRAP: 3,
  /** nobody enters these slots any more */
  EVICT: 4,
});

export const RegionExit = constants(
  "RegionExit",
  "What a region returns.",
  {
    /** RIP is where to go on; mode, privilege and address space are what they were, and no interrupt is held */
    NEXT: 0,
    /** a handler raised an exception at RIP */
    FAULT: 1,
    /** the interpreter must do the instruction at RIP */
    INTERPRET: 2,
    /** code of the region was overwritten: nothing was done */
    STALE: 3,
    /** RIP is where to go on; a handler may have changed anything */
    CHANGED: 4,
  },
  "i32",
);

/** A region's ccOp has a PutOff and a size above this many values where flags are put off. */
export const PUT_OFF_BELOW = 256;

export const PutOff = constants(
  "PutOff",
  "Instructions whose flags a region puts off, and keeps their result; the size comes below.",
  {
    INC: 4,
    DEC: 8,
    ROL: 12,
    ROR: 16,
    /** BSF and BSR: their source */
    SCAN: 20,
    /** TZCNT and LZCNT */
    COUNT: 24,
  },
);

export const X87Op = constants("X87Op", "What regionX87 computes, and below that how its second operand comes.", {
  /** a register: significand, and sign and exponent */
  REGISTER: 0,
  M64: 1,
  M32: 2,
  /** an integer */
  INT: 3,
  FORM: 3,
  ADD: 4,
  MUL: 8,
  SUB: 12,
  SUBR: 16,
  DIV: 20,
  DIVR: 24,
  SQRT: 28,
  RNDINT: 32,
  COM: 36,
  UCOM: 40,
  /** FLD of the second operand */
  LOAD: 44,
  TO32: 48,
  TO64: 52,
  /** to integers, by rounding control or with TRUNCATE */
  INT16: 56,
  INT32: 60,
  INT64: 64,
  TRUNCATE: 128,
});
