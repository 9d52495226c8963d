/** The decimal adjustments over all their inputs, where those are few, and over many where they are not. */
import { encode } from "../../../wasm-core/isa/encode.js";
import type { Row } from "../../../wasm-core/isa/row.js";
import type { Random } from "../../support/random.js";
import { baseState, CODE_AT } from "../layout.js";
import { PROTECTED_32, putSetting } from "./settings.js";
import type { LegacyWork } from "./work.js";

const [CF, AF] = [0x1, 0x10] as const;
const FIXED = 0x202;
const RAX = 0;
const CARRIES = [0, CF, AF, CF | AF];
const EVERY_BYTE = Array.from({ length: 256 }, (_, n) => n);
/** Bases of AAM and AAD: none, the decimal one, and others. */
const BASES = [0, 1, 2, 7, 10, 16, 0x7f, 0x80, 0xff];

interface Input {
  readonly ax: number;
  readonly flags: number;
  readonly base?: number;
}

/** AL and the two carries are all that DAA and DAS look at. */
const ofPacked = (): Input[] => EVERY_BYTE.flatMap((ax) => CARRIES.map((flags) => ({ ax, flags })));

/** AAA and AAS look at AL and AF, and count in AH. */
const ofUnpacked = (rng: Random): Input[] =>
  EVERY_BYTE.flatMap((al) =>
    [0, AF].map((flags) => ({ ax: (rng.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff]) << 8) | al, flags })),
  );

const ofBase = (rng: Random): Input[] =>
  BASES.flatMap((base) => Array.from({ length: 24 }, () => ({ ax: rng.u32() & 0xffff, flags: 0, base })));

function inputs(row: Row, rng: Random): Input[] {
  if (row.semantic === "daa" || row.semantic === "das") return ofPacked();
  if (row.semantic === "aaa" || row.semantic === "aas") return ofUnpacked(rng);
  if (row.semantic === "aam" || row.semantic === "aad") return ofBase(rng);
  return [];
}

/** Nothing for other rows. */
export function decimalAdjustments(row: Row, rng: Random): LegacyWork[] {
  return inputs(row, rng).map(({ ax, flags, base }) => {
    const before = baseState();
    for (let n = 0; n < 16; n++) before.setGpr(n, n < 8 ? before.gpr(n) & 0xffffffffn : 0n);
    before.setGpr(RAX, (before.gpr(RAX) & 0xffff0000n) | BigInt(ax));
    before.flags = FIXED | flags;
    before.rip = BigInt(CODE_AT);
    putSetting(before, PROTECTED_32.kind, PROTECTED_32.selectors);
    const code = encode(row, { mode: 32, ...(base === undefined ? {} : { immediates: [BigInt(base)] }) });
    return { mode: 32, code, before, ea: 0n, setting: PROTECTED_32 };
  });
}
