/** Random short programs of integer instructions, as source text, and random states to run them from. */
import type { Random } from "../support/random.js";

type Bits = 8 | 16 | 32 | 64;

const WIDE = ["rax", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r12", "r15"];
const NARROW: Readonly<Record<string, readonly [string, string, string]>> = {
  rax: ["eax", "ax", "al"],
  rcx: ["ecx", "cx", "cl"],
  rdx: ["edx", "dx", "dl"],
  rsi: ["esi", "si", "sil"],
  rdi: ["edi", "di", "dil"],
  rbp: ["ebp", "bp", "bpl"],
};
const HIGH = ["ah", "ch", "dh"];
const LOW = ["al", "cl", "dl"];
const POINTER: Readonly<Record<Bits, string>> = { 8: "byte", 16: "word", 32: "dword", 64: "qword" };
const CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];

function register(random: Random, bits: Bits): string {
  const wide = random.pick(WIDE);
  if (bits === 64) return wide;
  const names = NARROW[wide];
  if (names) return names[bits === 32 ? 0 : bits === 16 ? 1 : 2];
  return `${wide}${bits === 32 ? "d" : bits === 16 ? "w" : "b"}`;
}

/** RBX points to memory; R15's low values make it an index. */
const memory = (random: Random, bits: Bits): string =>
  `${POINTER[bits]} ptr [rbx ${random.once(2) ? "+" : "-"} ${random.once(3) ? random.below(64) : random.below(8) * 8}]`;

function immediate(random: Random, bits: Bits): string {
  if (random.once(2)) return String(random.below(256) - 128);
  const v = random.u32();
  return bits === 8 ? String(v & 0xff) : bits === 16 ? String(v & 0xffff) : String(v | 0);
}

/** What sets all flags or most of them, and what changes few and keeps the rest. */
const SETTERS = ["add", "adc", "sub", "sbb", "xor", "imul"].map((n) => `${n} Gv, Ev`);
const KEPT_FROM = [...SETTERS, "inc Ev", "dec Ev", "neg Ev", "shl Gv, b", "sar Gv, 1", "shld Gv, Gv, b", "bsf Gv, Gv"];
const KEEPERS = [
  "bsf Gv, Ev",
  "tzcnt Gv, Ev",
  "bt Ev, b",
  "rol Gv, 3",
  "rcr Gv, 1",
  "inc Gv",
  "stc",
  "cmc",
  "lahf",
  "sahf",
];

/** Whose flags are put off when soon all are set anew, though what lies between may fault: alone, and two of them. */
const PUT_OFF = [
  "inc G",
  "dec E",
  "rol E, 3",
  "ror G, 1",
  "rol G, cl",
  "bsf Gv, Ev",
  "bsr Gv, Gv",
  "tzcnt Gv, Ev",
  "lzcnt Gv, Gv",
];
const MAY_FAULT = [
  "mov G, M",
  "mov M, G",
  "mov G, [rbx + 7000]",
  "pop rdx",
  "cmp G, M",
  "shl E, cl",
  "lea rsp, [rbx + 7800]; push rcx",
  "shl Gv, cl; movzx ebp, dl; bt Mv, Bv",
];

/**
 * Patterns by semantic. Operand sizes: of E, G, M and I together 8 to 64 bits, of Ev 16 to 64, of Ey 32 or 64. E is a
 * register or memory, G a register, M memory, I an immediate, b an immediate byte.
 */
