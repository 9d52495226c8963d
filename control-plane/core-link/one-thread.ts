/**
 * The engine of a machine whose memory is not shared: its one pCPU runs here, in Domain0's thread, between Domain0's
 * messages. Nobody sleeps on a doorbell; after each call of the core we look whether it rang one.
 */
import type { CoreExports } from "../../wasm-core/abi/core-api.js";
import { OneThread, type RegionSubject } from "../../wasm-core/worker/index.js";
import { checked } from "./compiler-questions.js";
import type { CoreCalls } from "./core.js";
import type { Engine, EngineParts, RegionDirectory } from "./engine.js";

/** Runs work after the event loop had a turn. */
export type Soon = (work: () => void) => void;

export class OneThreadEngine implements Engine {
  readonly calls: CoreCalls;
  readonly regions: RegionDirectory | null;
  #thread: OneThread | null = null;

  constructor(
    private readonly parts: EngineParts,
    private readonly soon: Soon,
  ) {
    this.calls = followed(parts.exports, () => this.#thread?.look());
    const ask = (what: RegionSubject) => (this.#thread ? checked(this.#thread.answer({ id: 0, ...what })) : undefined);
    const regions: RegionDirectory = {
      list: async () => ask({ about: "regions" })?.list ?? [],
      exits: async (clear) => ask({ about: "exits", clear })?.exits ?? [],
      describe: async (region, wasm) => ask({ about: "region", region, wasm })?.text,
    };
    this.regions = parts.jit === 0 ? null : regions;
  }

  onDoorbell(onRing: () => void): void {
    const { exports: core, memory, jit, onReport: report } = this.parts;
    this.#thread = new OneThread({ core, memory, jit, soon: this.soon, onRing, report });
  }

  async close(): Promise<void> {
    this.#thread?.stop();
  }
}

/** The core's functions, each followed by `after`. */
function followed(exports: CoreExports, after: () => void): CoreCalls {
  const functions = Object.entries(exports).filter(([, value]) => typeof value === "function");
  const calls = functions.map(([name, call]) => [
    name,
    (...args: unknown[]) => {
      const result = call(...args);
      after();
      return result;
    },
  ]);
  return Object.fromEntries(calls);
}
