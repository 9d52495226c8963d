/**
 * `key=value` and `key+=value` on a command line: xl.cfg's own settings, on top of a file's. Because the shell has eaten
 * the quotes by then, a value that begins like none of xl.cfg's is the string it is: `name=web` means `name = "web"`.
 */
import { appendValue, parseCfg } from "./parser.js";
import type { Cfg, CfgValue } from "./value.js";

const OVERRIDE = /^([A-Za-z_][A-Za-z0-9_]*)(\+?=)(.*)$/s;
const NUMBER = /^-?(0[xX][0-9a-fA-F]+|[0-9]+)$/;

/** Whether an argument is a setting and not a file's name. */
export function isOverride(argument: string): boolean {
  return OVERRIDE.test(argument);
}

/** `cfg` with the settings of the command line on top. Throws CfgSyntaxError. */
export function applyOverrides(cfg: Cfg, overrides: readonly string[]): Cfg {
  return overrides.reduce(applyOverride, cfg);
}

function applyOverride(cfg: Cfg, argument: string): Cfg {
  const source = `command line "${argument}"`;
  const [, key, operator, text] = OVERRIDE.exec(argument) ?? [];
  if (key === undefined || text === undefined) return parseCfg(argument, source, cfg);
  if (NUMBER.test(text) || /^\s*["'[]/.test(text)) return parseCfg(argument, source, cfg);
  const at = { source, line: 1, column: argument.length - text.length + 1 };
  const value: CfgValue = { kind: "string", text, at };
  const before = operator === "+=" ? cfg.get(key) : undefined;
  return new Map(cfg).set(key, { key, value: before ? appendValue(before, value) : value, at });
}
