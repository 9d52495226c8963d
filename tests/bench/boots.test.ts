import { describe, expect, it } from "vitest";
import { measure, netBoots, withPrograms } from "./boots.js";
import type { Peer, PeerName } from "./peers/peer.js";
import { type Task, tasksOf, WORDS, WORKLOADS } from "./workloads.js";

/** Its n-th run takes n ms; it writes down what it was given. */
function peer(name: PeerName, ran: string[]): Peer {
  return {
    name,
    title: name,
    words: WORDS,
    smp: true,
    disk: true,
    net: true,
    async run(tasks, processors) {
      ran.push(`${name} ${processors}: ${tasks.map(({ key }) => key).join()}`);
      const run = { cpuMs: 1, wallMs: ran.length, status: 0, output: "", counters: null };
      return {
        boot: null,
        residentMiB: ran.length,
        counters: null,
        tasks: new Map(tasks.map(({ key }) => [key, run])),
      };
    },
  };
}

const nets = tasksOf(
  WORKLOADS.filter(({ group }) => group === "net"),
  [64],
  1,
);
const named = (...names: readonly string[]): Task[] => nets.filter(({ workload }) => names.includes(workload.name));

describe("boots of programs for networks", () => {
  const [all, own, nc2] = [peer("qemu", []), peer("xenolith", []), peer("xenolith", [])];
  const peers = { all: [own, all], own: [own], netchannel2: [nc2] };

  it("are one for each kind of network, on those who have it", () => {
    const boots = netBoots(named("stream", "ask", "streams-2x1", "streams-2x2", "netchannel2"), peers);
    expect(boots.map((boot) => [boot.tasks.map(({ key }) => key), boot.processors, boot.peers])).toEqual([
      [["stream 64", "ask 64"], 1, [own, all]],
      [["streams-2x1 64"], 2, [own]],
      [["streams-2x2 64"], 2, [own]],
      [["netchannel2 64"], 1, [nc2]],
    ]);
  });

  it("are without netchannel2 where it cannot be built", () => {
    const boots = netBoots(named("stream", "netchannel2", "netchannel2-switch"), { ...peers, netchannel2: [] });
    expect(boots.map(({ tasks }) => tasks.map(({ key }) => key))).toEqual([["stream 64"]]);
  });

  it("compare what differs in one thing alone", () => {
    const pair = (name: string) => named(name)[0]!.workload.pair!;
    const command = (name: string) => named(name)[0]!.command;
    for (const n of [2, 4]) {
      expect(pair(`streams-${n}x${n}`)).toEqual({ ...pair(`streams-${n}x1`), queues: n });
      expect(command(`streams-${n}x${n}`)).toBe(command(`streams-${n}x1`));
    }
    expect(pair("netchannel2")).toEqual({ ...pair("netchannel2-switch"), bypass: true });
    expect(pair("netchannel2-switch")).toEqual({ ...pair("stream"), type: "vif2" });
    expect([command("netchannel2"), command("netchannel2-switch")]).toEqual(Array(2).fill(command("stream")));
  });
});

describe("a measurement", () => {
  it("goes through all boots in every round, and who goes first alternates", async () => {
    const ran: string[] = [];
    const both = [peer("xenolith", ran), peer("qemu", ran)];
    const boots = [
      { peers: both, tasks: named("stream"), processors: 1 },
      { peers: both.slice(0, 1), tasks: named("streams-2x2"), processors: 2 },
    ];
    const rounds = await measure(boots, 2, () => {});
    expect(ran).toEqual([
      ...["xenolith 1: stream 64", "qemu 1: stream 64", "xenolith 2: streams-2x2 64"],
      ...["qemu 1: stream 64", "xenolith 1: stream 64", "xenolith 2: streams-2x2 64"],
    ]);
    const walls = rounds.map((round) => [...round.xenolith!.tasks].map(([key, { wallMs }]) => `${key} ${wallMs}`));
    expect(walls).toEqual([
      ["stream 64 1", "streams-2x2 64 3"],
      ["stream 64 5", "streams-2x2 64 6"],
    ]);
    expect(rounds.map((round) => [...round.qemu!.tasks.keys()])).toEqual([["stream 64"], ["stream 64"]]);
    // What is said of the machine is of its first boot.
    expect(rounds.map((round) => round.xenolith!.residentMiB)).toEqual([1, 5]);
  });

  it("takes from a boot of its own what a program did, and nothing of the boot", async () => {
    const measured = (name: string) =>
      measure([{ peers: [peer("qemu", ["before"])], tasks: named(name), processors: 1 }], 1, () => {});
    const [few, large] = [await measured("stream"), await measured("ask")];
    const keys = (rounds: typeof few) => rounds.map(({ qemu }) => [[...qemu!.tasks.keys()], qemu!.residentMiB]);
    expect(keys(withPrograms(few, large))).toEqual([[["stream 64", "ask 64"], 2]]);
    expect(keys(withPrograms([], large))).toEqual([[["ask 64"], null]]);
    expect(keys(withPrograms(few, []))).toEqual(keys(few));
  });
});
