/** System instructions. [SDM] vol. 2. */
import { family, op, type Row, ud } from "../row.js";

const hex = (n: number) => n.toString(16).toUpperCase().padStart(2, "0");

/** 0F 18 to 0F 1F: prefetches, and no-operations that later extensions took or may take. */
const hints = (): Row[] =>
  [0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f].map((n) => op("NOP Eb", `0F ${hex(n)} /r`, "", "raw", "hintRm"));

// biome-ignore format: one row a line
export const SYSTEM = family("System", "system", "[SDM] vol. 2", [
  op("MOV Rq C",     "0F 20 /r", "", "raw",     "movFromCr"),
  op("MOV Rq D",     "0F 21 /r", "", "raw",     "movFromDr"),
  op("MOV C Rq",     "0F 22 /r", "", "raw end", "movToCr"),
  op("MOV D Rq",     "0F 23 /r", "", "raw end", "movToDr"),
  op("SMSW Ev",      "0F 01 /4", "", "raw",     "smsw"),
  op("LMSW Ew",      "0F 01 /6", "", "st end cpl0", "lmsw"),
  op("CLTS",         "0F 06",    "", "raw end cpl0", "clts"),
  op("INVLPG Ma",    "0F 01 /7", "", "raw end cpl0", "invlpg"),
  op("INVPCID Gq Ma", "66 0F 38 82 /r", "", "raw end cpl0 f:invpcid", "invpcid"),
  op("INVD",         "0F 08",    "", "raw end cpl0", "cacheNop"),
  op("WBINVD",       "0F 09",    "", "raw end cpl0", "cacheNop"),
  op("CLFLUSH Ma",   "NP 0F AE /7", "", "raw f:clfsh",      "flushLine"),
  op("CLFLUSHOPT Ma", "66 0F AE /7", "", "raw f:clflushopt", "flushLine"),
  op("CLWB Ma",      "66 0F AE /6", "", "raw f:clwb",       "flushLine"),
  op("LFENCE",       "NP 0F AE E8+", "", "raw f:sse2", "fence"),
  op("MFENCE",       "NP 0F AE F0+", "", "raw f:sse2", "fence"),
  op("SFENCE",       "NP 0F AE F8+", "", "raw f:sse",  "fence"),
  op("PREFETCHW Eb", "0F 0D /r", "", "raw f:prefetchw", "hintRm"),
  ...hints(),
  op("PAUSE",        "F3 90",    "", "raw",     "pause"),
  op("RDMSR",        "0F 32",    "", "raw cpl0", "rdmsr"),
  op("WRMSR",        "0F 30",    "", "raw end cpl0", "wrmsr"),
  op("CPUID",        "0F A2",    "", "raw end", "cpuid"),
  op("RDTSC",        "0F 31",    "", "raw",     "rdtsc"),
  op("RDTSCP",       "0F 01 F9", "", "raw f:rdtscp", "rdtscp"),
  op("RDPMC",        "0F 33",    "", "raw",     "rdpmc"),
  op("RDPID Rq",     "F3 0F C7 /7", "", "raw f:rdpid", "rdpid"),
  op("RDRAND Rv",    "0F C7 /6", "00000m", "raw f:rdrand", "rdrand"),
  op("RDSEED Rv",    "0F C7 /7", "00000m", "raw f:rdseed", "rdrand"),
  op("MONITOR",      "NP 0F 01 C8", "", "raw f:monitor", "monitor"),
  op("MWAIT",        "NP 0F 01 C9", "", "raw f:monitor", "mwait"),
  op("CLAC",         "NP 0F 01 CA", "", "raw f:smap", "clac"),
  op("STAC",         "NP 0F 01 CB", "", "raw f:smap", "stac"),
  op("VMCALL",       "NP 0F 01 C1", "", "raw end", "vmcall"),
  op("VMMCALL",      "0F 01 D9", "", "raw end", "vmcall"),
  op("SWAPGS",       "0F 01 F8", "", "raw only64", "swapgs"),
  op("RDFSBASE Ry",  "F3 0F AE /0", "", "raw only64 f:fsgsbase", "rdfsbase"),
  op("RDGSBASE Ry",  "F3 0F AE /1", "", "raw only64 f:fsgsbase", "rdgsbase"),
  op("WRFSBASE Ry",  "F3 0F AE /2", "", "raw only64 f:fsgsbase", "wrfsbase"),
  op("WRGSBASE Ry",  "F3 0F AE /3", "", "raw only64 f:fsgsbase", "wrgsbase"),
  // RSM outside system-management mode, GETSEC, UD2, UD1, UD0
  ud("0F AA"),
  ud("0F 37"),
  ud("0F 0B"),
  ud("0F B9"),
  ud("0F FF"),
]);

// biome-ignore format: one row a line
export const SYSCALL = family("Fast system calls", "syscall", "[SDM] vol. 2, SYSCALL, SYSRET, SYSENTER, SYSEXIT", [
  op("SYSCALL",  "0F 05", "tttttt", "raw branch",   "syscall"),
  op("SYSRET",   "0F 07", "mmmmmm", "raw branch y", "sysret"),
  op("SYSENTER", "0F 34", "", "raw branch",         "sysenter"),
  op("SYSEXIT",  "0F 35", "", "raw branch y",       "sysexit"),
]);
