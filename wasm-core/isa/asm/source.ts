/**
 * Assembly source to statements: one per label, directive or instruction. `#` and `//` begin a comment, `;` separates
 * statements on a line. Macros (`.macro name a, b` to `.endm`, with \a and \@ in the body) are expanded here.
 */
import { type Expression, parseExpression, SyntaxFault, unescapeText } from "./expression.js";
import { parseOperand, splitOperands } from "./operands.js";
import type { Instruction, Mode } from "./select.js";

export type Statement = { readonly line: number } & (
  | { readonly kind: "label"; readonly name: string }
  | { readonly kind: "set"; readonly name: string; readonly value: Expression }
  | { readonly kind: "data"; readonly bytes: number; readonly values: readonly Expression[] }
  | { readonly kind: "text"; readonly data: Uint8Array }
  | { readonly kind: "org"; readonly to: Expression }
  | { readonly kind: "align"; readonly to: Expression; readonly fill: Expression }
  | { readonly kind: "skip"; readonly count: Expression; readonly fill: Expression }
  | { readonly kind: "bss" }
  | { readonly kind: "instruction"; readonly instruction: Instruction }
);

interface Macro {
  readonly parameters: readonly string[];
  readonly body: readonly Line[];
}

interface Line {
  readonly text: string;
  readonly number: number;
}

/** A mistake in the source, with the line it is on. */
export class AssemblyError extends Error {
  constructor(
    readonly line: number,
    text: string,
    message: string,
  ) {
    super(`line ${line}: ${message}\n  ${text.trim()}`);
  }
}

const MAX_EXPANSIONS = 100_000;
const ZERO = parseExpression("0");
const DATA: Record<string, number> = { ".byte": 1, ".word": 2, ".long": 4, ".quad": 8 };
const IGNORED = new Set([".global", ".text", ".data", ".section"]);
const REPEAT: Record<string, 1 | 2> = { rep: 1, repe: 1, repz: 1, repne: 2, repnz: 2 };
const SIZE_WORDS: Record<string, Mode> = { "16": 16, "32": 32, "64": 64 };

/** Cuts a line at its comment and at semicolons, outside quotes. */
function pieces(line: string): string[] {
  const out: string[] = [];
  let quote = "";
  let start = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quote !== "") {
      if (c === "\\") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'") quote = c;
    else if (c === "#" || (c === "/" && line[i + 1] === "/")) {
      line = line.slice(0, i);
      break;
    } else if (c === ";") {
      out.push(line.slice(start, i));
      start = i + 1;
    }
  }
  return [...out, line.slice(start)].map((s) => s.trim()).filter((s) => s !== "");
}

/** Reads source text into statements. */
export class SourceReader {
  readonly statements: Statement[] = [];
  #mode: Mode = 32;
  readonly #macros = new Map<string, Macro>();
  #expansions = 0;

  read(source: string): void {
    const lines = source.split("\n").map((text, i) => ({ text, number: i + 1 }));
    this.#lines(lines);
  }

