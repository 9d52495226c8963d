/** Register names, as the assembler reads and the disassembler writes them. */

export type RegisterClass = "gpr" | "seg" | "cr" | "dr" | "xmm" | "mm" | "st" | "rip";

export interface Register {
  readonly class: RegisterClass;
  /** Number as encode.ts takes it: AH CH DH BH are 20 to 23. */
  readonly number: number;
  readonly bits: number;
}

const WORD = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const LOW = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const HIGH = ["ah", "ch", "dh", "bh"];
export const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
/** Override prefixes, in the order of SEGMENTS. */
export const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;
/** First number of the high byte registers, minus their place in the encoding. */
const HIGH_BYTE = 16;

const REGISTERS = new Map<string, Register>();

function define(name: string, kind: RegisterClass, number: number, bits: number): void {
  REGISTERS.set(name, { class: kind, number, bits });
}

/** Name of general register `number` in `bits`. */
export function gprName(number: number, bits: number): string {
  if (number >= HIGH_BYTE) return HIGH[number - HIGH_BYTE - 4]!;
  if (number >= 8) return `r${number}${{ 8: "b", 16: "w", 32: "d" }[bits] ?? ""}`;
  if (bits === 8) return LOW[number]!;
  const name = WORD[number]!;
  return bits === 16 ? name : `${bits === 32 ? "e" : "r"}${name}`;
}

for (let n = 0; n < 16; n++) {
  for (const bits of [8, 16, 32, 64]) define(gprName(n, bits), "gpr", n, bits);
  define(`xmm${n}`, "xmm", n, 128);
  define(`cr${n}`, "cr", n, 64);
  define(`dr${n}`, "dr", n, 64);
}
for (let n = 0; n < 8; n++) {
  define(`mm${n}`, "mm", n, 64);
  define(`st(${n})`, "st", n, 80);
}
for (let n = 4; n < 8; n++) define(gprName(HIGH_BYTE + n, 8), "gpr", HIGH_BYTE + n, 8);
SEGMENTS.forEach((name, n) => {
  define(name, "seg", n, 16);
});
define("st", "st", 0, 80);
define("rip", "rip", 0, 64);
define("eip", "rip", 0, 32);

export const registerNamed = (name: string): Register | undefined => REGISTERS.get(name);
