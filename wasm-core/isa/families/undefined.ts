/**
 * What the opcode maps leave undefined, or what belongs to extensions that this processor does not have (AVX, MPX as
 * state, CET, 3DNow!, virtualization). [SDM] vol. 2D, appendix A.
 *
 * RESERVED are rows: prefixes that would otherwise be ignored. UNDEFINED is data for validate.ts: nothing is decoded
 * there, and a byte that neither it nor a row covers is a mistake of the table. A line reads: map, opcodes, then the
 * prefixes, ModRM forms, ModRM.reg, ModRM.r/m, VEX.L or mode that it is about; `-` ranges, `,` lists.
 */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const RESERVED = family("Reserved prefixes", "glue", "[SDM] vol. 2D, table A-4", [
  op("UD Ma", "F3 0F 38 F0 /r", "", "st", "undefinedOpcode"),
  op("UD Ma", "F3 0F 38 F1 /r", "", "st", "undefinedOpcode"),
]);

// biome-ignore format: one line a pattern
export const UNDEFINED: readonly string[] = [
  // one-byte map: gone in 64-bit mode, register forms of memory instructions, unused group members
  "1 06-07,0E,16-17,1E-1F,27,2F,37,3F,60-62,82,9A,CE,D4-D6,EA 64",
  "1 40-4F 64",
  "1 62 not64 reg",
  "1 8D reg",
  "1 8F,C6-C7 /1-7",
  "1 FE /2-7",
  "1 FF mem /7",
  "1 FF reg /3,5,7",
  // two-byte map
  "0F 04,0A,0C,0E,24-27,36,39,3B-3F",
  "0F 0F",
  "0F 78-7B,A6-A7",
  "0F 00 /6-7",
  "0F 01 mem /5",
  "0F 01 reg /5",
  "0F 01 NP reg /0 rm0,2-7",
  "0F 01 NP reg /1 rm4-7",
  "0F 01 NP reg /2 rm2-7",
  "0F 01 66,F3,F2 reg /0-2",
  "0F 01 reg /3 rm0,2-7",
  "0F 01 not64 reg /7 rm0",
  "0F 01 reg /7 rm2-7",
  "0F 12-13,16-17,2B,E7 66 reg",
  "0F 13,17,2B,C3,E7 NP reg",
  "0F 50,71-73,C5,D7,F7 NP,66 mem",
  "0F 71-73 NP,66 reg /0-1,3,5",
  "0F 71-72 66 reg /7",
  "0F 71-73 NP reg /7",
  "0F 73 NP,66 reg /4",
  "0F B2,B4-B5 reg",
  "0F BA /0-3",
  "0F AE NP reg /0-4",
  "0F AE 66 mem /0-5",
  "0F AE 66 reg",
  "0F AE not64 F3",
  "0F AE F3 mem",
  "0F AE F3 reg /4-7",
  "0F AE F2",
  "0F C7 NP mem /0,2,6-7",
  "0F C7 66,F3,F2 mem /0,2-7",
  "0F C7 reg /0-5",
  "0F D6 F3,F2 mem",
  "0F F0 F2 reg",
  // and its missing prefixes
  "0F 6C-6D,7C-7D,B8,D0,D6,E6,F0 NP",
  "0F 52-53,77,B8,C3,F0 66",
  "0F 13-15,17,28-29,2B,2E-2F,50,54-57,60-6E,71-77,7C-7D,C3-C6,D0-D5,D7-E5,E7-FE F3",
  "0F 13-17,28-29,2B,2E-2F,50,52-57,5B,60-6F,71-77,7E-7F,B8,C3-C6,D1-D5,D7-E5,E7-EF,F1-FE F2",
  // three-byte maps
  "0F38 0C-0F,11-13,16,18-1B,1F,26-27,2C-2F,36,42-81,83-C7,CE-DA,E0-EF,F2-F5,F7-FF",
  "0F38 10,14-15,17,20-25,28-2B,30-35,37-41,82,DB-DF,F6 NP",
  "0F38 C8-CD 66",
  "0F38 00-0B,10,14-15,17,1C-1E,20-25,28-2B,30-35,37-41,82,C8-CD,DB-DF F3",
  "0F38 00-0B,10,14-15,17,1C-1E,20-25,28-2B,30-35,37-41,82,C8-CD,DB-DF,F6 F2",
  "0F38 2A,82,F0-F1 66 reg",
  "0F38 F0-F1 NP,F3 reg",
  "0F3A 00-07,10-13,18-1F,23-3F,43,45-5F,64-CB,CD-DE,E0-FF",
  "0F3A 08-0E,14-17,20-22,40-42,44,60-63,DF NP",
  "0F3A 08-0F,14-17,20-22,40-42,44,60-63,CC,DF F3,F2",
  "0F3A CC 66",
  // VEX: general-register instructions alone, as AVX is not offered
  "VEX.0F 00-FF",
  "VEX.0F38 00-F1,F4,F8-FF",
  "VEX.0F38 F2-F3,F5-F6 66",
  "VEX.0F38 F2-F3,F6 F3",
  "VEX.0F38 F2-F3 F2",
  "VEX.0F38 F6 NP",
  "VEX.0F38 F3 NP /0,4-7",
  "VEX.0F38 F2-F3,F5,F7 NP L1",
  "VEX.0F38 F5,F7 F3 L1",
  "VEX.0F38 F5-F7 F2 L1",
  "VEX.0F38 F7 66 L1",
  "VEX.0F3A 00-EF,F1-FF",
  "VEX.0F3A F0 NP,66,F3",
  "VEX.0F3A F0 F2 L1",
];
