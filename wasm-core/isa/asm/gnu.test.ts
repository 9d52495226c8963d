/**
 * The assembler and the disassembler against GNU's disassembler: every row of the table with random operands, in all
 * three modes. What we disassemble must read as GNU's text does, and GNU's text must assemble to the same instruction.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { encode, type Memory, type Parts } from "../encode.js";
import { matchOf } from "../encoding.js";
import type { Family, Row } from "../row.js";
import { loadTable } from "../table.js";
import { hasTwoForms, variantsOf } from "../variants.js";
import { Assembler, Disassembler, type Mode } from "./index.js";
import { namesOf, visibleOperands, wordInMemory } from "./names.js";

const SLOT = 16;
const ROUNDS = 3;
const ORIGIN = 0x100000;
const MODES: readonly Mode[] = [16, 32, 64];
const MACHINE = { 16: ["-m", "i8086"], 32: ["-m", "i386"], 64: ["-m", "i386:x86-64"] } as const;
const INSTALL =
  "objdump was not found. Install GNU binutils (Debian: apt install binutils; macOS: brew install binutils)";

/** What GNU's disassembler does not know, or shows as something else on purpose. */
const DIFFERENT = new Set([
  "UD",
  "FCOM2",
  "FCOMP3",
  "FCOMP5",
  "FXCH4",
  "FXCH7",
  "FSTP1",
  "FSTP8",
  "FSTP9",
  "FFREEP",
  "SALC",
  "FNENI",
  "FNDISI",
  "FNSETPM",
  "XCHG/nop",
]);
/** 0F 18 to 0F 1E: prefetches and reserved no-operations. */
const HINT = /^0F (0D|1[89A-F]) \/r$/;

class Random {
  #state = 0x2545f491;
  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }
  bits(n: number): bigint {
    return BigInt.asUintN(n, (BigInt(this.below(2 ** 32)) << 32n) | BigInt(this.below(2 ** 32)));
  }
}

const random = new Random();

function randomMemory(mode: Mode, addressSize: number): Memory {
  const disp = [0, 8, -16, 0x1234][random.below(4)]!;
  if (addressSize === 16) {
    const forms: Memory[] = [
      { base: 3, index: 6, disp },
      { base: 5, index: 7, disp },
      { base: 6, disp },
      { base: 5, disp },
      { disp: 0x1234 },
    ];
    return forms[random.below(forms.length)]!;
  }
  const registers = mode === 64 ? 16 : 8;
  const index = random.below(registers);
  const withIndex = index === 4 || random.below(2) === 0 ? {} : { index, scale: 1 << random.below(4) };
  if (mode === 64 && random.below(6) === 0) return { ripRelative: true, disp: 0x1234 };
  return { base: random.below(registers), disp, ...withIndex };
}

/** A register number that the row's kind of register has. */
function randomRegister(row: Row, kinds: string, mode: Mode): number {
  const o = row.operands.find((x) => kinds.includes(x.kind) || (x.kind === "STi" && kinds.includes("E")));
  if (o === undefined) return 0;
  if (o.kind === "S") return [0, 2, 3, 4, 5][random.below(5)]!;
  if (o.kind === "C") return [0, 2, 3, 4][random.below(4)]!;
  if (o.kind === "STi") return 1 + random.below(7);
  if (o.kind === "P" || o.kind === "Q" || o.kind === "N" || o.kind === "D") return random.below(8);
  const n = random.below(mode === 64 ? 16 : 8);
  // Low byte registers of the legacy encodings are AH to BH.
  return o.size === "b" && mode !== 64 && n >= 4 ? n + 16 : n;
}

