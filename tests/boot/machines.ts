/** The two kinds of machine that the core is built for. What a guest meets is the same. */
import type { ConnectNodeOptions } from "../../control-plane/api/connect-node.js";

interface TestMachine {
  readonly name: string;
  readonly machine: ConnectNodeOptions;
}

/** Both, the one of several threads with so many pCPUs; the other has one. */
export const machinesOf = (pcpus: number): readonly TestMachine[] => [
  { name: "several threads", machine: { pcpus } },
  { name: "one thread, without shared memory", machine: { singleThread: true } },
];

export const MACHINES = machinesOf(1);

/** Without regions: what a host does that cannot make any. */
export const INTERPRETER: TestMachine = { name: "an interpreter alone", machine: { pcpus: 1, jit: false } };
