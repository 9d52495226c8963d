/** Data movement between general registers and memory, conversions, conditional moves, flags in and out. [SDM] vol. 2. */
import { family, op, type Row } from "../row.js";

export const CONDITIONS = ["O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE"] as const;
/** Flags that each pair of conditions tests. */
export const CONDITION_FLAGS = ["t-----", "-----t", "--t---", "--t--t", "-t----", "----t-", "tt----", "ttt---"] as const;

const hex = (n: number) => n.toString(16).toUpperCase().padStart(2, "0");

function conditional(): Row[] {
  return CONDITIONS.flatMap((cc, i) => {
    const flags = CONDITION_FLAGS[i >> 1]!;
    return [
      op(`CMOV${cc} Gv+ Ev`, `0F ${hex(0x40 + i)} /r`, flags, "", `cmov${cc}`),
      op(`SET${cc} Eb=`, `0F ${hex(0x90 + i)} /r`, flags, "", `set${cc}`),
    ];
  });
}

// biome-ignore format: one row a line
export const MOV = family("Data movement", "mov", "[SDM] vol. 2", [
  op("MOV Eb= Gb",     "88 /r",    "", "T", "mov"),
  op("MOV Ev= Gv",     "89 /r",    "", "",  "mov"),
  op("MOV Gb= Eb",     "8A /r",    "", "T", "mov"),
  op("MOV Gv= Ev",     "8B /r",    "", "",  "mov"),
  op("MOV Ab= Ob",     "A0",       "", "T", "mov"),
  op("MOV Av= Ov",     "A1",       "", "",  "mov"),
  op("MOV Ob= Ab",     "A2",       "", "T", "mov"),
  op("MOV Ov= Av",     "A3",       "", "",  "mov"),
  op("MOV Zb= Ib",     "B0+",      "", "T", "mov"),
  op("MOV Zv= Iv",     "B8+",      "", "",  "mov"),
  op("MOV Eb= Ib",     "C6 /0",    "", "T", "mov"),
  op("MOV Ev= Iz",     "C7 /0",    "", "",  "mov"),
  op("MOVZX Gv= Eb",   "0F B6 /r", "", "",  "movzxByte"),
  op("MOVZX Gv= Ew",   "0F B7 /r", "", "",  "movzxWord"),
  op("MOVSX Gv= Eb",   "0F BE /r", "", "",  "movsxByte"),
  op("MOVSX Gv= Ew",   "0F BF /r", "", "",  "movsxWord"),
  op("MOVSXD Gv= Ez",  "63 /r",    "", "only64", "movsxd"),
  op("XCHG Eb+ Gb",    "86 /r",    "", "rec lock xlock T", "xchg"),
  op("XCHG Ev+ Gv",    "87 /r",    "", "rec lock xlock",   "xchg"),
  op("XCHG Zv Av",     "90+",      "", "raw", "xchgAccumulator"),
  op("BSWAP Zv+",      "0F C8+",   "", "",    "bswapReg"),
  op("MOVBE Gv= Mv",   "0F 38 F0 /r", "", "f:movbe", "movbe"),
  op("MOVBE Mv= Gv",   "0F 38 F1 /r", "", "f:movbe", "movbe"),
  op("LEA Gv Ma",      "8D /r",    "", "raw", "lea"),
  op("XLAT",           "D7",       "", "raw", "xlat"),
  op("CBW",            "98",       "", "raw v", "convertAccumulator"),
  op("CWD",            "99",       "", "raw v", "signExtendIntoDx"),
  ...conditional(),
  op("CLC",            "F8",       "-----0", "raw", "clc"),
  op("STC",            "F9",       "-----1", "raw", "stc"),
  op("CMC",            "F5",       "-----b", "raw", "cmc"),
  op("CLD",            "FC",       "", "raw", "cld"),
  op("STD",            "FD",       "", "raw", "std"),
  op("LAHF",           "9F",       "-ttttt", "raw", "lahf"),
  op("SAHF",           "9E",       "-mmmmm", "raw", "sahf"),
  op("SALC",           "D6",       "-----t", "raw no64", "salc"),
]);
