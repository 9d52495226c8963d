/**
 * Writes what the interpreter's handlers consist of: for every variant of every row the check of the row's gates, the fetch of
 * its operands, the call of its semantic and the write of the result. Shapes and operand kinds are those of row.ts.
 */
import type { Operand, Row } from "../row.js";
import { bitsOf, type Variant } from "../variants.js";

const POINTER_KINDS = new Set(["V", "W", "U", "H", "P", "Q", "N"]);
const VALUE_KINDS = new Set(["E", "G", "M", "R", "Z", "B", "A"]);

const isPointer = (o: Operand): boolean =>
  POINTER_KINDS.has(o.kind) || (o.kind === "M" && (o.size === "x" || o.size === "t"));
const isAddressOnly = (o: Operand): boolean =>
  o.size === "a" ||
  o.kind === "X" ||
  o.kind === "Y" ||
  (o.kind === "A" && o.size === "p") ||
  (o.kind === "M" && o.size === "p");
const isMemory = (o: Operand, v: Variant): boolean =>
  o.kind === "M" || o.kind === "O" || ((o.kind === "E" || o.kind === "W" || o.kind === "Q") && v.form === "mem");

const uint = (bits: number): string => `u${bits}`;

/** Type argument of the semantic in this variant, or "" when it takes none. */
function typeArgument(row: Row, v: Variant): string {
  const generic = v.size !== 0;
  if (generic) return `<${uint(v.size)}>`;
  if (!row.notes.has("T")) return "";
  const first = row.operands[0];
  return first === undefined ? "" : `<${uint(bitsOf(first, v))}>`;
}

/** The function's name says what it does: leaf number, mnemonic, operands, size, form, prefixes. */
export function handlerName(leaf: number, row: Row, v: Variant): string {
  const operands = row.operands.map((o) => `_${o.kind}${o.size}`).join("");
  const size = v.size === 0 ? "" : `_${v.size}`;
  const rep = v.rep === 0 ? "" : v.rep === 1 ? "_rep" : "_repne";
  return `h${leaf}_${row.mnemonic}${operands}${size}_${v.form === "mem" ? "m" : "r"}${v.lock ? "_lock" : ""}${rep}`;
}

function gates(row: Row): string[] {
  const out: string[] = [];
  if (row.notes.has("cpl0")) out.push("if (cpu.cpl != 0) return raiseError(cpu, Vector.GP, 0);");
  if (row.notes.has("fpu")) out.push("if (cpu.fpuBlocked) return raiseFpuBlock(cpu, max<u32>(cpu.fpuBlocked, 2));");
  if (row.notes.has("fpunw")) out.push("if (cpu.fpuBlocked && cpu.fpuBlocked != 3) return raiseFpuBlock(cpu, 2);");
  if (row.notes.has("mmx")) out.push("if (cpu.fpuBlocked) return raiseFpuBlock(cpu, cpu.fpuBlocked);");
  if (row.notes.has("sse")) out.push("if (cpu.sseBlocked) return raiseFpuBlock(cpu, cpu.sseBlocked);");
  return out;
}

/** Register offset of a by-value register operand. */
function registerOffset(o: Operand): string {
  if (o.kind === "G" || o.kind === "Z") return "rec.reg";
  if (o.kind === "A") return "0";
  if (o.kind === "B") return "(<u32>rec.imm >> 24)";
  return "rec.rm";
}

function immediate(o: Operand, v: Variant): string {
  const type = uint(v.size === 0 ? 8 : v.size);
  if (o.size === "b") return "<u8>rec.imm";
  if (o.size === "w") return "<u16>rec.imm";
  if (o.size === "v" && v.size === 64) return "imm64(rec)";
  return `<${type}>rec.imm`;
}

function vectorPointer(o: Operand): string {
  const number = o.kind === "V" || o.kind === "P" ? "rec.reg" : o.kind === "H" ? "(<u32>rec.imm >> 24)" : "rec.rm";
  return o.kind === "P" || o.kind === "Q" || o.kind === "N"
    ? `changetype<usize>(cpu) + VcpuOff.fpr + (<usize>${number} << 4)`
    : `changetype<usize>(cpu) + VcpuOff.vec + (<usize>${number} << 5)`;
}

