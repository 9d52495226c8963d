/**
 * The decoder against an independent disassembler: length and undefined-ness of random instructions in three modes.
 * SEED and SAMPLES choose others.
 */
import { describe, expect, it } from "vitest";
import { Random } from "../support/random.js";
import { CoreDecoder, type Decoded } from "./decoder.js";
import { KNOWN } from "./known.js";
import { type Disassembled, disassemble } from "./objdump.js";
import { sampleBytes } from "./samples.js";

const SEED = Number(process.env.SEED ?? 1);
const SAMPLES = Number(process.env.SAMPLES ?? 8000);
const BUILD_MS = 300_000;
/** Length that no instruction may pass. */
const LONGEST = 15;

/** How the two disagree, or undefined when they agree. */
function difference(ours: Decoded, theirs: Disassembled): string | undefined {
  if (theirs.length > LONGEST && ours.length <= 0) return undefined;
  if (ours.undefined !== theirs.bad) return ours.undefined ? "undefined here" : "undefined there";
  if (!ours.undefined && ours.length !== theirs.length) return `length ${ours.length}, there ${theirs.length}`;
  return undefined;
}

/** Instructions that LOCK is legal before, when their destination is memory. */
const LOCKABLE =
  /\block\b.*\b(add|adc|and|bt[csr]|cmpxchg\w*|dec|inc|neg|not|or|sbb|sub|xor|xadd|xchg) +(BYTE|[DQX]?WORD|XMMWORD) PTR/;

describe("the decoder agrees with objdump", async () => {
  const decoder = await CoreDecoder.make();
  it.each([64, 32, 16] as const)(
    "in %i-bit code",
    (mode) => {
      const rng = new Random(SEED * 1000 + mode);
      const samples = Array.from({ length: SAMPLES }, () => sampleBytes(rng, mode));
      const wrong: string[] = [];
      disassemble(mode, samples).forEach((theirs, i) => {
        const hex = Buffer.from(samples[i]!).toString("hex");
        const ours = decoder.decode(mode, samples[i]!);
        const what = difference(ours, theirs);
        if (what === undefined) return;
        const legalLock = LOCKABLE.test(theirs.text) && !theirs.bad;
        if (!legalLock && KNOWN.some((k) => k.when(ours, theirs, hex))) return;
        wrong.push(`${hex}: ${what}: ${ours.row?.mnemonic ?? "no row"}, objdump: ${theirs.text}`);
      });
      expect(wrong.join("\n")).toBe("");
    },
    BUILD_MS,
  );
});
