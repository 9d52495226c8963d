/**
 * Parses a row's encoding into what the decoder must match: map, opcode, and the constraints on prefix, ModRM, VEX.L,
 * VEX.W and mode. Encodings are written as in the manual, see row.ts.
 */
import type { Operand, Row } from "./row.js";

export const MAPS = ["1", "0F", "0F38", "0F3A", "VEX.0F", "VEX.0F38", "VEX.0F3A"] as const;
export type MapName = (typeof MAPS)[number];
export type Prefix = "NP" | "66" | "F3" | "F2";
export const PREFIXES: readonly Prefix[] = ["NP", "66", "F3", "F2"];

/** What a row demands of the instruction bytes. An absent member means "any". */
export interface Match {
  readonly map: MapName;
  /** Opcodes that the row covers: one, or eight with `+`. */
  readonly opcodes: readonly number[];
  readonly prefix?: Prefix;
  /** ModRM.reg. */
  readonly reg?: number;
  /** ModRM.mod: memory or register. */
  readonly form?: "mem" | "reg";
  /** ModRM.r/m, with a register form. */
  readonly rm?: number;
  readonly mode64?: boolean;
  readonly vexL?: number;
  readonly vexW?: number;
  readonly hasModrm: boolean;
}

const MODRM_KINDS = new Set(["E", "G", "M", "R", "V", "W", "U", "P", "Q", "N", "S", "C", "D"]);

const needsModrm = (o: Operand): boolean => MODRM_KINDS.has(o.kind);

function formOf(row: Row): "mem" | "reg" | undefined {
  for (const o of row.operands) {
    if (o.kind === "M") return "mem";
    if (o.kind === "R" || o.kind === "U" || o.kind === "N" || o.kind === "STi") return "reg";
  }
  return undefined;
}

interface Parsed {
  map: MapName;
  opcode: number;
  plus: boolean;
  prefix?: Prefix;
  reg?: number;
  form?: "mem" | "reg";
  rm?: number;
  vexL?: number;
  vexW?: number;
  modrm: boolean;
}

function parseVex(head: string): Pick<Parsed, "map" | "prefix" | "vexL" | "vexW"> {
  const [, l = "", pp = "", map = "", w = ""] = head.split(".");
  if (!["0F", "0F38", "0F3A"].includes(map) || !PREFIXES.includes(pp as Prefix))
    throw new Error(`bad VEX head ${head}`);
  return {
    map: `VEX.${map}` as MapName,
    prefix: pp as Prefix,
    ...(l === "LIG" ? {} : { vexL: l === "L1" ? 1 : 0 }),
    ...(w === "WIG" || w === "" ? {} : { vexW: w === "W1" ? 1 : 0 }),
  };
}

function parseEncoding(text: string): Parsed {
  const tokens = text.split(/\s+/);
  let head: Partial<Parsed> & { map: MapName } = { map: "1" };
  if (tokens[0]?.startsWith("VEX.")) head = parseVex(tokens.shift()!);
  else {
    const first = tokens[0] as Prefix;
    if (first === "NP" || (PREFIXES.includes(first) && tokens.length > 1 && /^[0-9A-F]{2}/.test(tokens[1]!))) {
      head.prefix = tokens.shift() as Prefix;
    }
    if (tokens[0] === "0F" && tokens.length > 1 && /^[0-9A-F]{2}/.test(tokens[1]!)) {
      tokens.shift();
      head.map = "0F";
      const second: string | undefined = tokens.at(0);
      if ((second === "38" || second === "3A") && tokens.length > 1 && /^[0-9A-F]{2}/.test(tokens[1]!)) {
        head.map = tokens.shift() === "38" ? "0F38" : "0F3A";
      }
    }
  }
  const out: Parsed = { opcode: 0, plus: false, modrm: false, ...head };
  const opcode = tokens.shift() ?? "";
  const m = /^([0-9A-F]{2})(\+?)$/.exec(opcode);
  if (!m) throw new Error(`bad opcode in "${text}"`);
  out.opcode = Number.parseInt(m[1]!, 16);
  out.plus = m[2] === "+";
  for (const token of tokens) {
    const ext = /^\/([0-7r])$/.exec(token);
    const literal = /^([0-9A-F]{2})(\+?)$/.exec(token);
    out.modrm = true;
    if (ext) {
      if (ext[1] !== "r") out.reg = Number(ext[1]);
    } else if (literal) {
      const byte = Number.parseInt(literal[1]!, 16);
      if (byte < 0xc0) throw new Error(`literal ModRM below C0 in "${text}"`);
      out.form = "reg";
      out.reg = (byte >> 3) & 7;
      if (literal[2] !== "+") out.rm = byte & 7;
    } else throw new Error(`bad token ${token} in "${text}"`);
  }
  return out;
}

/** Everything the decoder must find for `row`. Throws with the row's text when the encoding is malformed. */
export function matchOf(row: Row): Match {
  const p = parseEncoding(row.encoding);
  const form = p.form ?? formOf(row);
  const opcodes = p.plus ? Array.from({ length: 8 }, (_, i) => (p.opcode & 0xf8) | i) : [p.opcode];
  const mode64 = row.notes.has("only64") ? true : row.notes.has("no64") ? false : undefined;
  return {
    map: p.map,
    opcodes,
    hasModrm: p.modrm || row.operands.some(needsModrm),
    ...(p.prefix === undefined ? {} : { prefix: p.prefix }),
    ...(p.reg === undefined ? {} : { reg: p.reg }),
    ...(form === undefined ? {} : { form }),
    ...(p.rm === undefined ? {} : { rm: p.rm }),
    ...(p.vexL === undefined ? {} : { vexL: p.vexL }),
    ...(p.vexW === undefined ? {} : { vexW: p.vexW }),
    ...(mode64 === undefined ? {} : { mode64 }),
  };
}