interface Fetched {
  /** Statements before the call. */
  readonly lines: string[];
  /** Argument expressions in operand order. */
  readonly args: string[];
  /** Statements after it, given the result's name where there is one. */
  readonly after: (result: string) => string[];
  /** The value destination's type, "" when the semantic returns nothing to store. */
  readonly result: string;
}

const doorOf = (access: string): string => (access === "r" ? "READ" : access === "w" ? "WRITE" : "UPDATE");
const DOORS: Record<string, string> = { r: "memR", w: "memW", rw: "memRW" };

/** Opens the door to the memory operand: `m` becomes its pointer. */
function openMemory(o: Operand, row: Row, v: Variant, access: string): string[] {
  const bytes = bitsOf(o, v) / 8;
  if (o.kind === "O") {
    return [
      `const m = segAccess(cpu, memSeg(rec), imm64(rec), ${bytes}, Door.${doorOf(access)});`,
      "if (m == 0) return Status.FAULT;",
    ];
  }
  const aligned = bytes === 16 && !row.notes.has("unal");
  const call = aligned ? `memAligned(cpu, rec, Door.${doorOf(access)})` : `${DOORS[access]}(cpu, rec, ${bytes})`;
  return [`const m = ${call};`, "if (m == 0) return Status.FAULT;"];
}

/** Fetch of a variant's operands, for all shapes but `raw`. */
export function fetchOperands(row: Row, v: Variant): Fetched {
  const lines: string[] = [];
  const args: string[] = [];
  const after: ((r: string) => string[])[] = [];
  let result = "";
  for (const o of row.operands) {
    const bits = bitsOf(o, v);
    const type = uint(bits);
    const written = o.access !== "r";
    if (isAddressOnly(o) || o.kind === "J" || o.kind === "ST0") continue;
    if (o.kind === "STi") args.push("<u32>rec.rm");
    else if (o.kind === "CL") args.push("getReg<u8>(cpu, 8)");
    else if (o.kind === "DX") args.push("getReg<u16>(cpu, 16)");
    else if (o.kind === "1") args.push("1");
    else if (o.kind === "I") args.push(immediate(o, v));
    else if (o.kind === "S" || o.kind === "C" || o.kind === "D") args.push("<u32>rec.reg");
    else if (isMemory(o, v)) {
      lines.push(...openMemory(o, row, v, o.access));
      if (isPointer(o)) args.push("m");
      else if (o.access !== "w") args.push(`load<${type}>(m)`);
      if (written) {
        if (!isPointer(o)) result = type;
        after.push((r) => [...(isPointer(o) ? [] : [`store<${type}>(m, ${r});`]), "memDone(cpu, m);"]);
      }
    } else if (isPointer(o)) args.push(vectorPointer(o));
    else if (VALUE_KINDS.has(o.kind)) {
      const off = registerOffset(o);
      if (o.access !== "w") args.push(`getReg<${type}>(cpu, ${off})`);
      if (written) {
        result = type;
        after.push((r) => [`setReg<${type}>(cpu, ${off}, ${r});`]);
      }
    } else throw new Error(`${row.mnemonic}: operand kind ${o.kind}`);
  }
  return { lines, args, after: (r) => after.flatMap((f) => f(r)), result };
}

/** Name under which a semantic is imported: modules may share names. */
export const alias = (module: string, semantic: string): string => `${module.replaceAll("-", "_")}_${semantic}`;

function rawBody(row: Row, v: Variant, fn: string): string[] {
  const args = ["cpu", "rec"];
  if (row.operands.some((o) => o.kind === "E" || o.kind === "W" || o.kind === "Q")) args.push(String(v.form === "mem"));
  if (row.notes.has("lock")) args.push(String(v.lock));
  if (row.notes.has("rep")) args.push(String(v.rep));
  return [`return ${ending(row, `${fn}${typeArgument(row, v)}(${args.join(", ")})`)};`];
}

/** Turns NEXT into END for rows after which the block must end. */
const ending = (row: Row, status: string): string => (row.notes.has("end") ? `endBlock(${status})` : status);
const done = (row: Row): string => (row.notes.has("end") ? "return Status.END;" : "return Status.NEXT;");

