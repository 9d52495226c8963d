/** The independent disassembler: GNU objdump of binutils, called once for a batch of samples. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Bytes of a sample; no instruction is longer. */
export const SAMPLE_BYTES = 15;
/** A sample and padding in which every disassembly falls into step again. */
const SLOT_BYTES = 32;
const NOP = 0x90;
const MACHINE = { 16: "i8086", 32: "i386", 64: "i386:x86-64" } as const;
const PREFIX = /^(rex(\.[WRXB]+)?|data16|data32|addr16|addr32|repz|repnz|lock|[c-gs]s|xacquire|xrelease|bnd|notrack)$/;

/** What objdump makes of a sample. */
export interface Disassembled {
  /** Bytes of the instruction, prefixes included. */
  readonly length: number;
  readonly text: string;
  readonly bad: boolean;
}

interface Line {
  readonly at: number;
  readonly text: string;
}

/** Lines of the listing as (address, text). */
function readListing(listing: string): Line[] {
  const out: Line[] = [];
  for (const line of listing.split("\n")) {
    const m = /^\s*([0-9a-f]+):\t(.*)$/.exec(line);
    if (m) out.push({ at: Number.parseInt(m[1]!, 16), text: m[2]!.trim() });
  }
  return out;
}

/** Whether a line shows prefixes alone: the instruction goes on in the next one. */
const isPrefixes = (text: string): boolean => text.split(/\s+/).every((word) => PREFIX.test(word));

/** Disassembles samples of SAMPLE_BYTES bytes each. */
export function disassemble(mode: 16 | 32 | 64, samples: readonly Uint8Array[]): Disassembled[] {
  const image = new Uint8Array((samples.length + 1) * SLOT_BYTES).fill(NOP);
  for (const [i, s] of samples.entries()) image.set(s, i * SLOT_BYTES);
  const folder = mkdtempSync(join(tmpdir(), "decode-"));
  try {
    const file = join(folder, "samples.bin");
    writeFileSync(file, image);
    const args = [
      "-D",
      "-w",
      "-z",
      "--no-show-raw-insn",
      "-b",
      "binary",
      "-m",
      MACHINE[mode],
      "-M",
      "intel,intel64",
      file,
    ];
    const r = spawnSync("objdump", args, { encoding: "utf8", maxBuffer: 1 << 30 });
    if (r.error) throw new Error("objdump is missing: install binutils (apt install binutils)");
    if (r.status !== 0) throw new Error(`objdump: ${r.stderr}`);
    return pickSlots(readListing(r.stdout), samples.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pickSlots(lines: readonly Line[], count: number): Disassembled[] {
  const index = new Map(lines.map((l, i) => [l.at, i]));
  return Array.from({ length: count }, (_, slot) => {
    const start = slot * SLOT_BYTES;
    let i = index.get(start);
    if (i === undefined) throw new Error(`objdump shows no instruction at ${start.toString(16)}`);
    const words: string[] = [];
    while (isPrefixes(lines[i]!.text)) words.push(lines[i++]!.text);
    words.push(lines[i]!.text);
    const text = words.join(" ");
    return { length: lines[i + 1]!.at - start, text, bad: text.includes("(bad)") };
  });
}
