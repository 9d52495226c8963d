/** Integer arithmetic and logic. [SDM] vol. 2, the instructions by name; encodings as in appendix A. */
import { family, op, type Row } from "../row.js";

/** The eight classic operations share one pattern of six encodings and the immediate groups 80, 81, 83. */
function classic(name: string, base: number, ext: number, flags: string, semantic: string): Row[] {
  const hex = (n: number) => n.toString(16).toUpperCase().padStart(2, "0");
  const rw = semantic === "cmp" ? "" : "+";
  const lock = semantic === "cmp" ? "" : "lock ";
  return [
    op(`${name} Eb${rw} Gb`, `${hex(base)} /r`, flags, `${lock}T`, semantic),
    op(`${name} Ev${rw} Gv`, `${hex(base + 1)} /r`, flags, lock, semantic),
    op(`${name} Gb${rw} Eb`, `${hex(base + 2)} /r`, flags, "T", semantic),
    op(`${name} Gv${rw} Ev`, `${hex(base + 3)} /r`, flags, "", semantic),
    op(`${name} Ab${rw} Ib`, `${hex(base + 4)}`, flags, "T", semantic),
    op(`${name} Av${rw} Iz`, `${hex(base + 5)}`, flags, "", semantic),
    op(`${name} Eb${rw} Ib`, `80 /${ext}`, flags, `${lock}T`, semantic),
    op(`${name} Ev${rw} Iz`, `81 /${ext}`, flags, lock, semantic),
    op(`${name} Eb${rw} Ib`, `82 /${ext}`, flags, `${lock}T no64`, semantic),
    op(`${name} Ev${rw} Is`, `83 /${ext}`, flags, lock, semantic),
  ];
}

// biome-ignore format: one row a line
export const ALU = family("Integer arithmetic and logic", "alu", "[SDM] vol. 2", [
  ...classic("ADD", 0x00, 0, "mmmmmm", "add"),
  ...classic("OR",  0x08, 1, "0mmum0", "or"),
  ...classic("ADC", 0x10, 2, "mmmmmb", "adc"),
  ...classic("SBB", 0x18, 3, "mmmmmb", "sbb"),
  ...classic("AND", 0x20, 4, "0mmum0", "and"),
  ...classic("SUB", 0x28, 5, "mmmmmm", "sub"),
  ...classic("XOR", 0x30, 6, "0mmum0", "xor"),
  ...classic("CMP", 0x38, 7, "mmmmmm", "cmp"),
  op("TEST Eb Gb",    "84 /r",    "0mmum0", "T",          "test"),
  op("TEST Ev Gv",    "85 /r",    "0mmum0", "",           "test"),
  op("TEST Ab Ib",    "A8",       "0mmum0", "T",          "test"),
  op("TEST Av Iz",    "A9",       "0mmum0", "",           "test"),
  op("TEST Eb Ib",    "F6 /0",    "0mmum0", "T",          "test"),
  op("TEST Eb Ib",    "F6 /1",    "0mmum0", "T",          "test"),
  op("TEST Ev Iz",    "F7 /0",    "0mmum0", "",           "test"),
  op("TEST Ev Iz",    "F7 /1",    "0mmum0", "",           "test"),
  op("NOT Eb+",       "F6 /2",    "",       "lock T",     "not"),
  op("NOT Ev+",       "F7 /2",    "",       "lock",       "not"),
  op("NEG Eb+",       "F6 /3",    "mmmmmm", "lock T",     "neg"),
  op("NEG Ev+",       "F7 /3",    "mmmmmm", "lock",       "neg"),
  op("INC Eb+",       "FE /0",    "mmmmm-", "lock T",     "inc"),
  op("INC Ev+",       "FF /0",    "mmmmm-", "lock",       "inc"),
  op("DEC Eb+",       "FE /1",    "mmmmm-", "lock T",     "dec"),
  op("DEC Ev+",       "FF /1",    "mmmmm-", "lock",       "dec"),
  op("INC Zv+",       "40+",      "mmmmm-", "no64",       "inc"),
  op("DEC Zv+",       "48+",      "mmmmm-", "no64",       "dec"),
  op("XADD Eb+ Gb",   "0F C0 /r", "mmmmmm", "lock rec T", "xadd"),
  op("XADD Ev+ Gv",   "0F C1 /r", "mmmmmm", "lock rec",   "xadd"),
  op("CMPXCHG Eb+ Gb", "0F B0 /r", "mmmmmm", "raw lock T", "cmpxchg"),
  op("CMPXCHG Ev+ Gv", "0F B1 /r", "mmmmmm", "raw lock",  "cmpxchg"),
  op("CMPXCHG8B My+", "0F C7 /1", "--m---", "raw lock",   "cmpxchgPair"),
  op("ADCX Gy+ Ey",   "66 0F 38 F6 /r", "-----b", "f:adx", "adcx"),
  op("ADOX Gy+ Ey",   "F3 0F 38 F6 /r", "b-----", "f:adx", "adox"),
  op("DAA",           "27",       "ummbmb", "raw no64",   "daa"),
  op("DAS",           "2F",       "ummbmb", "raw no64",   "das"),
  op("AAA",           "37",       "uuubum", "raw no64",   "aaa"),
  op("AAS",           "3F",       "uuubum", "raw no64",   "aas"),
  op("AAM Ib",        "D4",       "ummumu", "st no64",    "aam"),
  op("AAD Ib",        "D5",       "ummumu", "st no64",    "aad"),
]);

