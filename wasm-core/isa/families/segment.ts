/** Segment and descriptor-table registers. [SDM] vol. 2. */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const SEGMENT = family("Segments and descriptors", "segment", "[SDM] vol. 2, MOV, PUSH, POP, LGDT, SGDT, LLDT, LTR, LAR, LSL, VERR, ARPL", [
  op("MOV Ev S",    "8C /r",    "", "raw",          "movFromSeg"),
  op("MOV S Ew",    "8E /r",    "", "raw",          "movToSeg"),
  op("PUSH ES",     "06",       "", "raw v no64",   "pushEs"),
  op("POP ES",      "07",       "", "raw v no64",   "popEs"),
  op("PUSH CS",     "0E",       "", "raw v no64",   "pushCs"),
  op("PUSH SS",     "16",       "", "raw v no64",   "pushSs"),
  op("POP SS",      "17",       "", "raw v no64",   "popSs"),
  op("PUSH DS",     "1E",       "", "raw v no64",   "pushDs"),
  op("POP DS",      "1F",       "", "raw v no64",   "popDs"),
  op("PUSH FS",     "0F A0",    "", "raw v d64",    "pushFs"),
  op("POP FS",      "0F A1",    "", "raw v d64",    "popFs"),
  op("PUSH GS",     "0F A8",    "", "raw v d64",    "pushGs"),
  op("POP GS",      "0F A9",    "", "raw v d64",    "popGs"),
  op("SLDT Ev",     "0F 00 /0", "", "raw pm",       "sldt"),
  op("STR Ev",      "0F 00 /1", "", "raw pm",       "str"),
  op("LLDT Ew",     "0F 00 /2", "", "st end pm cpl0", "lldt"),
  op("LTR Ew",      "0F 00 /3", "", "st end pm cpl0", "ltr"),
  op("VERR Ew",     "0F 00 /4", "--m---", "st pm",  "verr"),
  op("VERW Ew",     "0F 00 /5", "--m---", "st pm",  "verw"),
  op("SGDT Ma",     "0F 01 /0", "", "raw",          "sgdt"),
  op("SIDT Ma",     "0F 01 /1", "", "raw",          "sidt"),
  op("LGDT Ma",     "0F 01 /2", "", "raw v end cpl0", "lgdt"),
  op("LIDT Ma",     "0F 01 /3", "", "raw v end cpl0", "lidt"),
  op("LAR Gv Ew",   "0F 02 /r", "--m---", "st pm",  "lar"),
  op("LSL Gv Ew",   "0F 03 /r", "--m---", "st pm",  "lsl"),
  op("ARPL Ew Gw",  "63 /r",    "--m---", "raw no64 pm", "arpl"),
]);
