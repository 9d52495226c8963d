/** Port input and output. [SDM] vol. 2. */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const PORT = family("Port I/O", "port", "[SDM] vol. 2, IN, OUT, INS, OUTS", [
  op("INS",    "6C", "", "raw rep",   "insb"),
  op("INS",    "6D", "", "raw rep v", "ins"),
  op("OUTS",   "6E", "", "raw rep",   "outsb"),
  op("OUTS",   "6F", "", "raw rep v", "outs"),
  op("IN Ib",  "E4", "", "raw",       "inByteImm"),
  op("IN Ib",  "E5", "", "raw v",     "inImm"),
  op("OUT Ib", "E6", "", "raw",       "outByteImm"),
  op("OUT Ib", "E7", "", "raw v",     "outImm"),
  op("IN",     "EC", "", "raw",       "inByte"),
  op("IN",     "ED", "", "raw v",     "inDx"),
  op("OUT",    "EE", "", "raw",       "outByte"),
  op("OUT",    "EF", "", "raw v",     "outDx"),
]);
