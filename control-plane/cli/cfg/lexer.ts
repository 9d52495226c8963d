/**
 * Words of xl.cfg(5): names, numbers, quoted strings with C's escapes, punctuation, ends of statements. Line ends inside
 * brackets do not end a statement, so the parser asks for tokens with or without them.
 */
import { CfgSyntaxError, type Position } from "./error.js";

export type TokenKind =
  | "name"
  | "number"
  | "string"
  | "="
  | "+="
  | "["
  | "]"
  | ","
  | "end-of-statement"
  | "end-of-file";

export interface Token {
  readonly kind: TokenKind;
  /** The name, or a string's content, or the token as written. */
  readonly text: string;
  /** Only of numbers. */
  readonly value: number;
  readonly at: Position;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|[0-9]+)/y;
const WORD = /[^\s"'[\],;#=]+/y;
const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

export class Lexer {
  #offset = 0;
  #line = 1;
  #lineStart = 0;

  constructor(
    private readonly text: string,
    private readonly source: string,
  ) {
    if (text.startsWith("\uFEFF")) this.#offset = this.#lineStart = 1;
  }

  /** The next token; with `insideBrackets`, line ends are blanks. */
  next(insideBrackets = false): Token {
    this.#skipBlanks(insideBrackets);
    const at = this.#here();
    const char = this.text[this.#offset];
    if (char === undefined) return this.#token("end-of-file", 0, at);
    if (char === "\n" || char === ";") {
      const token = this.#token("end-of-statement", 1, at);
      if (char === "\n") this.#newLine();
      return token;
    }
    if (char === "=" || char === "[" || char === "]" || char === ",") return this.#token(char, 1, at);
    if (this.text.startsWith("+=", this.#offset)) return this.#token("+=", 2, at);
    if (char === '"' || char === "'") return this.#string(char, at);
    const number = this.#match(NUMBER);
    if (number !== null) return this.#number(number, at);
    const name = this.#match(NAME);
    if (name !== null) return this.#token("name", name.length, at);
    throw new CfgSyntaxError(at, `${describeChar(char)} has no meaning here`);
  }

  #here(): Position {
    return { source: this.source, line: this.#line, column: this.#offset - this.#lineStart + 1 };
  }

  #newLine(): void {
    this.#line++;
    this.#lineStart = this.#offset;
  }

  #skipBlanks(insideBrackets: boolean): void {
    for (;;) {
      const char = this.text[this.#offset];
      if (char === " " || char === "\t" || char === "\r" || char === "\f" || char === "\v") this.#offset++;
      else if (char === "#") this.#skipComment();
      else if (char === "\n" && insideBrackets) {
        this.#offset++;
        this.#newLine();
      } else return;
    }
  }

  #skipComment(): void {
    const end = this.text.indexOf("\n", this.#offset);
    this.#offset = end < 0 ? this.text.length : end;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#offset;
    return pattern.exec(this.text)?.[0] ?? null;
  }

  #token(kind: TokenKind, length: number, at: Position, value = 0): Token {
    const text = this.text.slice(this.#offset, this.#offset + length);
    this.#offset += length;
    return { kind, text, value, at };
  }

  #number(digits: string, at: Position): Token {
    const word = this.#match(WORD) ?? digits;
    if (word !== digits) {
      throw new CfgSyntaxError(at, `"${word}" is not a number; if it is a string, put quotes around it`);
    }
    const value = digits.startsWith("-") ? -Number(digits.slice(1)) : Number(digits);
    if (!Number.isSafeInteger(value)) throw new CfgSyntaxError(at, `the number ${digits} is too large`);
    return this.#token("number", digits.length, at, value);
  }

  #string(quote: string, at: Position): Token {
    let content = "";
    this.#offset++;
    for (;;) {
      const char = this.text[this.#offset];
      if (char === undefined || char === "\n") {
        throw new CfgSyntaxError(at, `this string has no end: expected ${quote} before the end of the line`);
      }
      if (char === quote) break;
      if (char === "\\") content += this.#escape();
      else {
        content += char;
        this.#offset++;
      }
    }
    this.#offset++;
    return { kind: "string", text: content, value: 0, at };
  }

  /** A backslash and what belongs to it: C's letters, \xHH, up to three octal digits, or a character that stands for itself. */
  #escape(): string {
    const at = this.#here();
    this.#offset++;
    const char = this.text[this.#offset] ?? "\n";
    const hex = char === "x" ? this.#match(/x[0-9a-fA-F]{2}/y) : null;
    const octal = this.#match(/[0-3]?[0-7]{1,2}/y);
    if (hex !== null || octal !== null) {
      const digits = hex ?? octal!;
      this.#offset += digits.length;
      return String.fromCharCode(hex === null ? Number.parseInt(digits, 8) : Number.parseInt(digits.slice(1), 16));
    }
    const known = ESCAPES[char];
    if (known === undefined && (/[A-Za-z0-9]/.test(char) || char === "\n")) {
      const what = char === "\n" ? "a backslash at the end of the line" : `"\\${char}"`;
      throw new CfgSyntaxError(at, `${what} is no escape: expected \\\\, \\", \\', \\n, \\t, \\xHH or an octal number`);
    }
    this.#offset++;
    return known ?? char;
  }
}

/** A character as messages show it. */
function describeChar(char: string): string {
  const printable = char > " " && char <= "~";
  return printable ? `"${char}"` : `the character U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
