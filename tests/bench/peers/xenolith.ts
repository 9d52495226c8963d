/** This project: `xl host`, whose socket gives the console and, at each mark, what the guest has executed. */
import { mkdtempSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DomainInfo, DomId, HostApi, VifConfig } from "../../../control-plane/api/index.js";
import { answers, connectSocket } from "../../../control-plane/cli/socket/index.js";
import type { GuestImage } from "../../../control-plane/guest/index.js";
import { ROOT } from "../../support/run.js";
import { GUEST_COMMAND, neighbourScript, withBench } from "../guest.js";
import { CLOCK, filesFor } from "../programs.js";
import { NEIGHBOUR, type Task, WORDS } from "../workloads.js";
import { type Counters, DISK_BYTES, MEMORY_MIB, type Peer, wantDisk, wantNeighbour } from "./peer.js";
import { start, watch } from "./watch.js";

const POLL_MS = 20;

function countersOf({ instructions, jit }: DomainInfo): Counters {
  return { instructions, ...(jit === undefined ? {} : { jit }) };
}

async function listenTo(host: HostApi, domid: DomId, onText: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  await host.attachConsole(domid, "pv", (data) => onText(decoder.decode(data, { stream: true })));
  await host.unpause(domid);
}

/** Interfaces of the guest that runs the programs, and of the one beside it. */
function vifsFor(tasks: readonly Task[]): [own: VifConfig[], beside: VifConfig[]] {
  const pair = tasks.find(({ workload }) => workload.pair !== undefined)?.workload.pair;
  if (pair === undefined) return [[], []];
  const { queues, type, bypass } = pair;
  const vif: VifConfig = { bridge: "bench", queues, type };
  // What comes from an interface with an address of its own the switch must see, and that is all that it costs.
  return [[vif], [type === "vif2" && !bypass ? { ...vif, ip: NEIGHBOUR } : vif]];
}

/** @param jit false: the interpreter alone */
export function xenolith(guest: GuestImage, programs: string, scratch: string, jit: boolean): Peer {
  const title = jit ? "Xenolith" : "Xenolith, interpreter";
  return {
    name: "xenolith",
    title,
    words: WORDS,
    smp: true,
    disk: true,
    net: true,
    async run(tasks, processors) {
      const socket = join(mkdtempSync(join(scratch, "host-")), "host.sock");
      const startedMs = performance.now();
      // A neighbour has processors of its own, as it has with QEMU; more pCPUs than the host has only get into each other's way.
      const guests = wantNeighbour(tasks) ? 2 : 1;
      const argv = [
        join(ROOT, "dist/xl.js"),
        "host",
        "--pcpus",
        String(Math.min(guests * processors, availableParallelism())),
        ...(jit ? [] : ["--no-jit"]),
      ];
      const env = { ...process.env, XENOLITH_SOCKET: socket };
      const child = start(process.execPath, argv, { env, stdio: ["ignore", "ignore", "ignore"] });
      while (!(await answers(socket))) {
        if (child.exitCode !== null) throw new Error(`${title}: the host ended with status ${child.exitCode}`);
        await sleep(POLL_MS);
      }
      const host = await connectSocket(socket);
      // The process is killed at the end of the run, which this connection would call a failure.
      host.gone.catch(() => undefined);
      const disk = join(scratch, `${basename(dirname(socket))}.vhd`);
      if (wantDisk(tasks)) await host.image("create", disk, { bytes: DISK_BYTES, kind: "dynamic" });
      const initramfs = new Uint8Array(readFileSync(guest.initramfs));
      const machine = (name: string, script?: string) => ({
        name,
        kernel: new Uint8Array(readFileSync(guest.kernel)),
        ramdisk: withBench(initramfs, tasks, filesFor(programs, tasks), script),
        cmdline: `${guest.cmdline} xl.exec="${GUEST_COMMAND}"`,
        memoryMiB: MEMORY_MIB,
        vcpus: processors,
      });
      const disks = wantDisk(tasks) ? { disks: [{ target: disk, vdev: "xvda" }] } : {};
      const [vifs, beside] = vifsFor(tasks);
      if (guests === 2) await host.create({ ...machine("beside", neighbourScript(tasks)), vifs: beside });
      const domid = await host.create({ ...machine("bench"), ...disks, vifs }, { paused: true });
      // Rejects when the connection is lost, as at the end of every run.
      const ended = host.waitShutdown(domid).then(
        ({ reason }) => `the guest's shutdown reason is ${reason}`,
        () => new Promise<string>(() => undefined),
      );
      const counters = async () => countersOf(await host.domain(domid));
      return watch(title, {
        child,
        clock: join(programs, CLOCK),
        startedMs,
        counters,
        ...(jit ? { exits: () => host.regionExits(true) } : {}),
        ended,
        listen: (onText) => listenTo(host, domid, onText),
      });
    },
  };
}
