/**
 * Lays statements out in memory. Branches start short and grow where they must, so passes repeat until no symbol moves;
 * nothing ever shrinks again, which makes the passes end.
 */
import type { Family } from "../row.js";
import { type Expression, type Scope, SyntaxFault } from "./expression.js";
import { candidates, encodeBest, type Form, type FormIndex, indexForms, type Place } from "./select.js";
import { AssemblyError, SourceReader, type Statement } from "./source.js";

export interface AssembleOptions {
  /** Address of the first byte. */
  readonly origin?: number;
  /** Symbols given from outside. */
  readonly define?: Readonly<Record<string, number | bigint>>;
}

/** Machine code and where it belongs. */
export interface Image {
  readonly origin: number;
  readonly bytes: Uint8Array;
  /** Bytes in memory: those of `bytes` and, after `.bss`, zeros. */
  readonly memoryBytes: number;
  readonly symbols: ReadonlyMap<string, bigint>;
}

const MAX_PASSES = 64;
const MAX_BYTES = 64 << 20;
/** Bytes of a branch with a byte of distance. */
const SHORT_BRANCH = 2;

/** The numeric labels (`1:`, used as 1b and 1f) in the order they stand. */
class LocalLabels {
  readonly #places = new Map<string, number[]>();
  readonly values = new Map<string, bigint>();

  constructor(statements: readonly Statement[]) {
    statements.forEach((s, i) => {
      if (s.kind !== "label" || !/^\d+$/.test(s.name)) return;
      const list = this.#places.get(s.name);
      if (list) list.push(i);
      else this.#places.set(s.name, [i]);
    });
  }

  lookup(name: string, at: number): bigint | undefined {
    const places = this.#places.get(name.slice(0, -1)) ?? [];
    const place = name.endsWith("f") ? places.find((p) => p > at) : places.filter((p) => p < at).at(-1);
    if (place === undefined) throw new SyntaxFault(`there is no label for ${name}`);
    return this.values.get(String(place));
  }
}

const isLocal = (name: string): boolean => /^\d+[bf]$/i.test(name);

class Layout {
  readonly symbols = new Map<string, bigint>();
  readonly #locals: LocalLabels;
  readonly #forms: (readonly Form[])[] = [];
  readonly #long: boolean[] = [];
  /** Symbols whose value depends on where something lies. */
  readonly #movable = new Set<string>(["$", "."]);
  #final = false;

  constructor(
    private readonly statements: readonly Statement[],
    private readonly index: FormIndex,
    private readonly source: string,
    private readonly origin: number,
    define: Readonly<Record<string, number | bigint>>,
  ) {
    for (const [name, value] of Object.entries(define)) this.symbols.set(name, BigInt(value));
    this.#locals = new LocalLabels(statements);
    const defined = new Set(this.symbols.keys());
    for (const s of statements) {
      if (s.kind === "label" && !/^\d+$/.test(s.name)) this.#movable.add(s.name);
      else if (s.kind === "set" && s.value.symbols.some((n) => this.#isMovable(n))) this.#movable.add(s.name);
      else continue;
      const name = (s as { name: string }).name;
      if (s.kind === "label" && defined.has(name)) this.#fail(s, new SyntaxFault(`${name} is defined twice`));
      defined.add(name);
    }
  }

  #isMovable(name: string): boolean {
    return isLocal(name) || this.#movable.has(name);
  }

  #fail(s: Statement, e: unknown): never {
    if (!(e instanceof SyntaxFault)) throw e;
    throw new AssemblyError(s.line, this.source.split("\n")[s.line - 1] ?? "", e.message);
  }

  /** Repeats passes until nothing moves. */
  run(): Image {
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const before = this.#snapshot();
      const first = this.#pass();
      if (before !== this.#snapshot()) continue;
      if (this.#final) return { ...first, symbols: this.symbols };
      // Once more, where a symbol that nothing defines is an error.
      this.#final = true;
    }
    throw new AssemblyError(0, "", "the layout does not settle");
  }

  #snapshot(): string {
    return `${[...this.symbols.values()].join()}|${[...this.#locals.values.values()].join()}|${this.#long.length}`;
  }

  #scope(at: number, address: bigint): Scope {
    return {
      lookup: (name) => {
        if (name === "$" || name === ".") return address;
        const value = isLocal(name) ? this.#locals.lookup(name.toLowerCase(), at) : this.symbols.get(name);
        if (value === undefined && this.#final) throw new SyntaxFault(`${name} is not defined`);
        return value;
      },
    };
  }

