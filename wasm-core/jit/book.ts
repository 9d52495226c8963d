/**
 * The regions that there are, for whoever wants to look at them. Nothing of their code is kept: a listing is made anew
 * from the block that the region begins with.
 */
import { Block } from "../abi/structs/translation.js";
import { describeRegion, disassembleRegion } from "./listing.js";
import { discoverRegion, type Shape } from "./region/discover.js";
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
}

interface Known extends RegionEntry, Shape {
  readonly linear: bigint;
  readonly vcpu: number;
  readonly block: number;
  readonly hot: boolean;
  readonly fpu: number;
}

export class RegionBook {
  readonly #byBlock = new Map<number, Known>();
  #next = 1;

  /** A region made on the wish of `vcpu`; it takes the place of older ones that began where it is entered. */
  add(region: Region, vcpu: number, bytes: number): void {
    const { rip, nodes, block, hot, members, fpu } = region;
    const instructions = nodes.reduce((sum, n) => sum + n.insns.length, 0);
    const text = rip.toString(16).padStart(16, "0");
    const shape = { rip: text, nodes: nodes.length, instructions, bytes };
    for (const entered of blocksOf(region)) this.#byBlock.delete(entered);
    const known = { id: this.#next++, ...shape, linear: rip, vcpu, block, hot, members, jumps: switchOf(region), fpu };
    this.#byBlock.set(block, known);
  }

  clear(): void {
    this.#byBlock.clear();
  }

  /** Those that are entered, by their RIP. */
  list(view: MachineView): RegionEntry[] {
    const live = [...this.#byBlock.values()].filter((k) => isLive(view, k));
    live.sort((a, b) => (a.rip < b.rip ? -1 : 1));
    return live.map(({ id, rip, nodes, instructions, bytes }) => ({ id, rip, nodes, instructions, bytes }));
  }

  /** Its instructions, and with `wasm` what they became; undefined when there is no such region. */
  describe(view: MachineView, id: number, wasm: boolean): string | undefined {
    const known = [...this.#byBlock.values()].find((k) => k.id === id);
    if (known === undefined || !isLive(view, known)) return undefined;
    const region = discoverRegion(view, known.vcpu, known.linear, known.block, known.fpu, known.hot, known);
    if (region === undefined) return undefined;
    return wasm ? describeRegion(view, region) : disassembleRegion(view, region);
  }
}

const isLive = (view: MachineView, { block }: Known): boolean =>
  view.isValid(block) && view.word(block + Block.off.entry) !== 0;
