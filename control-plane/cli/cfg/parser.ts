/**
 * xl.cfg(5), by recursive descent:
 *
 *   file      = { [ setting ] ( newline | ";" ) }
 *   setting   = name ( "=" | "+=" ) value
 *   value     = number | string | "[" { value "," } [ value ] "]"
 *
 * Names are case-sensitive. `+=` appends a string to a string and a list, or one value, to a list.
 */
import { CfgSyntaxError, formatPosition } from "./error.js";
import { Lexer, type Token } from "./lexer.js";
import { type Cfg, type CfgValue, kindName, type Setting } from "./value.js";

/** Lists in lists beyond this are an attack or a slip; the limit keeps the recursion bounded. */
const NESTING_MAX = 64;

/** Reads a configuration, on top of the settings of `base`. Throws CfgSyntaxError and nothing else. */
export function parseCfg(text: string, source: string, base: Cfg = new Map()): Cfg {
  return new Parser(text, source).file(base);
}

class Parser {
  readonly #lexer: Lexer;

  constructor(text: string, source: string) {
    this.#lexer = new Lexer(text, source);
  }

  file(base: Cfg): Cfg {
    const settings = new Map<string, Setting>(base);
    for (;;) {
      const token = this.#lexer.next();
      if (token.kind === "end-of-file") return settings;
      if (token.kind === "end-of-statement") continue;
      if (token.kind !== "name") throw unexpected(token, "the name of a setting, as in memory = 256");
      this.#setting(token, settings);
    }
  }

  #setting(name: Token, settings: Map<string, Setting>): void {
    const operator = this.#lexer.next();
    if (operator.kind !== "=" && operator.kind !== "+=") throw unexpected(operator, `"=" or "+=" after ${name.text}`);
    const value = this.#value(this.#lexer.next(), 0);
    const end = this.#lexer.next();
    if (end.kind !== "end-of-statement" && end.kind !== "end-of-file") {
      throw unexpected(end, 'the end of the line or ";" after the value');
    }
    const earlier = settings.get(name.text);
    const whole = operator.kind === "+=" && earlier ? appendValue(earlier, value) : value;
    settings.set(name.text, { key: name.text, value: whole, at: name.at });
  }

  #value(token: Token, depth: number): CfgValue {
    const { kind, text, value, at } = token;
    if (kind === "string") return { kind, text, at };
    if (kind === "number") return { kind, value, at };
    if (kind === "[") return this.#list(token, depth + 1);
    if (kind === "name") throw unexpected(token, `a value; if it is a string, put quotes around it: "${text}"`);
    throw unexpected(token, 'a value: a number, a string in quotes, or a list in "[" and "]"');
  }

  #list(open: Token, depth: number): CfgValue {
    if (depth > NESTING_MAX) throw new CfgSyntaxError(open.at, `lists are nested deeper than ${NESTING_MAX}`);
    const items: CfgValue[] = [];
    for (;;) {
      const token = this.#lexer.next(true);
      if (token.kind === "]") break;
      items.push(this.#value(this.#itemToken(token, open), depth));
      const after = this.#itemToken(this.#lexer.next(true), open);
      if (after.kind === "]") break;
      if (after.kind !== ",") throw unexpected(after, '"," or "]" after an item of the list');
    }
    return { kind: "list", items, at: open.at };
  }

  /** A list that never ends is reported where it begins: its end is always the end of the file. */
  #itemToken(token: Token, open: Token): Token {
    if (token.kind !== "end-of-file") return token;
    throw new CfgSyntaxError(open.at, 'this list has no end: expected "]" before the end of the file');
  }
}

/** What `earlier += value` makes. */
export function appendValue(earlier: Setting, value: CfgValue): CfgValue {
  const before = earlier.value;
  if (before.kind === "string" && value.kind === "string") return { ...before, text: before.text + value.text };
  if (before.kind === "list") {
    const more = value.kind === "list" ? value.items : [value];
    return { ...before, items: [...before.items, ...more] };
  }
  const held = `${earlier.key} holds ${kindName(before)} since ${formatPosition(earlier.at)}`;
  throw new CfgSyntaxError(value.at, `${kindName(value)} cannot be added: ${held}`);
}

const TOKEN_NAMES: Partial<Record<Token["kind"], string>> = {
  string: "a string",
  "end-of-statement": "the end of the line",
  "end-of-file": "the end of the file",
};

function unexpected(token: Token, expected: string): CfgSyntaxError {
  const found =
    token.kind === "end-of-statement" && token.text === ";" ? '";"' : (TOKEN_NAMES[token.kind] ?? `"${token.text}"`);
  return new CfgSyntaxError(token.at, `found ${found}, expected ${expected}`);
}
