/**
 * `npm run bench`: the same programs in the same guest here, on QEMU's TCG and on v86, and on the processor itself, in turn.
 * `--help` lists the options, docs/performance.md explains the figures.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { readCpio } from "../../control-plane/formats/index.js";
import { defaultCacheDir, prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { requirePrograms } from "../support/programs.js";
import { run as runStep } from "../support/run.js";
import { i386Parts } from "./debian-i386.js";
import { judge, type Measured } from "./judge.js";
import { type Options, readOptions } from "./options.js";
import { native } from "./peers/native.js";
import type { Peer } from "./peers/peer.js";
import { qemu } from "./peers/qemu.js";
import { v86 } from "./peers/v86.js";
import { xenolith } from "./peers/xenolith.js";
import { programsFolder } from "./programs.js";
import { diskTable, latencyTable, machineTable, netTable, programTable, smpTable, times } from "./report.js";
import { type Round, taskFigures } from "./statistics.js";
import { speedUp, targetsOf, targetTable } from "./targets.js";
import { type Task, tasksOf } from "./workloads.js";

/** What shells give for a command that Ctrl-C ended. */
const INTERRUPTED = 130;
const say = (text: string): boolean => process.stderr.write(`${text}\n`);

/** For what has to be fetched: the bench goes on without it. */
async function ifPossible<T>(what: string, make: () => T | Promise<T>): Promise<T | null> {
  try {
    return await make();
  } catch (error) {
    say(`without ${what}: ${(error as Error).message}`);
    return null;
  }
}

/** For QEMU's disk and network; ours finds nothing for these. Guests for anything else boot without them, in less. */
const DISK_MODULES = ["virtio_pci", "virtio_blk"];
const NET_MODULES = ["virtio_pci", "virtio_net"];

interface Peers {
  readonly peers: readonly Peer[];
  /** The same machines with what programs for disks and networks need. */
  readonly diskPeers: readonly Peer[];
  readonly netPeers: readonly Peer[];
  readonly tools32: boolean;
}

async function makePeers(options: Options, scratch: string): Promise<Peers> {
  const cacheDir = defaultCacheDir();
  const guestWith = async (modules: readonly string[]) =>
    unwrap(await prepareGuest({ flavour: options.flavour, modules }));
  const guest = await guestWith([]);
  const busybox = unwrap(readCpio(new Uint8Array(readFileSync(guest.initramfs)))).find(
    (e) => e.path === "bin/busybox",
  )!;
  const i386 = options.words.includes(32)
    ? await ifPossible("v86 and busybox for i686", () => i386Parts(cacheDir))
    : null;
  const programs = programsFolder(cacheDir, {
    64: busybox.data,
    ...(i386 ? { 32: i386.busybox } : {}),
  });
  const machines = (of: typeof guest): Peer[] => [
    xenolith(of, programs, scratch, options.jit),
    ...(options.peers.includes("qemu") ? [qemu(of, programs, scratch)] : []),
  ];
  const peers = machines(guest);
  if (options.peers.includes("v86") && i386) {
    const peer = await ifPossible("v86", () => v86(i386, programs, scratch, cacheDir));
    if (peer) peers.push(peer);
  }
  if (options.peers.includes("native")) peers.push(native(programs));
  const needs = (wanted: string) => options.workloads.some(({ group }) => group === wanted);
  const diskPeers = needs("disk") ? machines(await guestWith(DISK_MODULES)) : [];
  const netPeers = needs("net") ? machines(await guestWith(NET_MODULES)) : [];
  return { peers, diskPeers, netPeers, tools32: i386 !== null };
}

/** Runs everyone in turn; who goes first alternates, so that a drift of the machine's speed favours nobody. */
async function measure(
  peers: readonly Peer[],
  tasks: readonly Task[],
  processors: number,
  n: number,
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let i = 0; i < n; i++) {
    const round: Record<string, Round[keyof Round]> = {};
    for (const peer of i % 2 === 0 ? peers : peers.toReversed()) {
      const own = tasks.filter(({ word }) => peer.words.includes(word));
      const startedMs = performance.now();
      round[peer.name] = await peer.run(own, processors);
      const took = ((performance.now() - startedMs) / 1000).toFixed(0);
      say(`  round ${i + 1} of ${n}, ${peer.title}: ${own.length} programs, ${took} s`);
    }
    rounds.push(round);
  }
  return rounds;
}

