/**
 * Operands of Intel syntax: registers, `dword ptr fs:[rbx + 4*rcx + table]`, far pointers `8:target`, expressions. What
 * GNU's disassembler prints is read as well, so that its text can be assembled back.
 */
import { type Expression, parseExpression, SyntaxFault } from "./expression.js";
import { type Register, registerNamed, SEGMENT_PREFIXES } from "./registers.js";

export interface RegisterOperand {
  readonly type: "register";
  readonly register: Register;
}

export interface MemoryOperand {
  readonly type: "memory";
  /** 0 when the source does not say. */
  readonly bits: number;
  readonly segment?: number;
  readonly base?: Register;
  readonly index?: Register;
  readonly scale: number;
  readonly displacement: Expression;
  /** `[rel x]`: the distance to x; `[rip + 8]` gives the distance itself. */
  readonly relative: "no" | "target" | "distance";
  /** After `[eip + ...]`: 32. */
  readonly relativeBits?: number;
  /** After `far`: a far pointer in memory. */
  readonly far: boolean;
}

export interface ImmediateOperand {
  readonly type: "immediate";
  readonly value: Expression;
  /** `short` or `near` of a branch. */
  readonly distance?: "short" | "near";
  /** `dword 8` and the like. */
  readonly bits: number;
}

export interface FarOperand {
  readonly type: "far";
  readonly selector: Expression;
  readonly offset: Expression;
  readonly bits: number;
}

export type SourceOperand = RegisterOperand | MemoryOperand | ImmediateOperand | FarOperand;

const SIZES: Record<string, number> = {
  byte: 8,
  word: 16,
  dword: 32,
  fword: 48,
  qword: 64,
  tbyte: 80,
  xmmword: 128,
  oword: 128,
};
const ZERO = parseExpression("0");

/** Splits at commas outside brackets and quotes. */
export function splitOperands(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let quote = "";
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quote !== "") {
      if (c === "\\") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'") quote = c;
    else if (c === "[" || c === "(") depth++;
    else if (c === "]" || c === ")") depth--;
    else if (c === "," && depth === 0) {
      out.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  if (last !== "" || out.length > 0) out.push(last);
  return out;
}

/** Terms of an address, each with its sign. Parenthesised parts stay whole. */
function terms(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let current = "";
  for (const c of text) {
    if (c === "(") depth++;
    if (c === ")") depth--;
    if ((c === "+" || c === "-") && depth === 0 && current.trim() !== "") {
      out.push(current);
      current = c;
    } else current += c;
  }
  return [...out, current];
}

interface Address {
  base?: Register;
  index?: Register;
  scale: number;
}

function addRegister(a: Address, register: Register, scale: number, text: string): void {
  if (scale === 1 && a.base === undefined) a.base = register;
  else if (a.index === undefined) {
    a.index = register;
    a.scale = scale;
  } else throw new SyntaxFault(`[${text}] has too many registers`);
}

/** The stack pointer cannot be an index; two registers of scale 1 may change places. */
function placeStackPointer(a: Address, text: string): void {
  if (a.index?.number !== 4 || a.index.bits === 16) return;
  if (a.scale !== 1 || a.base === undefined) throw new SyntaxFault(`[${text}]: the stack pointer cannot be an index`);
  const { base } = a;
  a.base = a.index;
  a.index = base;
}

/** 16-bit addressing takes BX or BP first, then SI or DI. */
function orderShort(a: Address): void {
  if (a.base?.bits === 16 && a.index && (a.base.number === 6 || a.base.number === 7)) {
    const { base } = a;
    a.base = a.index;
    a.index = base;
  }
}

type Parsed = Pick<MemoryOperand, "base" | "index" | "scale" | "displacement" | "relative" | "relativeBits">;

function parseAddress(text: string): Parsed {
  const rel = /^\s*rel\s+(.*)$/is.exec(text);
  if (rel) return { scale: 1, displacement: parseExpression(rel[1]!), relative: "target" };
  const a: Address = { scale: 1 };
  const rest: string[] = [];
  let relative: Pick<MemoryOperand, "relative" | "relativeBits"> = { relative: "no" };
  for (const term of terms(text)) {
    const body = term.replace(/^\s*\+/, "").trim();
    const product = /^(?:([1248])\s*\*\s*(\w+)|(\w+)\s*\*\s*([1248]))$/.exec(body);
    const scaled = product && registerNamed((product[2] ?? product[3])!.toLowerCase());
    const plain = registerNamed(body.toLowerCase());
    if (scaled?.class === "gpr") {
      // `rsi*1` names the index, as GNU's disassembler prints it.
      if (a.index !== undefined) throw new SyntaxFault(`[${text}] has two indexes`);
      a.index = scaled;
      a.scale = Number(product![1] ?? product![4]);
    } else if (plain?.class === "gpr") addRegister(a, plain, 1, text);
    else if (plain?.class === "rip") relative = { relative: "distance", relativeBits: plain.bits };
    else if (/^[er]iz(\*\d)?$/i.test(body)) continue;
    else rest.push(term);
  }
  placeStackPointer(a, text);
  orderShort(a);
  const displacement = rest.length === 0 ? ZERO : parseExpression(rest.join(""));
  return { ...a, displacement, ...relative };
}

const MEMORY = /^(?:([efdcgs]s)\s*:\s*)?\[(.*)\]$/is;
const ABSOLUTE = /^([efdcgs]s)\s*:\s*(.+)$/is;

function parseMemory(text: string, bits: number, far: boolean): MemoryOperand | undefined {
  const m = MEMORY.exec(text);
  if (m) {
    const inner = /^\s*([efdcgs]s)\s*:(.*)$/is.exec(m[2]!);
    const name = m[1] ?? inner?.[1];
    const segment = name === undefined ? undefined : SEGMENT_PREFIXES[registerNamed(name.toLowerCase())!.number]!;
    return {
      type: "memory",
      bits,
      far,
      ...(segment === undefined ? {} : { segment }),
      ...parseAddress(inner?.[2] ?? m[2]!),
    };
  }
  const absolute = ABSOLUTE.exec(text);
  if (!absolute) return undefined;
  const register = registerNamed(absolute[1]!.toLowerCase())!;
  const segment = absolute[1]!.toLowerCase() === "ds" ? {} : { segment: SEGMENT_PREFIXES[register.number]! };
  return {
    type: "memory",
    bits,
    far,
    ...segment,
    scale: 1,
    displacement: parseExpression(absolute[2]!),
    relative: "no",
  };
}

/** Reads one operand. */
export function parseOperand(source: string): SourceOperand {
  let text = source.trim();
  let bits = 0;
  let far = false;
  let distance: "short" | "near" | undefined;
  for (let m = /^(\w+)\b\s*(.*)$/s.exec(text); m; m = /^(\w+)\b\s*(.*)$/s.exec(text)) {
    const word = m[1]!.toLowerCase();
    if (SIZES[word] !== undefined) bits = SIZES[word];
    else if (word === "far") far = true;
    else if (word === "short" || word === "near") distance = word;
    else if (word !== "ptr" || bits === 0) break;
    text = m[2]!;
  }
  const register = registerNamed(text.toLowerCase().replace(/\s/g, ""));
  if (register) return { type: "register", register };
  const memory = parseMemory(text, bits, far || bits === 48);
  if (memory) return memory;
  const pointer = /^([^:']+):(.+)$/s.exec(text);
  if (pointer)
    return { type: "far", bits, selector: parseExpression(pointer[1]!), offset: parseExpression(pointer[2]!) };
  return { type: "immediate", bits, value: parseExpression(text), ...(distance ? { distance } : {}) };
}
