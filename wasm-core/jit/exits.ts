/** Ways out of regions, for whoever wants to know what is slow: what the core noted of them (assembly/jit/exits.ts). */
import { JIT_EXIT_SAMPLE, JIT_EXITS, JIT_TARGET_TABLES, Jit, JitExit, JitExitReason } from "../abi/structs/jit.js";
import { MACHINE_BASE, Machine } from "../abi/structs/machine.js";
import { ModeKey } from "../abi/structs/vcpu.js";
import { disassemble } from "./listing.js";
import type { MachineView } from "./region/machine-view.js";

const REASONS = ["cold", "left", "fault", "stale"] as const;
/** That one of them stands for. */
const EXITS_EACH = 2 ** JIT_EXIT_SAMPLE;
const LONGEST = 15;

/** A way out, of all pCPUs together. Counts are estimates: of all exits the core notes a few. */
export interface RegionExitEntry {
  /** RIP of the first instruction that no region did, sixteen hexadecimal digits. */
  readonly rip: string;
  /**
   * There is no region where the code goes on; one left the instruction to the interpreter; an instruction raised an
   * exception; code was overwritten.
   */
  readonly why: (typeof REASONS)[number];
  readonly exits: number;
  /** What the interpreter retired until a region was entered. */
  readonly instructions: number;
  /** The instruction, where it is known. */
  readonly text?: string;
}

/** Those since they were cleared, the dearest first. */
export function listExits(view: MachineView, clear: boolean): RegionExitEntry[] {
  const tables = view.word(view.jit + Jit.off.exits);
  const used = Math.min(view.word(MACHINE_BASE + Machine.off.pcpus), JIT_TARGET_TABLES);
  const found = new Map<string, RegionExitEntry>();
  for (let i = 0; i < used * JIT_EXITS; i++) {
    const entry = read(view, tables + i * JitExit.size, clear);
    if (entry === undefined) continue;
    const key = `${entry.why} ${entry.rip}`;
    const { exits = 0, instructions = 0 } = found.get(key) ?? {};
    found.set(key, { ...entry, exits: exits + entry.exits, instructions: instructions + entry.instructions });
  }
  return [...found.values()].sort((a, b) => b.instructions - a.instructions || b.exits - a.exits);
}

function read(view: MachineView, at: number, clear: boolean): RegionExitEntry | undefined {
  const { rip, why, block, instructions, count } = JitExit.off;
  const exits = view.word(at + count);
  const reason = REASONS[view.word(at + why) - Number(JitExitReason.values.COLD)];
  if (exits === 0 || reason === undefined) return undefined;
  const address = view.quad(at + rip);
  const text = instructionAt(view, view.word(at + block), address);
  const entry = {
    rip: address.toString(16).padStart(16, "0"),
    why: reason,
    exits: exits * EXITS_EACH,
    instructions: Number(view.quad(at + instructions)) * EXITS_EACH,
    ...(text === undefined ? {} : { text }),
  };
  if (clear) view.clear(at, JitExit.size);
  return entry;
}

/** The first instruction of the block, if that is still where it was. */
function instructionAt(view: MachineView, block: number, rip: bigint): string | undefined {
  if (block === 0 || view.findBlock(view.hostOf(block), view.keyOf(block)) !== block) return undefined;
  const host = view.hostOf(block);
  if ((host & 4095) !== Number(rip & 0xfffn)) return undefined;
  const long = (view.keyOf(block) & Number(ModeKey.values.CODE_MASK)) === Number(ModeKey.values.CODE64);
  return disassemble(view.bytes(host, Math.min(LONGEST, 4096 - (host & 4095))), rip, long);
}
