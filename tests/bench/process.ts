/** CPU time and memory of another process with all its threads. Linux only. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const NS_PER_MS = 1e6;

/** User and system time of a process so far, ms; `clock` is the bench's program of that name. */
export function cpuMs(clock: string, pid: number): number {
  const { status, stdout } = spawnSync(clock, [String(pid)], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${clock} ${pid} ended with status ${status}`);
  return Number(stdout) / NS_PER_MS;
}

/** Resident memory of a text of /proc/PID/status, MiB. */
export function residentMiBOf(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}

export function residentMiB(pid: number): number {
  return residentMiBOf(readFileSync(`/proc/${pid}/status`, "utf8"));
}