  #pass(): Omit<Image, "symbols"> {
    const out = new Output(this.origin);
    this.statements.forEach((s, i) => {
      try {
        this.#statement(s, i, out, this.#scope(i, BigInt(out.address)));
      } catch (e) {
        this.#fail(s, e);
      }
    });
    return out.image();
  }

  #statement(s: Statement, i: number, out: Output, scope: Scope): void {
    const number = (e: Expression) => Number(e.evaluate(scope) ?? 0n);
    switch (s.kind) {
      case "label":
        if (/^\d+$/.test(s.name)) this.#locals.values.set(String(i), BigInt(out.address));
        else this.symbols.set(s.name, BigInt(out.address));
        return;
      case "set": {
        const value = s.value.evaluate(scope);
        if (value !== undefined) this.symbols.set(s.name, value);
        return;
      }
      case "data":
        for (const e of s.values) out.push(dataBytes(e.evaluate(scope) ?? 0n, s.bytes));
        return;
      case "text":
        out.push(s.data);
        return;
      case "org":
        out.fillTo(number(s.to), 0);
        return;
      case "align":
        out.fillTo(alignUp(out.address, number(s.to)), number(s.fill));
        return;
      case "skip":
        out.fillTo(out.address + number(s.count), number(s.fill));
        return;
      case "bss":
        out.endFile();
        return;
      case "instruction":
        out.push(this.#encode(i, s, out.address, scope));
    }
  }

  #encode(i: number, s: Statement & { kind: "instruction" }, address: number, scope: Scope): Uint8Array {
    const { instruction } = s;
    this.#forms[i] ??= candidates(this.index, instruction);
    const place: Place = {
      scope,
      address: BigInt(address),
      long: this.#long[i] ?? false,
      movable: (e) => e.symbols.some((n) => this.#isMovable(n)),
    };
    const bytes = encodeBest(this.#forms[i], instruction, place);
    if (bytes.length > SHORT_BRANCH && this.#forms[i].some(isLongBranch)) this.#long[i] = true;
    return bytes;
  }
}

const isLongBranch = (f: Form): boolean => f.operands.some((o) => o.kind === "J" && o.size === "z");

function dataBytes(value: bigint, bytes: number): Uint8Array {
  const bits = bytes * 8;
  if (value < -(1n << BigInt(bits - 1)) || value >= 1n << BigInt(bits))
    throw new SyntaxFault(`${value} does not fit in ${bits} bits`);
  return Uint8Array.from({ length: bytes }, (_, n) => Number((value >> BigInt(8 * n)) & 0xffn));
}

function alignUp(address: number, to: number): number {
  if (to < 1 || (to & (to - 1)) !== 0) throw new SyntaxFault(`${to} is not a power of two`);
  return Math.ceil(address / to) * to;
}

/** Bytes as they are placed. */
class Output {
  #bytes = new Uint8Array(4096);
  #length = 0;
  /** Bytes of the file, once `.bss` has begun. */
  #file = -1;

  constructor(private readonly origin: number) {}

  get address(): number {
    return this.origin + this.#length;
  }

  push(data: Uint8Array): void {
    if (this.#file >= 0 && data.some((b) => b !== 0)) throw new SyntaxFault("only zeros can stand after .bss");
    this.#reserve(data.length);
    this.#bytes.set(data, this.#length);
    this.#length += data.length;
  }

  fillTo(address: number, fill: number): void {
    const count = address - this.address;
    if (count < 0) throw new SyntaxFault(`0x${address.toString(16)} lies before 0x${this.address.toString(16)}`);
    this.#reserve(count);
    this.#bytes.fill(fill, this.#length, this.#length + count);
    this.#length += count;
  }

  endFile(): void {
    this.#file = this.#length;
  }

  image(): Omit<Image, "symbols"> {
    const file = this.#file >= 0 ? this.#file : this.#length;
    return { origin: this.origin, bytes: this.#bytes.slice(0, file), memoryBytes: this.#length };
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > MAX_BYTES) throw new SyntaxFault("the program is too large");
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** An assembler for one instruction table. */
export class Assembler {
  readonly #index: FormIndex;

  constructor(table: readonly Family[]) {
    this.#index = indexForms(table);
  }

  /** Assembles source text. Throws AssemblyError, which names the line. */
  assemble(source: string, { origin = 0, define = {} }: AssembleOptions = {}): Image {
    const reader = new SourceReader();
    reader.read(source);
    return new Layout(reader.statements, this.#index, source, origin, define).run();
  }
}