function randomParts(row: Row, mode: Mode, size: 0 | 16 | 32 | 64, form: "mem" | "reg"): Parts {
  const address67 = random.below(5) === 0;
  const addressSize = !address67 ? mode : mode === 32 ? 16 : 32;
  const match = matchOf(row);
  const memory = match.hasModrm && form === "mem" ? { memory: randomMemory(mode, addressSize) } : {};
  const short = row.encoding === "90+" ? { reg: 1 + random.below(7) } : { reg: randomRegister(row, "GVPSCDZ", mode) };
  return {
    mode,
    size,
    ...short,
    ...memory,
    rm: randomRegister(row, "ERMWUQN", mode),
    ...(row.operands.some((o) => o.kind === "B" || o.kind === "H") ? { vvvv: random.below(mode === 64 ? 16 : 8) } : {}),
    immediates: row.operands
      .filter((o) => "IJOA".includes(o.kind))
      .map((o) => (o.size === "b" ? 0x40n | random.bits(5) : random.bits(o.size === "p" ? 48 : 31))),
    address67: address67 && form === "mem" && match.hasModrm,
  };
}

interface Case {
  readonly row: Row;
  readonly parts: Parts;
  readonly bytes: Uint8Array;
}

function usable(row: Row, mode: Mode): boolean {
  if (DIFFERENT.has(row.mnemonic) || HINT.test(row.encoding)) return false;
  if (row.notes.has("no64") && mode === 64) return false;
  if (row.notes.has("only64") && mode !== 64) return false;
  // VEX needs the two high ModRM bits outside 64-bit mode, which the encoder gives; 16-bit code cannot have it at all.
  if (row.encoding.startsWith("VEX") && mode === 16) return false;
  return !/^(82 |F6 \/1|F7 \/1|[CD][0-3] \/6)/.test(row.encoding);
}

/** Whether the text tells the size; where it does not, GNU's has prefixes and suffixes of its own for the unusual one. */
function sizeShows(row: Row, mode: Mode, size: 0 | 16 | 32 | 64): boolean {
  if (size === 0) return true;
  if (size === 64 && (mode !== 64 || row.mnemonic === "INS" || row.mnemonic === "OUTS")) return false;
  // GNU shows AMD's reading of the 16-bit form, which loads 32 bits.
  if (row.mnemonic === "MOVSXD" && size === 16) return false;
  const stack = row.notes.has("f64") || row.notes.has("d64");
  const usual = mode !== 64 ? mode : stack ? 64 : 32;
  if (size === usual || (mode !== 64 && size === 32 && !variantsOf(row).some((v) => v.size === 16))) return true;
  if (row.notes.has("f64") || (row.notes.has("d64") && mode === 64 && size === 32)) return false;
  if (wordInMemory(row) || row.mnemonic === "LAR" || row.mnemonic === "LSL") return false;
  const named = namesOf(row, size).some((n) => !namesOf(row, usual).includes(n));
  return named || visibleOperands(row).some((o) => "vy".includes(o.size || "-") && o.kind !== "I");
}

function casesOf(table: readonly Family[], mode: Mode): Case[] {
  const out: Case[] = [];
  for (const row of table.flatMap((f) => f.rows).filter((r) => usable(r, mode))) {
    for (const v of variantsOf(row)) {
      if (v.rep !== 0 || v.lock) continue;
      if (!sizeShows(row, mode, v.size)) continue;
      const forms = hasTwoForms(row) ? v.form : (matchOf(row).form ?? v.form);
      for (let n = 0; n < ROUNDS; n++) {
        const parts = randomParts(row, mode, v.size, forms);
        out.push({ row, parts, bytes: encode(row, parts) });
      }
    }
  }
  return out;
}