// biome-ignore format: one row a line
export const MULDIV = family("Multiplication and division", "muldiv", "[SDM] vol. 2", [
  op("MUL Eb",          "F6 /4",    "muuuum", "st T", "mul"),
  op("MUL Ev",          "F7 /4",    "muuuum", "st",   "mul"),
  op("IMUL Eb",         "F6 /5",    "muuuum", "st T", "imul"),
  op("IMUL Ev",         "F7 /5",    "muuuum", "st",   "imul"),
  op("DIV Eb",          "F6 /6",    "uuuuuu", "st T", "div"),
  op("DIV Ev",          "F7 /6",    "uuuuuu", "st",   "div"),
  op("IDIV Eb",         "F6 /7",    "uuuuuu", "st T", "idiv"),
  op("IDIV Ev",         "F7 /7",    "uuuuuu", "st",   "idiv"),
  op("IMUL Gv+ Ev",     "0F AF /r", "muuuum", "",     "imul2"),
  op("IMUL Gv= Ev Iz",  "69 /r",    "muuuum", "",     "imul2"),
  op("IMUL Gv= Ev Is",  "6B /r",    "muuuum", "",     "imul2"),
  op("MULX Gy= By Ey",  "VEX.L0.F2.0F38.WIG F6 /r", "", "rec f:bmi2", "mulx"),
]);

const shifts = (name: string, ext: number, flags: string, semantic: string): Row[] => [
  op(`${name} Eb+ Ib`, `C0 /${ext}`, flags, "T", semantic),
  op(`${name} Ev+ Ib`, `C1 /${ext}`, flags, "", semantic),
  op(`${name} Eb+ 1`, `D0 /${ext}`, flags, "T", semantic),
  op(`${name} Ev+ 1`, `D1 /${ext}`, flags, "", semantic),
  op(`${name} Eb+ CL`, `D2 /${ext}`, flags, "T", semantic),
  op(`${name} Ev+ CL`, `D3 /${ext}`, flags, "", semantic),
];

