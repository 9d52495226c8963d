/** Software interrupts and the interrupt flag. [SDM] vol. 2. */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const INTERRUPT = family("Interrupts and flags", "interrupt", "[SDM] vol. 2, INT n, BOUND, CLI, STI, HLT, PUSHF, POPF", [
  op("INT3",        "CC",    "", "raw branch", "int3"),
  op("INT Ib",      "CD",    "", "st branch",  "intN"),
  op("INTO",        "CE",    "t-----", "raw no64", "into"),
  op("INT1",        "F1",    "", "raw branch", "int1"),
  op("BOUND Gv Ma", "62 /r", "", "raw no64",   "bound"),
  op("CLI",         "FA",    "", "raw",        "cli"),
  op("STI",         "FB",    "", "raw",        "sti"),
  op("HLT",         "F4",    "", "raw end cpl0", "hlt"),
  op("PUSHF",       "9C",    "tttttt", "raw v d64", "pushf"),
  op("POPF",        "9D",    "mmmmmm", "raw v d64", "popf"),
]);