/** GNU's text by slot. */
function gnuText(cases: readonly Case[], mode: Mode): string[] {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-asm-"));
  try {
    const image = new Uint8Array(cases.length * SLOT).fill(0x90);
    for (const [i, c] of cases.entries()) image.set(c.bytes, i * SLOT);
    writeFileSync(join(folder, "code"), image);
    const args = [
      "-D",
      "-b",
      "binary",
      ...MACHINE[mode],
      "-M",
      "intel",
      "--no-show-raw-insn",
      `--adjust-vma=${ORIGIN}`,
      join(folder, "code"),
    ];
    const out = execFileSync("objdump", args, { encoding: "utf8", maxBuffer: 1 << 28 });
    const lines = new Map<number, string>();
    for (const m of out.matchAll(/^\s*([0-9a-f]+):\t(.*)$/gm)) lines.set(Number.parseInt(m[1]!, 16), m[2]!);
    return cases.map((_, i) => lines.get(ORIGIN + i * SLOT) ?? "(none)");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Memory operands whose size GNU shows although it means nothing, or does not show. */
const UNSIZED = /^((?:bound|lddqu|invlpg|clflush|clflushopt|clwb|invpcid)\b.*?)\w+ PTR (.*)/;
/** GNU shows the size where MOV has a ModRM byte, and not where it is the accumulator's short form. */
const ABSOLUTE = /^(mov (?:[er]?ax,|al,)?)\w+ PTR (\w\w:0x[0-9a-f]+(?:,[er]?ax|,al)?)$/;
const BRANCH = /^(j\w+|call|loop\w*) 0x([0-9a-f]+)$/;
const STRING_SIZE: Record<string, string> = { BYTE: "b", WORD: "w", DWORD: "d", QWORD: "q" };

/** Brings both texts to one form: string instructions by suffix, no spaces, no comment. */
function normalize(text: string): string {
  const plain = text
    .replace(/\s*[#<].*$/, "")
    .replace(/\s+/g, " ")
    .replace(/, /g, ",")
    .trim()
    .replace(/^([sl][gi]dt)[wd]/, "$1")
    .replace(/^(sysret|sysexit)d/, "$1")
    .replace(/^xlat .*/, "xlatb")
    .replace("OWORD", "XMMWORD")
    .replace(ABSOLUTE, "$1$2")
    .replace(UNSIZED, "$1$2");
  const string = /^((?:rep\w* )?)(movs|cmps|stos|lods|scas|ins|outs) .*?(BYTE|WORD|DWORD|QWORD) PTR/.exec(plain);
  if (string) return `${string[1]}${string[2]}${STRING_SIZE[string[3]!]}`;
  return plain;
}

/** GNU does not wrap branch targets around the segment of 16-bit code. */
const wrapped = (text: string): string =>
  text.replace(BRANCH, (_, name: string, to: string) => `${name} 0x${(Number.parseInt(to, 16) & 0xffff).toString(16)}`);

describe.each(MODES)("%i-bit code", (mode) => {
  let table: Family[];
  let cases: Case[];
  let gnu: string[];

  beforeAll(async () => {
    table = await loadTable();
    cases = casesOf(table, mode);
    try {
      gnu = gnuText(cases, mode).map((t) => (mode === 16 ? wrapped(normalize(t)) : normalize(t)));
    } catch (e) {
      throw new Error(`${INSTALL}: ${(e as Error).message}`);
    }
  });

  it("disassembles as GNU does", () => {
    const disassembler = new Disassembler(table);
    const wrong: string[] = [];
    cases.forEach(({ row, bytes }, i) => {
      const ours = normalize(disassembler.line(bytes, 0, mode, BigInt(ORIGIN + i * SLOT)).text);
      if (ours !== gnu[i])
        wrong.push(
          `${row.mnemonic} (${row.encoding}) ${Buffer.from(bytes).toString("hex")}: "${ours}", GNU: "${gnu[i]}"`,
        );
    });
    expect(wrong).toEqual([]);
  });

  it("assembles what GNU disassembles to the same instruction", () => {
    const assembler = new Assembler(table);
    const disassembler = new Disassembler(table);
    const wrong: string[] = [];
    cases.forEach(({ row, bytes }, i) => {
      const address = mode === 16 ? (ORIGIN + i * SLOT) & 0xffff : ORIGIN + i * SLOT;
      try {
        const again = assembler.assemble(`.code${mode}\n${gnu[i]}`, { origin: address }).bytes;
        const text = normalize(disassembler.line(again, 0, mode, BigInt(address)).text);
        if (text !== gnu[i]) wrong.push(`${gnu[i]}: assembled to ${Buffer.from(again).toString("hex")}, ${text}`);
      } catch (e) {
        wrong.push(
          `${gnu[i]} (${row.encoding} ${visibleOperands(row).map((o) => o.kind + o.size)} ${Buffer.from(bytes).toString("hex")}): ${(e as Error).message}`,
        );
      }
    });
    expect(wrong).toEqual([]);
  });
});