// biome-ignore format: one row a line
export const SHIFT = family("Shifts and rotates", "shift", "[SDM] vol. 2", [
  ...shifts("ROL", 0, "m----m", "rol"),
  ...shifts("ROR", 1, "m----m", "ror"),
  ...shifts("RCL", 2, "m----b", "rcl"),
  ...shifts("RCR", 3, "m----b", "rcr"),
  ...shifts("SHL", 4, "mmmumm", "shl"),
  ...shifts("SHR", 5, "mmmumm", "shr"),
  ...shifts("SAL", 6, "mmmumm", "shl"),
  ...shifts("SAR", 7, "mmmumm", "sar"),
  op("SHLD Ev+ Gv Ib", "0F A4 /r", "mmmumm", "", "shld"),
  op("SHLD Ev+ Gv CL", "0F A5 /r", "mmmumm", "", "shld"),
  op("SHRD Ev+ Gv Ib", "0F AC /r", "mmmumm", "", "shrd"),
  op("SHRD Ev+ Gv CL", "0F AD /r", "mmmumm", "", "shrd"),
  op("SARX Gy= Ey By", "VEX.L0.F3.0F38.WIG F7 /r", "", "f:bmi2", "sarx"),
  op("SHLX Gy= Ey By", "VEX.L0.66.0F38.WIG F7 /r", "", "f:bmi2", "shlx"),
  op("SHRX Gy= Ey By", "VEX.L0.F2.0F38.WIG F7 /r", "", "f:bmi2", "shrx"),
  op("RORX Gy= Ey Ib", "VEX.L0.F2.0F3A.WIG F0 /r", "", "f:bmi2", "rorx"),
]);

// biome-ignore format: one row a line
export const BIT = family("Bit tests, scans and fields", "bit", "[SDM] vol. 2", [
  op("BT Ev Gv",       "0F A3 /r", "uu-uum", "raw",      "bt"),
  op("BTS Ev+ Gv",     "0F AB /r", "uu-uum", "raw lock", "bts"),
  op("BTR Ev+ Gv",     "0F B3 /r", "uu-uum", "raw lock", "btr"),
  op("BTC Ev+ Gv",     "0F BB /r", "uu-uum", "raw lock", "btc"),
  op("BT Ev Ib",       "0F BA /4", "uu-uum", "",         "btImm"),
  op("BTS Ev+ Ib",     "0F BA /5", "uu-uum", "lock",     "btsImm"),
  op("BTR Ev+ Ib",     "0F BA /6", "uu-uum", "lock",     "btrImm"),
  op("BTC Ev+ Ib",     "0F BA /7", "uu-uum", "lock",     "btcImm"),
  op("BSF Gv Ev",      "0F BC /r", "uumuuu", "st",       "bsf"),
  op("BSR Gv Ev",      "0F BD /r", "uumuuu", "st",       "bsr"),
  op("TZCNT Gv= Ev",   "F3 0F BC /r", "uumuum", "f:bmi1", "tzcnt"),
  op("LZCNT Gv= Ev",   "F3 0F BD /r", "uumuum", "f:abm",  "lzcnt"),
  op("POPCNT Gv= Ev",  "F3 0F B8 /r", "00m000", "f:popcnt", "popCount"),
  op("CRC32 Gy+ Eb",   "F2 0F 38 F0 /r", "", "f:sse4.2", "crc32b"),
  op("CRC32 Gy+ Ev",   "F2 0F 38 F1 /r", "", "raw f:sse4.2", "crc32"),
  op("ANDN Gy= By Ey", "VEX.L0.NP.0F38.WIG F2 /r", "0mmuu0", "f:bmi1", "andn"),
  op("BLSR By= Ey",    "VEX.L0.NP.0F38.WIG F3 /1", "0mmuum", "f:bmi1", "blsr"),
  op("BLSMSK By= Ey",  "VEX.L0.NP.0F38.WIG F3 /2", "0m0uum", "f:bmi1", "blsmsk"),
  op("BLSI By= Ey",    "VEX.L0.NP.0F38.WIG F3 /3", "0mmuum", "f:bmi1", "blsi"),
  op("BEXTR Gy= Ey By", "VEX.L0.NP.0F38.WIG F7 /r", "0umuu0", "f:bmi1", "bextr"),
  op("BZHI Gy= Ey By", "VEX.L0.NP.0F38.WIG F5 /r", "0mmuum", "f:bmi2", "bzhi"),
  op("PEXT Gy= By Ey", "VEX.L0.F3.0F38.WIG F5 /r", "", "f:bmi2", "pext"),
  op("PDEP Gy= By Ey", "VEX.L0.F2.0F38.WIG F5 /r", "", "f:bmi2", "pdep"),
]);
