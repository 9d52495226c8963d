/**
 * Reads single settings out of a parsed configuration and keeps every complaint, so that a person sees all that is wrong
 * at once. A wrong setting reads as if it were absent.
 */
import { type Cfg, type CfgValue, formatPosition, kindName, type Setting } from "../cfg/index.js";
import { didYouMean } from "../suggest.js";

export interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}

export class SettingReader {
  readonly problems: string[] = [];
  /** What is no mistake, and probably not meant. */
  readonly warnings: string[] = [];

  constructor(private readonly cfg: Cfg) {}

  has(key: string): boolean {
    return this.cfg.has(key);
  }

  complain(setting: Setting, problem: string): void {
    this.problems.push(`${formatPosition(setting.value.at)}: ${setting.key}: ${problem}`);
  }

  warn(setting: Setting, warning: string): void {
    this.warnings.push(`${formatPosition(setting.value.at)}: ${setting.key}: ${warning}`);
  }

  string(key: string): string | undefined {
    const setting = this.cfg.get(key);
    if (!setting) return undefined;
    if (setting.value.kind === "string") return setting.value.text;
    this.complain(setting, `expected a string in quotes, found ${describe(setting.value)}`);
    return undefined;
  }

  /** A whole number; as in xl, one in quotes will do. */
  count(key: string, range: Range): number | undefined {
    const setting = this.cfg.get(key);
    if (!setting) return undefined;
    const value = numberOf(setting.value);
    const { min, max, unit } = range;
    const expected = `a whole number${unit ? ` of ${unit}` : ""} from ${min} to ${max}`;
    if (value !== null && value >= min && value <= max) return value;
    this.complain(setting, `expected ${expected}, found ${describe(setting.value)}`);
    return undefined;
  }

  flag(key: string): boolean | undefined {
    const setting = this.cfg.get(key);
    if (!setting) return undefined;
    const value = numberOf(setting.value);
    if (value === 0 || value === 1) return value === 1;
    this.complain(setting, `expected 0 or 1, found ${describe(setting.value)}`);
    return undefined;
  }

  choice<T extends string>(key: string, choices: readonly T[]): T | undefined {
    const setting = this.cfg.get(key);
    const text = this.string(key);
    if (setting === undefined || text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    const list = choices.map((choice) => `"${choice}"`).join(", ");
    this.complain(setting, `expected one of ${list}, found "${text}"${didYouMean(text, choices)}`);
    return undefined;
  }
}

function numberOf(value: CfgValue): number | null {
  if (value.kind === "number") return value.value;
  if (value.kind === "string" && /^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(value.text)) return Number(value.text);
  return null;
}

function describe(value: CfgValue): string {
  if (value.kind === "number") return String(value.value);
  return value.kind === "string" ? `"${value.text}"` : kindName(value);
}
