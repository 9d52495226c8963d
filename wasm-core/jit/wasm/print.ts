/** Writes function bodies as text: the instructions of the binary format in their order, a statement a line. [WASM] 5.4 */
import { Op, Type } from "./ops.js";

/** What numbers are called. */
export interface Names {
  local(n: number): string;
  function(n: number): string;
  /** What lies at a constant offset, when that is known. */
  offset(n: number): string | undefined;
  /** What an i32 constant stands for, when it is more than a number. */
  constant(n: number): string | undefined;
}

/** A line, and where in the body its first instruction lies. */
export interface PrintedLine {
  readonly offset: number;
  /** How many blocks are open around it. */
  readonly depth: number;
  readonly text: string;
}

const PREFIX = 0xfc;
const NAME_OF = new Map<number, string>(Object.entries(Op).map(([name, n]) => [n, name]));
const TYPE_OF = new Map<number, string>(Object.entries(Type).map(([name, n]) => [n, name.toLowerCase()]));
const SHUFFLE_BYTES = 16;
/** Instructions behind which nothing is on the stack that they or the next one made. */
const ENDS =
  /^(local\.set|block|loop|if|else|end|br|br_if|br_table|return|drop|unreachable|memory\.(copy|fill)|.*store(8|16|32|64)?(_lane)?)$/;

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    return this.bytes[this.at++] ?? 0;
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const b = this.byte();
      value |= (b & 0x7f) << shift;
      if (b < 0x80) return value >>> 0;
    }
  }

  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = this.byte();
      value |= BigInt(b & 0x7f) << shift;
      if (b < 0x80) return BigInt.asIntN(Number(shift) + 7, value);
    }
  }

  /** Little-endian bytes as hexadecimal digits. */
  hex(count: number): string {
    let out = "";
    for (let i = 0; i < count; i++) out = this.byte().toString(16).padStart(2, "0") + out;
    return `0x${out}`;
  }
}

function memoryArgument(r: Reader, names: Names): string {
  r.u32();
  const offset = r.u32();
  return offset === 0 ? "" : `+${names.offset(offset) ?? offset}`;
}

/** The instruction's immediates as they follow its name. */
function immediates(name: string, r: Reader, names: Names): string {
  if (/\.(load|store|atomic)/.test(name)) {
    const memory = memoryArgument(r, names);
    return name.endsWith("_lane") ? `${memory} ${r.byte()}` : memory;
  }
  if (/(extract|replace)_lane/.test(name)) return ` ${r.byte()}`;
  switch (name) {
    case "block":
    case "loop":
    case "if": {
      const type = r.byte();
      return type === Type.VOID ? "" : ` ${TYPE_OF.get(type)}`;
    }
    case "br":
    case "br_if":
      return ` ${r.u32()}`;
    case "br_table":
      return ` ${Array.from({ length: r.u32() + 1 }, () => r.u32()).join(" ")}`;
    case "call":
      return ` ${names.function(r.u32())}`;
    case "local.get":
    case "local.set":
    case "local.tee":
      return ` ${names.local(r.u32())}`;
    case "i32.const": {
      const value = r.signed();
      return ` ${names.constant(Number(BigInt.asUintN(32, value))) ?? value}`;
    }
    case "i64.const":
      return ` ${r.signed()}`;
    case "f32.const":
      return ` ${r.hex(4)}`;
    case "f64.const":
      return ` ${r.hex(8)}`;
    case "v128.const":
    case "i8x16.shuffle":
      return ` ${r.hex(SHUFFLE_BYTES)}`;
    case "memory.copy":
      r.u32();
      r.u32();
      return "";
    case "memory.fill":
      r.u32();
      return "";
    default:
      return "";
  }
}

/** The instructions of `body`. A line also begins at each of `breaks`. */
export function printCode(body: Uint8Array, names: Names, breaks: ReadonlySet<number> = new Set()): PrintedLine[] {
  const r = new Reader(body);
  const out: PrintedLine[] = [];
  let depth = 0;
  let words: string[] = [];
  let start = 0;
  const flush = (): void => {
    if (words.length > 0) out.push({ offset: start, depth, text: words.join("  ") });
    words = [];
  };
  while (r.at < body.length) {
    if (breaks.has(r.at)) flush();
    if (words.length === 0) start = r.at;
    const first = r.byte();
    const name = NAME_OF.get(first < PREFIX ? first : (first << 16) | r.u32());
    if (name === undefined) throw new Error(`no WebAssembly opcode ${first.toString(16)} at ${start}`);
    if (name === "else" || name === "end") {
      flush();
      start = r.at - 1;
      depth--;
    }
    words.push(`${name.replace("local.", "")}${immediates(name, r, names)}`);
    if (ENDS.test(name)) flush();
    if (["block", "loop", "if", "else"].includes(name)) depth++;
  }
  flush();
  return out;
}
