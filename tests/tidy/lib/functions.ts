/** Functions of a file and their lengths, found by their braces in code whose strings and comments are blank. */
import { lineOf } from "./tree.js";

export interface FunctionSpan {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

const KEYWORDS = /^(if|for|while|switch|catch|function|return|new|constructor)$/;
const HEAD =
  /\bfunction\s*\*?\s*(\w+)?\s*(?:<[^(]*>)?\s*\(|^[ \t]*(?:(?:private|public|protected|static|async|get|set|override|readonly)\s+)*\*?(\w+)\s*(?:<[^(\n]*>)?\(/gm;
const ARROW = /(?:\b(?:const|let|readonly)\s+(\w+)[^;{}\n]*=\s*(?:async\s*)?\([^;]*?\)[^;{}=]*)?=>\s*\{/g;

const PAIRS: Readonly<Record<string, string>> = { "(": ")", "{": "}" };

/** The offset behind the bracket that closes the one at `open`. */
function closing(code: string, open: number): number {
  const begin = code[open]!;
  const end = PAIRS[begin]!;
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === begin) depth++;
    else if (code[at] === end && --depth === 0) return at + 1;
  }
  return code.length;
}

/** The body's opening brace behind a parameter list, past a return type; undefined for a call or a declaration. */
function bodyAt(code: string, afterParameters: number): number | undefined {
  const rest = code.slice(afterParameters);
  if (/^\s*\{/.test(rest)) return afterParameters + rest.indexOf("{");
  if (!/^\s*:/.test(rest)) return undefined;
  const stop = /[;{]/.exec(rest);
  if (stop === null || stop[0] === ";") return undefined;
  const first = afterParameters + stop.index;
  const behind = closing(code, first);
  const second = /^[\s\w|&[\]<>.]*\{/.exec(code.slice(behind));
  return second !== null && !/\n\s*\n|;/.test(second[0]) && /^\s*[{|&[>]/.test(code.slice(behind))
    ? behind + second[0].length - 1
    : first;
}

function span(code: string, from: number, body: number, name: string): FunctionSpan {
  const line = lineOf(code, from);
  return { name, line, lines: lineOf(code, closing(code, body)) - line + 1 };
}

/** Every function, method and block-bodied arrow function of `code`. */
export function functionsOf(code: string): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  for (const m of code.matchAll(HEAD)) {
    const name = m[1] ?? m[2] ?? "function";
    if (m[2] !== undefined && KEYWORDS.test(name)) continue;
    const body = bodyAt(code, closing(code, m.index + m[0].length - 1));
    if (body !== undefined) found.push(span(code, m.index + (/^\s*/.exec(m[0])?.[0].length ?? 0), body, name));
  }
  for (const m of code.matchAll(ARROW)) found.push(span(code, m.index, m.index + m[0].length - 1, m[1] ?? "=>"));
  return found;
}
