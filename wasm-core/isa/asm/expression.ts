/**
 * Integer expressions of assembly source: numbers, characters, symbols, `$` (the address of the statement), and C's
 * operators with C's precedence. Values are exact integers; who uses one checks that it fits.
 */

/** Looks a symbol up: its value, or undefined while it is not known yet. */
export interface Scope {
  lookup(name: string): bigint | undefined;
}

export interface Expression {
  evaluate(scope: Scope): bigint | undefined;
  /** Names it mentions. */
  readonly symbols: readonly string[];
}

export class SyntaxFault extends Error {}

const TOKEN = /\s*(?:(0x[0-9a-f]+|0b[01]+|\d+[bf]\b|\d+)|'(\\.|[^'])'|([a-z_.$@][\w.$@]*)|(<<|>>|[-+*/%&|^~()]))/iy;
const LEVELS: readonly (readonly string[])[] = [["|"], ["^"], ["&"], ["<<", ">>"], ["+", "-"], ["*", "/", "%"]];
const ESCAPES: Record<string, string> = { b: "\b", n: "\n", r: "\r", t: "\t", "0": "\0", e: "\x1b" };

/** Text of a quoted string or character. */
export const unescapeText = (text: string): string => text.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);

type Token =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "symbol" | "operator"; readonly text: string };

function tokenize(text: string): Token[] {
  const out: Token[] = [];
  let at = 0;
  while (at < text.trimEnd().length) {
    TOKEN.lastIndex = at;
    const m = TOKEN.exec(text);
    if (!m) throw new SyntaxFault(`"${text.slice(at).trim()}" is not an expression`);
    at = TOKEN.lastIndex;
    const [, number, character, symbol, operator] = m;
    if (number !== undefined && /^\d+[bf]$/i.test(number) && !/^0b/i.test(number))
      out.push({ kind: "symbol", text: number });
    else if (number !== undefined) out.push({ kind: "number", value: BigInt(number) });
    else if (character !== undefined)
      out.push({ kind: "number", value: BigInt(unescapeText(character).codePointAt(0)!) });
    else if (symbol !== undefined) out.push({ kind: "symbol", text: symbol });
    else out.push({ kind: "operator", text: operator! });
  }
  return out;
}

function apply(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "<<":
      return a << b;
    case ">>":
      return a >> b;
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    default:
      if (b === 0n) throw new SyntaxFault("division by zero");
      return operator === "/" ? a / b : a % b;
  }
}

const constant = (value: bigint): Expression => ({ evaluate: () => value, symbols: [] });

const symbolic = (name: string): Expression => ({ evaluate: (scope) => scope.lookup(name), symbols: [name] });

function binary(operator: string, left: Expression, right: Expression): Expression {
  return {
    symbols: [...left.symbols, ...right.symbols],
    evaluate(scope) {
      const a = left.evaluate(scope);
      const b = right.evaluate(scope);
      return a === undefined || b === undefined ? undefined : apply(operator, a, b);
    },
  };
}

class Parser {
  #at = 0;
  constructor(
    private readonly tokens: readonly Token[],
    private readonly text: string,
  ) {}

  all(): Expression {
    const out = this.#level(0);
    if (this.#at < this.tokens.length) throw new SyntaxFault(`"${this.text}": an operator is missing`);
    return out;
  }

  #operator(among: readonly string[]): string | undefined {
    const token = this.tokens[this.#at];
    if (token?.kind !== "operator" || !among.includes(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  #level(level: number): Expression {
    const operators = LEVELS[level];
    if (!operators) return this.#unary();
    let left = this.#level(level + 1);
    for (let o = this.#operator(operators); o !== undefined; o = this.#operator(operators)) {
      left = binary(o, left, this.#level(level + 1));
    }
    return left;
  }

  #unary(): Expression {
    const sign = this.#operator(["-", "+", "~"]);
    if (sign === "-") return binary("-", constant(0n), this.#unary());
    if (sign === "~") return binary("^", constant(-1n), this.#unary());
    if (sign === "+") return this.#unary();
    if (this.#operator(["("])) {
      const inner = this.#level(0);
      if (!this.#operator([")"])) throw new SyntaxFault(`"${this.text}": ")" is missing`);
      return inner;
    }
    const token = this.tokens[this.#at++];
    if (token?.kind === "number") return constant(token.value);
    if (token?.kind === "symbol") return symbolic(token.text);
    throw new SyntaxFault(`"${this.text}": a value is missing`);
  }
}

export function parseExpression(text: string): Expression {
  return new Parser(tokenize(text), text).all();
}
