/** The two kinds of machine that the core is built for. What a guest meets is the same. */
import type { ConnectNodeOptions } from "../../control-plane/api/connect-node.js";

interface TestMachine {
  readonly name: string;
  readonly machine: ConnectNodeOptions;
}

export const MACHINES: readonly TestMachine[] = [
  { name: "several threads", machine: { pcpus: 1 } },
  { name: "one thread, without shared memory", machine: { singleThread: true } },
];
