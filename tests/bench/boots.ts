/** What runs together: programs in one boot, and each boot on everyone who is able, in turn. */
import type { Peer, PeerName, SuiteRun } from "./peers/peer.js";
import type { Round } from "./statistics.js";
import { type Pair, PLAIN, type Task } from "./workloads.js";

export interface Boot {
  readonly peers: readonly Peer[];
  readonly tasks: readonly Task[];
  /** Of each guest. */
  readonly processors: number;
}

/** Who can run programs for networks. */
export interface NetPeers {
  readonly all: readonly Peer[];
  /** Ours, for a network that nobody else has. */
  readonly own: readonly Peer[];
  /** Ours with netchannel2; empty where its module cannot be built. */
  readonly netchannel2: readonly Peer[];
}

/** A boot for each kind of network, in the order of their programs; without those that nobody can run. */
export function netBoots(tasks: readonly Task[], peers: NetPeers): Boot[] {
  const boots = new Map<Pair, Task[]>();
  for (const task of tasks) {
    const { pair = PLAIN } = task.workload;
    boots.set(pair, [...(boots.get(pair) ?? []), task]);
  }
  const able = (pair: Pair) => (pair === PLAIN ? peers.all : pair.type === "vif" ? peers.own : peers.netchannel2);
  return [...boots]
    .map(([pair, own]) => ({ peers: able(pair), tasks: own, processors: pair.vcpus }))
    .filter((boot) => boot.peers.length > 0);
}

/** Who goes first alternates, so that a drift of the machine's speed favours nobody. */
export async function measure(
  boots: readonly Boot[],
  rounds: number,
  say: (text: string) => void = (text) => void process.stderr.write(`${text}\n`),
): Promise<Round[]> {
  const done: Round[] = [];
  for (let i = 0; i < rounds; i++) {
    const round: Partial<Record<PeerName, SuiteRun>> = {};
    for (const { peers, tasks, processors } of boots) {
      for (const peer of i % 2 === 0 ? peers : peers.toReversed()) {
        const own = tasks.filter(({ word }) => peer.words.includes(word));
        const startedMs = performance.now();
        round[peer.name] = together(round[peer.name], await peer.run(own, processors));
        const took = ((performance.now() - startedMs) / 1000).toFixed(0);
        say(`  round ${i + 1} of ${rounds}, ${peer.title}: ${own.length} programs, ${took} s`);
      }
    }
    done.push(round);
  }
  return done;
}

/** `rounds` with the programs of `others` too, of which nothing else counts. */
export function withPrograms(rounds: readonly Round[], others: readonly Round[]): Round[] {
  return Array.from({ length: Math.max(rounds.length, others.length) }, (_, i) => {
    const round: Partial<Record<PeerName, SuiteRun>> = { ...rounds[i] };
    for (const [name, run] of Object.entries(others[i] ?? {}) as [PeerName, SuiteRun][]) {
      const before = round[name] ?? { boot: null, residentMiB: null, counters: null, tasks: new Map() };
      round[name] = together(before, run);
    }
    return round;
  });
}

/** The programs of several boots as one run, which is otherwise the first of them. */
const together = (before: SuiteRun | undefined, run: SuiteRun): SuiteRun =>
  before === undefined ? run : { ...before, tasks: new Map([...before.tasks, ...run.tasks]) };
