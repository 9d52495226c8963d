/** What a configuration holds: settings with their values, each knowing where it stands. */
import type { Position } from "./error.js";

export interface StringValue {
  readonly kind: "string";
  readonly text: string;
  readonly at: Position;
}

export interface NumberValue {
  readonly kind: "number";
  readonly value: number;
  readonly at: Position;
}

export interface ListValue {
  readonly kind: "list";
  readonly items: readonly CfgValue[];
  readonly at: Position;
}

export type CfgValue = StringValue | NumberValue | ListValue;

export interface Setting {
  readonly key: string;
  readonly value: CfgValue;
  /** Where the key stands. */
  readonly at: Position;
}

/** Settings by key; a later one of the same key has taken the place of an earlier one. */
export type Cfg = ReadonlyMap<string, Setting>;

const KIND_NAMES = { string: "a string", number: "a number", list: "a list" } as const;

/** "a string", "a number", "a list". */
export function kindName(value: CfgValue): string {
  return KIND_NAMES[value.kind];
}
