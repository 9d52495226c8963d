/**
 * What a guest notices of snapshots and clones: the longest that a request of its waits while one is taken of a disk of
 * 10 GiB that it writes to as fast as it can, beside the longest in as much time without. Needs a build (npm run build).
 * Run: npx tsx tests/bench/snapshots.ts, and how many rounds
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { readCpio, S_IFREG, writeCpio } from "../../control-plane/formats/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { Debian, debianConfig } from "../boot/debian.js";
import { compile } from "./programs.js";
import { median } from "./statistics.js";

const DISK_BYTES = 10 * 2 ** 30;
const WINDOW_MS = 1500;
/** The load has begun by then, and the window is far from its end. */
const INTO_WINDOW_MS = 400;
/** More than fits into the measurement. */
const LOAD_BLOCKS = 100_000_000;
const NS_PER_MS = 1e6;
const PROGRAMS = ["pause", "disk"];

/** Times of one kind of window, ms. */
interface Figures {
  readonly longest: number[];
  readonly requests: number[];
  /** Of the operation itself, as its caller sees it. */
  readonly call: number[];
}

async function bootWithPrograms(host: HostApi, folder: string): Promise<Debian> {
  for (const name of PROGRAMS) compile(folder, { name, source: `${name}.c` }, 64);
  const config = await debianConfig({ disks: [{ target: "disk.vhd", vdev: "xvda" }] });
  const programs = PROGRAMS.map((name) => ({
    path: `bin/bench-${name}`,
    mode: S_IFREG | 0o755,
    data: new Uint8Array(readFileSync(join(folder, `${name}.64`))),
  }));
  return Debian.boot(host, { ...config, ramdisk: writeCpio([...unwrap(readCpio(config.ramdisk!)), ...programs]) });
}

/** One window of the guest's, with `work` in the middle of it. */
async function look(debian: Debian, figures: Figures, work: () => Promise<void>): Promise<void> {
  const seen = debian.output(`bench-pause /dev/xvda ${WINDOW_MS}`);
  await sleep(INTO_WINDOW_MS);
  const begin = performance.now();
  await work();
  figures.call.push(performance.now() - begin);
  const [, middle, longest] = (await seen).split(" ").map(Number);
  figures.requests.push(middle! / NS_PER_MS);
  figures.longest.push(longest! / NS_PER_MS);
}

const none = (): Figures => ({ longest: [], requests: [], call: [] });

async function measure(host: HostApi, debian: Debian, rounds: number): Promise<Readonly<Record<string, Figures>>> {
  const kinds = { nothing: none(), snapshot: none(), clone: none() };
  await debian.output(`(bench-disk write /dev/xvda ${LOAD_BLOCKS} >/dev/null 2>&1 &); sleep 1; pidof bench-disk`);
  for (let round = 0; round < rounds; round++) {
    await look(debian, kinds.nothing, async () => {});
    await look(debian, kinds.snapshot, async () => void (await host.image("snapshot", "disk.vhd", "snapshot.vhd")));
    await look(debian, kinds.clone, () => host.image("clone", "snapshot.vhd", "clone.vhd"));
    await host.image("remove", "clone.vhd");
    await host.image("coalesce", "disk.vhd");
    process.stderr.write(`  round ${round + 1} of ${rounds}\n`);
  }
  return kinds;
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 7);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("the number of rounds is a whole number above 0");
  const folder = mkdtempSync(join(tmpdir(), "xenolith-snapshots-"));
  const host = await connectNode({ imageFolders: [folder] });
  try {
    await host.image("create", "disk.vhd", { bytes: DISK_BYTES, kind: "dynamic" });
    const kinds = await measure(host, await bootWithPrograms(host, folder), rounds);
    const ms = (values: readonly number[]) => median(values).toFixed(2).padStart(9);
    const spread = (values: readonly number[]) =>
      `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
    process.stdout.write(
      "| window with | call, ms | a request, ms | the longest, ms | from, to |\n|---|---:|---:|---:|---|\n",
    );
    for (const [kind, { call, requests, longest }] of Object.entries(kinds)) {
      process.stdout.write(
        `| ${kind.padEnd(8)} | ${ms(call)} | ${ms(requests)} | ${ms(longest)} | ${spread(longest)} |\n`,
      );
    }
  } finally {
    await host.close();
    rmSync(folder, { recursive: true });
  }
}

await main();
