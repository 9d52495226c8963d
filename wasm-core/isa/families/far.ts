/** Far control flow and far pointers. [SDM] vol. 2. */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const FAR = family("Far control flow", "far", "[SDM] vol. 2, JMP, CALL, RET, IRET, LDS", [
  op("CALLF Ap",    "9A",    "", "raw branch v no64", "callFar"),
  op("JMPF Ap",     "EA",    "", "raw branch v no64", "jmpFar"),
  op("CALLF Mp",    "FF /3", "", "raw branch v", "callFarMem"),
  op("JMPF Mp",     "FF /5", "", "raw branch v", "jmpFarMem"),
  op("RETF Iw",     "CA",    "", "raw branch v", "retFarPop"),
  op("RETF",        "CB",    "", "raw branch v", "retFar"),
  op("IRET",        "CF",    "mmmmmm", "raw branch v", "iret"),
  op("LES Gv Mp",   "C4 /r", "", "raw no64", "les"),
  op("LDS Gv Mp",   "C5 /r", "", "raw no64", "lds"),
  op("LSS Gv Mp",   "0F B2 /r", "", "raw", "lss"),
  op("LFS Gv Mp",   "0F B4 /r", "", "raw", "lfs"),
  op("LGS Gv Mp",   "0F B5 /r", "", "raw", "lgs"),
]);