/**
 * How a locked row changes memory, by its semantic: wasm's atomic and the operand of that, where `b` is the row's second.
 * The semantic is called afterwards, once, with what was there: it may write registers and read flags that it changes.
 */
const ATOMICS: Readonly<Record<string, readonly [name: string, operand: string]>> = {
  add: ["add", "b"],
  adc: ["add", "b + (cf(cpu) ? 1 : 0)"],
  sub: ["sub", "b"],
  sbb: ["sub", "b + (cf(cpu) ? 1 : 0)"],
  and: ["and", "b"],
  or: ["or", "b"],
  xor: ["xor", "b"],
  inc: ["add", "1"],
  dec: ["sub", "1"],
  not: ["xor", "-1"],
  xadd: ["add", "b"],
  xchg: ["xchg", "b"],
};
/** Others are called until nobody else wrote meanwhile: what they leave behind is from the last call, and they read no flags. */
const REPEATABLE = new Set(["neg", "btsImm", "btrImm", "btcImm"]);

/** The change of aligned memory by one atomic, or by trying until nobody else wrote meanwhile. */
function atomicChange(row: Row, type: string, call: (old: string) => string): string[] {
  const atomic = ATOMICS[row.semantic];
  if (atomic !== undefined) {
    const [name, operand] = atomic;
    return [`const old: ${type} = atomic.${name}<${type}>(m, (${operand}) as ${type});`, `${call("old")};`];
  }
  if (!REPEATABLE.has(row.semantic)) throw new Error(`${row.mnemonic}: no locked form of "${row.semantic}"`);
  return [
    `let old: ${type} = atomic.load<${type}>(m);`,
    "while (true) {",
    `  const seen: ${type} = atomic.cmpxchg<${type}>(m, old, ${call("old")});`,
    "  if (seen == old) break;",
    "  old = seen;",
    "}",
  ];
}

function lockedBody(row: Row, v: Variant, f: Fetched, fn: string): string[] {
  const type = f.result;
  const [, second] = f.args;
  const call = (old: string): string => {
    const values = second === undefined ? [old] : [old, "b"];
    return `${fn}${typeArgument(row, v)}(${["cpu", ...(row.notes.has("rec") ? ["rec"] : []), ...values].join(", ")})`;
  };
  return [
    ...f.lines,
    ...(second === undefined ? [] : [`const b = ${second};`]),
    `if (!canLock(cpu, m, sizeof<${type}>())) {`,
    "  splitLock(cpu, m);",
    `  store<${type}>(m, ${call(`load<${type}>(m)`)});`,
    "  memDone(cpu, m);",
    "  splitUnlock(cpu);",
    "  return Status.NEXT;",
    "}",
    ...atomicChange(row, type, call),
    "return Status.NEXT;",
  ];
}

function valueBody(row: Row, v: Variant, fn: string): string[] {
  const f = fetchOperands(row, v);
  if (v.lock) return v.form === "mem" ? lockedBody(row, v, f, fn) : ["return raise(cpu, Vector.UD);"];
  const args = ["cpu", ...(row.notes.has("rec") || row.notes.has("st") ? ["rec"] : []), ...f.args].join(", ");
  const call = `${fn}${typeArgument(row, v)}(${args})`;
  if (row.notes.has("st")) {
    const tail = f.after("");
    if (f.result !== "") throw new Error(`${row.mnemonic} ${row.encoding}: an \`st\` row writes its registers itself`);
    if (tail.length === 0) return [...f.lines, `return ${ending(row, call)};`];
    return [...f.lines, `const s = ${call};`, "if (s == Status.FAULT) return s;", ...tail, "return s;"];
  }
  if (f.result === "") return [...f.lines, `${call};`, ...f.after(""), done(row)];
  return [...f.lines, `const r = ${call};`, ...f.after("r"), done(row)];
}

/** A handler: its function's name and statements. */
export interface Made {
  readonly name: string;
  readonly body: readonly string[];
}

/** The statements of a variant's handler. `fn` is the name of its semantic. */
export function handlerBody(row: Row, v: Variant, fn: string): string[] {
  return [...gates(row), ...(row.notes.has("raw") ? rawBody(row, v, fn) : valueBody(row, v, fn))];
}
