/**
 * Runs a command and says what it took: CPU time of the whole process by the shell's `times`, wall time, peak memory, and
 * when marks appeared in its output. The same way for every command, so that the figures can be compared. POSIX only.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Sample {
  readonly status: number | null;
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Largest resident size, MiB, where the system tells (Linux). */
  readonly peakMiB: number | null;
  /** Wall milliseconds until each mark appeared on standard output, null for one that did not. */
  readonly marks: readonly (number | null)[];
  readonly output: string;
}

/** Runs "$@", says its pid and then the user and system time of the shell and of its children on descriptor 3. */
const WRAPPER = '"$@" & echo "pid $!" >&3; wait $!; s=$?; times >&3; exit $s';
const WATCH_MS = 50;

/** Seconds of "0m1.92s", all such figures of the last line added up: the children's user and system time. */
function cpuMsOf(times: string): number {
  const last = times.trim().split("\n").at(-1) ?? "";
  let seconds = 0;
  for (const [, minutes, rest] of last.matchAll(/(\d+)m([\d.]+)s/g)) seconds += Number(minutes) * 60 + Number(rest);
  return Math.round(seconds * 1000);
}

function peakMiBOf(pid: string): number | null {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) / 1024;
  } catch {
    return null;
  }
}

/** Runs a command to its end. */
export function runTimed(command: readonly string[], marks: readonly RegExp[], timeoutMs: number): Promise<Sample> {
  const start = performance.now();
  const child = spawn("sh", ["-c", WRAPPER, "sh", ...command], {
    stdio: ["ignore", "pipe", "inherit", "pipe"],
    detached: true,
  });
  let output = "";
  let side = "";
  let peakMiB: number | null = null;
  const seen: (number | null)[] = marks.map(() => null);
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    marks.forEach((mark, i) => {
      if (seen[i] === null && mark.test(output)) seen[i] = performance.now() - start;
    });
  });
  child.stdio[3]!.on("data", (bytes: Buffer) => {
    side += bytes.toString();
  });
  const watch = setInterval(() => {
    const pid = /^pid (\d+)$/m.exec(side)?.[1];
    if (pid !== undefined) peakMiB = Math.max(peakMiB ?? 0, peakMiBOf(pid) ?? 0) || null;
  }, WATCH_MS);
  const limit = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), timeoutMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearInterval(watch);
      clearTimeout(limit);
      resolve({ status, cpuMs: cpuMsOf(side), wallMs: performance.now() - start, peakMiB, marks: seen, output });
    });
  });
}
