/**
 * `npm run bench`: the same programs in the same guest here, on QEMU's TCG and on v86, and on the processor itself, in turn.
 * `--help` lists the options, docs/performance.md explains the figures.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { readCpio } from "../../control-plane/formats/index.js";
import { defaultCacheDir, NETCHANNEL2, prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { requirePrograms } from "../support/programs.js";
import { run as runStep } from "../support/run.js";
import { type Boot, measure, type NetPeers, netBoots, withPrograms } from "./boots.js";
import { i386Parts } from "./debian-i386.js";
import { judge, type Measured } from "./judge.js";
import { type Options, readOptions } from "./options.js";
import { native } from "./peers/native.js";
import type { Peer } from "./peers/peer.js";
import { qemu } from "./peers/qemu.js";
import { v86 } from "./peers/v86.js";
import { xenolith } from "./peers/xenolith.js";
import { programsFolder } from "./programs.js";
import { diskTable, exitTable, latencyTable, machineTable, netTable, programTable, smpTable, times } from "./report.js";
import { type Round, taskFigures } from "./statistics.js";
import { SMP_WORKS, speedUp, targetsOf, targetTable } from "./targets.js";
import { tasksOf, type Workload } from "./workloads.js";

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
  readonly netPeers: NetPeers;
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
  const own = (of: typeof guest): Peer => xenolith(of, programs, scratch, options.jit);
  const machines = (of: typeof guest): Peer[] => [
    own(of),
    ...(options.peers.includes("qemu") ? [qemu(of, programs, scratch)] : []),
  ];
  const peers = machines(guest);
  if (options.peers.includes("v86") && i386) {
    const peer = await ifPossible("v86", () => v86(i386, programs, scratch, cacheDir));
    if (peer) peers.push(peer);
  }
  if (options.peers.includes("native")) peers.push(native(programs));
  const needs = (wanted: (of: Workload) => boolean) => options.workloads.some(wanted);
  const diskPeers = needs(({ group }) => group === "disk") ? machines(await guestWith(DISK_MODULES)) : [];
  const all = needs(({ group }) => group === "net") ? machines(await guestWith(NET_MODULES)) : [];
  const netchannel2 = needs(({ pair }) => pair?.type === "vif2")
    ? await ifPossible("netchannel2", async () => own(await guestWith([NETCHANNEL2])))
    : null;
  const netPeers = { all, own: all.slice(0, 1), netchannel2: netchannel2 === null ? [] : [netchannel2] };
  return { peers, diskPeers, netPeers, tools32: i386 !== null };
}

function report(peers: readonly Peer[], one: Measured, two: Measured, disks: Measured, nets: Measured): void {
  const programs = one.tasks.map(({ key }) => taskFigures(one.rounds, key));
  const show = (text: string) => process.stdout.write(`${text}\n\n`);
  const [cpu] = cpus();
  show(`# ${cpu?.model ?? "unknown processor"}, ${cpus().length} threads, Node ${process.version}`);
  if (programs.length > 0) show(programTable(programs));
  const exits = exitTable([one, two, disks, nets]);
  if (exits !== "") show(exits);
  if (one.rounds.some(({ xenolith }) => xenolith?.boot)) show(machineTable(one.rounds, peers));
  if (two.rounds.length > 0) {
    const keys = two.tasks.map(({ key }) => key);
    show(smpTable(two.rounds, peers, keys));
    const latencies = latencyTable(two.rounds, peers, keys);
    if (latencies !== "") show(latencies);
    for (const work of SMP_WORKS) {
      const all = (["xenolith", "qemu", "native"] as const).map(
        (name) => `${name} ${times(speedUp(two.rounds, name, work))}`,
      );
      show(`Speed-up of two over one, ${work}: ${all.join(", ")}.`);
    }
  }
  if (disks.rounds.length > 0) show(diskTable(disks.rounds, peers, disks.tasks));
  if (nets.rounds.length > 0) show(netTable(nets.rounds, peers, nets.tasks));
  show(targetTable(targetsOf(programs, one.rounds, two.rounds, nets.rounds)));
}

/** All of a run with the machines that it starts; the exit status. */
async function bench(options: Options, scratch: string): Promise<number> {
  const { peers, diskPeers, netPeers, tools32 } = await makePeers(options, scratch);
  const tasks = tasksOf(options.workloads, options.words, options.scale).filter(
    ({ command }) => tools32 || !command.includes("busybox.32"),
  );
  const none: Measured = { tasks: [], rounds: [] };
  const measured = async (boots: readonly Boot[]): Promise<Measured> => {
    const wanted = boots.filter((boot) => boot.tasks.length > 0);
    if (wanted.length === 0) return none;
    return { tasks: wanted.flatMap((boot) => boot.tasks), rounds: await measure(wanted, options.pairs) };
  };
  const ofGroup = (group: string) => tasks.filter(({ workload }) => workload.group === group);
  const single = tasks.filter(({ workload }) => !["large", "smp", "disk", "net"].includes(workload.group));
  const isForBoot = tasks.length === 0;
  const small = isForBoot
    ? { tasks: [], rounds: await measure([{ peers, tasks: [], processors: 1 }], options.pairs) }
    : await measured([{ peers, tasks: single, processors: 1 }]);
  // In a boot of its own: the guest that has it unpacks as much again as all others.
  const able = peers.filter((peer) => peer.words.includes(64));
  const large = await measured([{ peers: able, tasks: ofGroup("large"), processors: 1 }]);
  const one = { tasks: [...small.tasks, ...large.tasks], rounds: withPrograms(small.rounds, large.rounds) };
  const two = await measured([{ peers: peers.filter((peer) => peer.smp), tasks: ofGroup("smp"), processors: 2 }]);
  const disks = await measured([{ peers: diskPeers, tasks: ofGroup("disk"), processors: 1 }]);
  const nets = await measured(netBoots(ofGroup("net"), netPeers));
  report(peers, one, two, disks, nets);
  if (options.json !== undefined) writeFileSync(options.json, toJson(one, two, disks, nets));
  return judge(options, one, two, [disks, nets]);
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
