/**
 * A whole machine in one thread: the core, a pCPU that runs when it is told to, and the real Domain0. Time is a count of
 * instructions and randomness is seeded, so that a seed gives the same run again.
 */
import { Host } from "../../control-plane/api/host.js";
import { type CoreLink, MachineMemory } from "../../control-plane/core-link/index.js";
import { Toolstack, type ToolstackParts } from "../../control-plane/domain/index.js";
import { LogRing, SeededRandom } from "../../control-plane/util/index.js";
import { makeTestCore, type TestCore } from "../support/core.js";

const PCPU = 0;

export class OneThreadMachine {
  private constructor(
    readonly core: TestCore,
    readonly host: Host,
    readonly toolstack: Toolstack,
  ) {}

  static async create(frames: number, seed: number, openDisk?: ToolstackParts["openDisk"]): Promise<OneThreadMachine> {
    const core = await makeTestCore();
    const status = core.call.machineInit(frames, 1, 1, seed, 0);
    if (status < 0) throw new Error(`machineInit: ${status}`);
    const link: CoreLink = { calls: core.call, memory: new MachineMemory(core.memory) };
    const clock = { now: () => core.call.machineNow() };
    const log = new LogRing(clock);
    const later = (work: () => void) => void setImmediate(work);
    const random = new SeededRandom(seed);
    const toolstack = new Toolstack({
      core: link,
      clock,
      random,
      log,
      coreSink: null,
      later,
      ...(openDisk && { openDisk }),
    });
    const host = new Host({ core: link, toolstack, log, clock, pcpus: 1, close: async () => {} });
    return new OneThreadMachine(core, host, toolstack);
  }

  /** Gives the pCPU `turns` turns, and Domain0 a look after each. */
  async run(turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) {
      this.core.call.pcpuRun(PCPU);
      this.toolstack.service();
      if (i % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