function report(peers: readonly Peer[], one: Measured, two: Measured, disks: Measured, nets: Measured): void {
  const programs = one.tasks.map(({ key }) => taskFigures(one.rounds, key));
  const show = (text: string) => process.stdout.write(`${text}\n\n`);
  const [cpu] = cpus();
  show(`# ${cpu?.model ?? "unknown processor"}, ${cpus().length} threads, Node ${process.version}`);
  if (programs.length > 0) show(programTable(programs));
  if (one.rounds.length > 0) show(machineTable(one.rounds, peers));
  if (two.rounds.length > 0) {
    const keys = two.tasks.map(({ key }) => key);
    show(smpTable(two.rounds, peers, keys));
    const latencies = latencyTable(two.rounds, peers, keys);
    if (latencies !== "") show(latencies);
    const others = (["xenolith", "qemu", "native"] as const).map(
      (name) => `${name} ${times(speedUp(two.rounds, name))}`,
    );
    show(`Speed-up of two processes over one: ${others.join(", ")}.`);
  }
  if (disks.rounds.length > 0) show(diskTable(disks.rounds, peers, disks.tasks));
  if (nets.rounds.length > 0) show(netTable(nets.rounds, peers, nets.tasks));
  show(targetTable(targetsOf(programs, one.rounds, two.rounds)));
}

/** All of a run with the machines that it starts; the exit status. */
async function bench(options: Options, scratch: string): Promise<number> {
  const { peers, diskPeers, netPeers, tools32 } = await makePeers(options, scratch);
  const tasks = tasksOf(options.workloads, options.words, options.scale).filter(
    ({ command }) => tools32 || !command.includes("busybox.32"),
  );
  const none: Measured = { tasks: [], rounds: [] };
  const measured = async (own: readonly Task[], able: readonly Peer[], processors: number): Promise<Measured> =>
    own.length === 0 ? none : { tasks: own, rounds: await measure(able, own, processors, options.pairs) };
  const ofGroup = (group: string) => tasks.filter(({ workload }) => workload.group === group);
  const single = tasks.filter(({ workload }) => !["smp", "disk", "net"].includes(workload.group));
  const isForBoot = tasks.length === 0;
  const one = isForBoot
    ? { tasks: [], rounds: await measure(peers, [], 1, options.pairs) }
    : await measured(single, peers, 1);
  const two = await measured(
    ofGroup("smp"),
    peers.filter((peer) => peer.smp),
    2,
  );
  const disks = await measured(ofGroup("disk"), diskPeers, 1);
  const nets = await measured(ofGroup("net"), netPeers, 1);
  report(peers, one, two, disks, nets);
  if (options.json !== undefined) writeFileSync(options.json, toJson(one, two, disks, nets));
  return judge(options, one, [two, disks, nets]);
}

/** Every figure of every run. */
function toJson(one: Measured, two: Measured, disks: Measured, nets: Measured): string {
  const plain = (rounds: readonly Round[]) =>
    rounds.map((round) =>
      Object.fromEntries(
        Object.entries(round).map(([peer, run]) => [peer, { ...run, tasks: Object.fromEntries(run.tasks) }]),
      ),
    );
  const all = {
    oneProcessor: plain(one.rounds),
    twoProcessors: plain(two.rounds),
    disks: plain(disks.rounds),
    nets: plain(nets.rounds),
  };
  return `${JSON.stringify(all, null, 2)}\n`;
}

async function main(): Promise<number> {
  let options: Options | string;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    say(`${(error as Error).message}\n"npm run bench -- --help" lists the options.`);
    return 2;
  }
  if (typeof options === "string") {
    process.stdout.write(options);
    return 0;
  }
  if (process.platform !== "linux" || process.arch !== "x64") {
    say("The bench runs on Linux on x86-64: it compares with the processor itself and reads /proc.");
    return 2;
  }
  await requirePrograms([
    { commands: ["gcc"], package: "gcc" },
    ...(options.peers.includes("qemu") || options.peers.includes("v86")
      ? [{ commands: ["qemu-system-x86_64"], package: "qemu-system-x86" }]
      : []),
  ]);
  if (options.build) await runStep("build", "npm", ["run", "-s", "build"]);
  const scratch = mkdtempSync(join(tmpdir(), "xenolith-bench-"));
  process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
  // Ends by way of "exit", which also ends the guest that runs.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(INTERRUPTED));
  return bench(options, scratch);
}

process.exitCode = await main();
