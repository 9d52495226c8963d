/**
 * The regions that there are, for whoever wants to look at them. Nothing of their code is kept: a listing is made anew
 * from the block that the region begins with.
 */
import { Block } from "../abi/structs/translation.js";
import { describeRegion, disassembleRegion } from "./listing.js";
import type { Modules } from "./modules.js";
import { discoverRegion, type Others, type Shape, type Wish } from "./region/discover.js";
import { blocksOf, type Region, switchOf } from "./region/graph.js";
import type { MachineView } from "./region/machine-view.js";

export interface RegionEntry {
  /** Names the region as long as it lives. */
  readonly id: number;
  /** Linear RIP where it was found, sixteen hexadecimal digits; it may run at others. */
  readonly rip: string;
  readonly nodes: number;
  readonly instructions: number;
  /** Of WebAssembly. */
  readonly bytes: number;
  /** Times that it was entered; of each vCPU the last few hundred may be missing. */
  readonly runs: number;
}

/** What a region is made of is known when it is looked at. */
const NO_OTHERS: Others = { coming: new Set(), large: new Set() };

interface Known {
  readonly entry: Omit<RegionEntry, "runs">;
  /** Blocks by which it is entered. */
  readonly entered: readonly number[];
  readonly wish: Wish;
  readonly shape: Shape;
}

export class RegionBook {
  readonly #byBlock = new Map<number, Known>();
  #next = 1;

  /** A region made on the wish of `vcpu`; it takes the place of older ones that began where it is entered. */
  add(region: Region, vcpu: number, bytes: number): void {
    const { rip, nodes, block, hot, members, left, missed, fpu, isSlow } = region;
    const instructions = nodes.reduce((sum, n) => sum + n.insns.length, 0);
    const text = rip.toString(16).padStart(16, "0");
    const entered = blocksOf(region);
    for (const each of entered) this.#byBlock.delete(each);
    this.#byBlock.set(block, {
      entry: { id: this.#next++, rip: text, nodes: nodes.length, instructions, bytes },
      entered,
      wish: { vcpu, rip, block, fpu, hot, isSlow },
      shape: { members, left, missed, jumps: switchOf(region) },
    });
  }

  /** Forgets those that are not entered any more. */
  keep(modules: Pick<Modules, "isEntered">): void {
    for (const block of this.#byBlock.keys()) if (!modules.isEntered(block)) this.#byBlock.delete(block);
  }

  /** Those that are entered, by their RIP. */
  list(view: MachineView): RegionEntry[] {
    const live = [...this.#byBlock.values()]
      .filter((k) => isLive(view, k))
      .map(({ entry, entered }) => ({ ...entry, runs: view.runsOf(entered) }));
    return live.sort((a, b) => (a.rip < b.rip ? -1 : 1));
  }

  /** Its instructions, and with `wasm` what they became; undefined when there is no such region. */
  describe(view: MachineView, id: number, wasm: boolean): string | undefined {
    const known = [...this.#byBlock.values()].find(({ entry }) => entry.id === id);
    if (known === undefined || !isLive(view, known)) return undefined;
    const region = discoverRegion(view, known.wish, NO_OTHERS, known.shape);
    if (region === undefined) return undefined;
    return wasm ? describeRegion(view, region) : disassembleRegion(view, region);
  }
}

const isLive = (view: MachineView, { wish: { block } }: Known): boolean =>
  view.isValid(block) && view.word(block + Block.off.entry) !== 0;
