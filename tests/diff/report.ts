/** What a lockstep test says of a program that leaves different states: the smallest that does, disassembled. */
import type { Disassembler } from "../../wasm-core/isa/asm/index.js";
import { type Divergence, Lockstep, type Trial } from "./lockstep.js";
import type { Mode } from "./machine.js";
import { layOut, type Program } from "./program.js";
import { shrink } from "./shrink.js";
import { CODE } from "./space.js";

/** What lies in gaps between code. */
const FILL = 0xcc;

function listing(program: Program, mode: Mode, disassembler: Disassembler): string {
  const { bytes, labels } = layOut(program, CODE);
  const names = new Map([...labels].map(([label, at]) => [at, label]));
  const lines: string[] = [];
  for (const line of disassembler.lines(bytes, mode, BigInt(CODE))) {
    const label = names.get(Number(line.address));
    if (label !== undefined) lines.push(`L${label}:`);
    else if (line.bytes[0] === FILL) continue;
    lines.push(`  ${line.address.toString(16)}  ${Buffer.from(line.bytes).toString("hex").padEnd(22)} ${line.text}`);
  }
  return lines.join("\n");
}

function describeDivergence({ rip, icount, budget, lines }: Divergence): string {
  return `after instruction ${icount} at ${rip.toString(16)}, within a run of ${budget}: name, interpreter, regions\n  ${lines.join("\n  ")}`;
}

/** Makes `program`, which diverged as `found`, as small as it gets. */
export async function report(
  program: Program,
  trial: Trial,
  found: Divergence,
  disassembler: Disassembler,
): Promise<string> {
  let last = found;
  const again = async (p: Program): Promise<boolean> => {
    const d = (await Lockstep.create(trial)).run(p, trial.seed);
    if (d !== undefined) last = d;
    return d !== undefined;
  };
  if (!(await again(program)))
    return `${describeDivergence(found)}\nonly after the programs before it\n${listing(program, trial.mode, disassembler)}`;
  const small = await shrink(program, again);
  await again(small);
  return `${describeDivergence(last)}\n${listing(small, trial.mode, disassembler)}`;
}