export const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  alu: ["add", "or", "and", "sub", "xor", "cmp", "adc", "sbb"].flatMap((n) => [`${n} E, G`, `${n} G, M`, `${n} E, I`]),
  unary: ["inc E", "dec E", "neg E", "not E", "test E, G", "test E, I"],
  shift: ["shl", "shr", "sar"].flatMap((n) => [`${n} E, b`, `${n} E, b`, `${n} E, 1`, `${n} E, cl`]),
  rotate: ["rol", "ror", "rcl", "rcr"].flatMap((n) => [`${n} E, b`, `${n} E, 1`, `${n} E, cl`]),
  double: ["shld", "shrd"].flatMap((n) => [`${n} Ev, Gv, b`, `${n} Ev, Gv, cl`]),
  bmiShift: ["shlx Gy, Ey, Gy", "shrx Gy, Ey, Gy", "sarx Gy, Ey, Gy", "rorx Gy, Ey, b"],
  multiply: ["mul E", "imul E", "imul Gv, Ev", "imul Gv, Ev, Iv", "mulx Gy, Gy, Ey"],
  divide: ["div E", "idiv E", "xor edx, edx; div Ey", "cqo; idiv Ey", "cdq; idiv E", "movzx eax, al; div E"],
  bit: ["bt", "bts", "btr", "btc"].flatMap((n) => [`${n} Ev, Gv`, `${n} Ev, b`]),
  nearBit: ["bt", "bts", "btr", "btc"].map((n) => `movzx ebp, cl; ${n} Mv, Bv`),
  scan: ["bsf Gv, Ev", "bsr Gv, Ev", "tzcnt Gv, Ev", "lzcnt Gv, Ev", "popcnt Gv, Ev"],
  field: ["andn Gy, Gy, Ey", "blsr Gy, Ey", "blsi Gy, Ey", "blsmsk Gy, Ey", "bextr Gy, Ey, Gy", "bzhi Gy, Ey, Gy"],
  lock: [
    ...["add", "or", "and", "sub", "xor", "adc"].flatMap((n) => [`lock ${n} M, G`, `lock ${n} M, I`]),
    ...["inc", "dec", "neg", "not"].map((n) => `lock ${n} M`),
    ...["bts", "btr", "btc"].flatMap((n) => [`lock ${n} Mv, b`, `movzx ebp, cl; lock ${n} Mv, Bv`]),
  ],
  exchange: [
    ...["xadd", "cmpxchg"].flatMap((n) => [`${n} E, G`, `lock ${n} M, G`]),
    "mov A, M; cmpxchg M, G",
    "xchg M, G",
    "xchg G, G",
  ],
  flag: ["pushfq", "pushfq; pop rax", "mov Gv, ds", "clc", "stc", "cmc", "cld", "std", "lahf", "sahf", "cld"],
  kept: KEPT_FROM.flatMap((set) => KEEPERS.map((keep) => `${set}; ${keep}`)),
  unknown: KEPT_FROM.flatMap((set) =>
    ["inc E", "dec G", "adc E, G", "sbb G, M", "rcl G, 1"].map((next) => `${set}; jz OUT; js 1f; 1: ${next}`),
  ),
  putOff: PUT_OFF.flatMap((first) => [
    ...MAY_FAULT.map((between) => `js 1f; 1: ${first}; ${between}; sub G, G`),
    ...PUT_OFF.map((second) => `sub G, G; jz OUT; ${first}; mov G, M; ${second}; mov G, [rbx + 7000]; and E, G`),
  ]),
  // INC and DEC take the carry of what is put off; all their flags are seen.
  stepped: PUT_OFF.flatMap((first) =>
    ["inc G", "dec E", "inc E; dec G"].flatMap((step) => [
      `js 1f; 1: ${first}; ${step}`,
      `js 1f; 1: ${first}; ${step}; jbe OUT`,
      ...MAY_FAULT.map((between) => `js 1f; 1: ${first}; ${between}; ${step}`),
    ]),
  ),
  string: ["mov rdi, rbx; stosN", "mov rsi, rbx; lodsN", "lea rsi, [rbx + 32]; mov rdi, rbx; movsN"],
  move: ["mov G, E", "mov E, G", "lea Gv, [rbx + 8*rcx + 5]", "movzx Gv, al", "movsx Gv, cx", "nop", "bswap Gy"],
  condition: CONDITIONS.flatMap((cc) => [`set${cc} al`, `set${cc} byte ptr [rbx]`, `cmov${cc} Gv, Ev`, `j${cc} OUT`]),
};

/** Replaces the pattern's operand letters, all with one size. */
export function instance(pattern: string, random: Random): string {
  const low: Bits = /\b[EGMBI]y\b/.test(pattern) ? 32 : /\b[EGMBI]v\b|bswap/.test(pattern) ? 16 : 8;
  const sizes: readonly Bits[] = low === 8 ? [8, 16, 32, 64] : low === 16 ? [16, 32, 64] : [32, 64];
  const bits = random.pick(sizes);
  // No prefix that makes SIL and R8B possible goes with AH; byte registers are taken from one of the two sets.
  const old = bits === 8 && random.once(2);
  let memoryUsed = false;
  const reg = (): string => (old ? random.pick([...HIGH, ...LOW]) : register(random, bits));
  return pattern
    .replace(/\b(?:([EGMBIA])[vy]?|b|N)\b/g, (token, letter: string | undefined) => {
      if (token === "b") return String(random.once(4) ? random.below(256) : random.below(66));
      if (letter === "I") return immediate(random, bits);
      if (letter === "B") return bits === 64 ? "rbp" : bits === 32 ? "ebp" : "bp";
      if (letter === "A") return bits === 64 ? "rax" : bits === 32 ? "eax" : bits === 16 ? "ax" : "al";
      if (letter === "M" || (letter === "E" && !memoryUsed && random.once(3))) {
        memoryUsed = true;
        return memory(random, bits);
      }
      return reg();
    })
    .replace(/(stos|lods|movs)N/, (_, name: string) => `${name}${"bwdq"[Math.log2(bits) - 3]}`);
}

/** A program of `length` patterns, `first` among them; OUT is where it ends. */
export function program(first: string, length: number, random: Random): string {
  const names = Object.keys(PATTERNS);
  const at = random.below(length);
  const lines: string[] = [];
  for (let k = 0; k < length; k++) {
    const pattern = k === at ? first : random.pick(PATTERNS[random.pick(names)]!);
    lines.push(instance(pattern, random));
  }
  return lines.join("; ");
}

const CORNERS = [0n, 1n, 2n, 3n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn];

/** A register's value: corner cases, small numbers, and noise. */
export function value(random: Random): bigint {
  switch (random.below(5)) {
    case 0:
      return random.pick(CORNERS);
    case 1:
      return BigInt.asUintN(64, -random.pick(CORNERS));
    case 2:
      return BigInt(random.below(300));
    case 3:
      return (random.pick(CORNERS) << 32n) | random.pick(CORNERS);
    default:
      return random.u64();
  }
}