  #lines(lines: readonly Line[]): void {
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!;
      const definition = /^\s*\.macro\s+(\w+)\s*(.*)$/.exec(line.text);
      if (!definition) {
        this.#line(line);
        continue;
      }
      const end = lines.findIndex((l, n) => n > i && /^\s*\.endm\b/.test(l.text));
      if (end < 0) throw new AssemblyError(line.number, line.text, ".macro without .endm");
      this.#macros.set(definition[1]!.toLowerCase(), {
        parameters: definition[2]!
          .split(",")
          .map((p) => p.trim())
          .filter((p) => p !== ""),
        body: lines.slice(i + 1, end),
      });
      i = end;
    }
  }

  #line(line: Line): void {
    for (const piece of pieces(line.text)) {
      try {
        this.#piece(piece, line.number);
      } catch (e) {
        if (e instanceof SyntaxFault) throw new AssemblyError(line.number, line.text, e.message);
        throw e;
      }
    }
  }

  #piece(piece: string, line: number): void {
    const label = /^([\w.$@]+)\s*:(?!:)\s*/.exec(piece);
    if (label && !/^[efdcgs]s$/i.test(label[1]!)) {
      this.statements.push({ line, kind: "label", name: label[1]! });
      const rest = piece.slice(label[0].length);
      if (rest !== "") this.#piece(rest, line);
      return;
    }
    const assignment = /^([a-z_]\w*)\s*=\s*(.+)$/i.exec(piece);
    if (assignment) {
      this.statements.push({ line, kind: "set", name: assignment[1]!, value: parseExpression(assignment[2]!) });
      return;
    }
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(piece)!;
    const name = word.toLowerCase();
    const macro = this.#macros.get(name);
    if (macro) this.#expand(macro, rest, line);
    else if (name.startsWith(".")) this.#directive(name, rest, line);
    else this.statements.push({ line, kind: "instruction", instruction: this.#instruction(piece) });
  }

  #expand(macro: Macro, rest: string, line: number): void {
    if (++this.#expansions > MAX_EXPANSIONS) throw new SyntaxFault("macros expand without end");
    const given = splitOperands(rest);
    if (given.length !== macro.parameters.length)
      throw new SyntaxFault(`${macro.parameters.length} arguments are expected`);
    const unique = String(this.#expansions);
    const body = macro.body.map(({ text }) => ({
      number: line,
      text: text.replace(/\\(@|\w+)/g, (whole, name: string) => {
        if (name === "@") return unique;
        const n = macro.parameters.indexOf(name);
        return n < 0 ? whole : given[n]!;
      }),
    }));
    this.#lines(body);
  }

  #directive(name: string, rest: string, line: number): void {
    const values = () => splitOperands(rest);
    const bytes = DATA[name];
    if (bytes !== undefined) {
      this.statements.push({ line, kind: "data", bytes, values: values().map(parseExpression) });
      return;
    }
    if (IGNORED.has(name)) return;
    switch (name) {
      case ".code16":
      case ".code32":
      case ".code64":
        this.#mode = SIZE_WORDS[name.slice(5)]!;
        return;
      case ".ascii":
      case ".asciz":
        this.statements.push({ line, kind: "text", data: textBytes(rest, name === ".asciz") });
        return;
      case ".org":
        this.statements.push({ line, kind: "org", to: parseExpression(rest) });
        return;
      case ".bss":
        this.statements.push({ line, kind: "bss" });
        return;
      case ".align":
      case ".skip": {
        const [amount = "", fill] = values();
        const parsed = { line, fill: fill === undefined ? ZERO : parseExpression(fill) };
        if (name === ".align") this.statements.push({ ...parsed, kind: "align", to: parseExpression(amount) });
        else this.statements.push({ ...parsed, kind: "skip", count: parseExpression(amount) });
        return;
      }
      default:
        throw new SyntaxFault(`there is no directive ${name}`);
    }
  }

  #instruction(text: string): Instruction {
    let rest = text.replace(/\s+/g, " ");
    let lock = false;
    let rep: 0 | 1 | 2 = 0;
    let sizes: { operandSize?: Mode; addressSize?: Mode } = {};
    for (;;) {
      const [, word = "", tail = ""] = /^(\S+) ?(.*)$/s.exec(rest)!;
      const name = word.toLowerCase();
      const size = /^([oa])(16|32|64)$/.exec(name);
      if (name === "lock") lock = true;
      else if (REPEAT[name] !== undefined) rep = REPEAT[name];
      else if (size) sizes = { ...sizes, [size[1] === "o" ? "operandSize" : "addressSize"]: SIZE_WORDS[size[2]!]! };
      else return { name, operands: splitOperands(tail).map(parseOperand), mode: this.#mode, lock, rep, ...sizes };
      if (tail === "") throw new SyntaxFault(`"${word}" stands before an instruction`);
      rest = tail;
    }
  }
}

function textBytes(rest: string, terminated: boolean): Uint8Array {
  const parts = splitOperands(rest).map((part) => {
    const m = /^"(.*)"$/s.exec(part);
    if (!m) throw new SyntaxFault(`${part} is not a quoted string`);
    return unescapeText(m[1]!) + (terminated ? "\0" : "");
  });
  return new TextEncoder().encode(parts.join(""));
}
