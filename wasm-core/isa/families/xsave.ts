/** Saving and restoring processor state. [SDM] vol. 1, 10.5, 13 */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const FXSAVE = family("Legacy state save and MXCSR", "fxsave", "[SDM] vol. 1, 10.5; vol. 2, FXSAVE, FXRSTOR, LDMXCSR, STMXCSR", [
  op("FXSAVE Ma",   "NP 0F AE /0", "", "raw y f:fxsr", "fxsave"),
  op("FXRSTOR Ma",  "NP 0F AE /1", "", "raw y f:fxsr", "fxrstor"),
  op("LDMXCSR Md",  "NP 0F AE /2", "", "sse f:sse st", "ldmxcsr"),
  op("STMXCSR Md=", "NP 0F AE /3", "", "sse f:sse",    "stmxcsr"),
]);

// biome-ignore format: one row a line
export const XSAVE = family("Extended state save", "xsave", "[SDM] vol. 1, 13; vol. 2, XSAVE to XSETBV", [
  op("XSAVE Ma",    "NP 0F AE /4", "", "raw y f:xsave",       "xsave"),
  op("XRSTOR Ma",   "NP 0F AE /5", "", "raw y f:xsave",       "xrstor"),
  op("XSAVEOPT Ma", "NP 0F AE /6", "", "raw y f:xsaveopt",    "xsaveopt"),
  op("XSAVEC Ma",   "NP 0F C7 /4", "", "raw y f:xsavec",      "xsavec"),
  op("XSAVES Ma",   "NP 0F C7 /5", "", "raw y cpl0 f:xsaves", "xsaves"),
  op("XRSTORS Ma",  "NP 0F C7 /3", "", "raw y cpl0 f:xsaves", "xrstors"),
  op("XGETBV",      "NP 0F 01 D0", "", "raw f:xsave",         "xgetbv"),
  op("XSETBV",      "NP 0F 01 D1", "", "raw end f:xsave",     "xsetbv"),
]);
