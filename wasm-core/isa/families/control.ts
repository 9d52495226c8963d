/** Near control flow and the stack. [SDM] vol. 2; far transfers are in far.ts. */
import { family, op, type Row } from "../row.js";
import { CONDITION_FLAGS, CONDITIONS } from "./mov.js";

const hex = (n: number) => n.toString(16).toUpperCase().padStart(2, "0");

const conditionalJumps = (): Row[] =>
  CONDITIONS.flatMap((cc, i) => [
    op(`J${cc} Jb`, hex(0x70 + i), CONDITION_FLAGS[i >> 1]!, "st jcc v f64", `j${cc}`),
    op(`J${cc} Jz`, `0F ${hex(0x80 + i)}`, CONDITION_FLAGS[i >> 1]!, "st jcc f64", `j${cc}`),
  ]);

// biome-ignore format: one row a line
export const CONTROL = family("Near control flow", "control", "[SDM] vol. 2", [
  ...conditionalJumps(),
  op("JMP Jb",     "EB",     "", "st branch v f64", "jmp"),
  op("JMP Jz",     "E9",     "", "st branch f64",   "jmp"),
  op("JMP Ev",     "FF /4",  "", "st branch f64",   "jmpIndirect"),
  op("CALL Jz",    "E8",     "", "st branch f64",   "call"),
  op("CALL Ev",    "FF /2",  "", "st branch f64",   "callIndirect"),
  op("RET",        "C3",     "", "raw branch v f64", "ret"),
  op("RET Iw",     "C2",     "", "st branch v f64",  "retPop"),
  op("LOOPNE Jb",  "E0",     "--t---", "st jcc v f64", "loopne"),
  op("LOOPE Jb",   "E1",     "--t---", "st jcc v f64", "loope"),
  op("LOOP Jb",    "E2",     "", "st jcc v f64", "loop"),
  op("JRCXZ Jb",   "E3",     "", "st jcc v f64", "jrcxz"),
]);

// biome-ignore format: one row a line
export const STACK = family("Stack", "stack", "[SDM] vol. 2", [
  op("PUSH Zv",    "50+",    "", "st d64",  "pushValue"),
  op("POP Zv=",    "58+",    "", "raw d64", "popReg"),
  op("PUSH Ev",    "FF /6",  "", "st d64",  "pushValue"),
  op("POP Ev=",    "8F /0",  "", "raw d64", "popRm"),
  op("PUSH Iz",    "68",     "", "st d64",  "pushValue"),
  op("PUSH Is",    "6A",     "", "st d64",  "pushValue"),
  op("PUSHA",      "60",     "", "raw v no64", "pushAll"),
  op("POPA",       "61",     "", "raw v no64", "popAll"),
  op("ENTER Iw Ib", "C8",    "", "raw v d64", "enter"),
  op("LEAVE",      "C9",     "", "raw v d64", "leave"),
]);

// biome-ignore format: one row a line
export const STRING = family("String instructions", "string", "[SDM] vol. 2", [
  op("MOVS",  "A4", "",       "raw rep",   "movsb"),
  op("MOVS",  "A5", "",       "raw rep v", "movs"),
  op("CMPS",  "A6", "mmmmmm", "raw rep",   "cmpsb"),
  op("CMPS",  "A7", "mmmmmm", "raw rep v", "cmps"),
  op("STOS",  "AA", "",       "raw rep",   "stosb"),
  op("STOS",  "AB", "",       "raw rep v", "stos"),
  op("LODS",  "AC", "",       "raw rep",   "lodsb"),
  op("LODS",  "AD", "",       "raw rep v", "lods"),
  op("SCAS",  "AE", "mmmmmm", "raw rep",   "scasb"),
  op("SCAS",  "AF", "mmmmmm", "raw rep v", "scas"),
]);
