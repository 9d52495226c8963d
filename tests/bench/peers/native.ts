/** The processor itself: each program as a process of this machine, timed by the kernel's account of it and its children. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { nativeWords, TIMED } from "../programs.js";
import type { Peer, TaskRun } from "./peer.js";

function runNatively(programs: string, command: string): TaskRun {
  const startedMs = performance.now();
  const argv = [join(programs, "busybox.64"), "sh", "-c", command];
  const { status, stdout, stderr } = spawnSync(join(programs, TIMED), argv, {
    encoding: "utf8",
    env: { ...process.env, B: programs },
  });
  const micros = /^cpu (\d+)$/m.exec(stderr)?.[1];
  if (micros === undefined) throw new Error(`native: no time for ${command}: ${stderr}`);
  const wallMs = performance.now() - startedMs;
  return { cpuMs: Number(micros) / 1000, wallMs, status: status ?? -1, output: stdout, counters: null };
}

export function native(programs: string): Peer {
  return {
    name: "native",
    title: "native",
    words: nativeWords(programs),
    smp: true,
    disk: false,
    net: false,
    async run(tasks) {
      const runs = tasks.map(({ key, command }) => [key, runNatively(programs, command)] as const);
      return { boot: null, residentMiB: null, counters: null, tasks: new Map(runs) };
    },
  };
}
