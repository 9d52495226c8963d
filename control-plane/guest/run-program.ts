// Runs a program to its end and keeps what it printed.
import { spawn } from "node:child_process";
import { ok } from "../util/index.js";
import { fromException, type GuestResult } from "./errors.js";

/** How a program ended. */
export interface ProgramOutput {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `program`; fails only when it cannot be started or is cancelled. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; signal?: AbortSignal | undefined } = {},
): Promise<GuestResult<ProgramOutput>> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
      ...(options.cwd ? { cwd: options.cwd } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", (error) => {
      const code = options.signal?.aborted ? "cancelled" : "source";
      resolve(fromException(code, `${program} cannot be run`, error));
    });
    child.on("close", (status) => {
      const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString("utf8");
      resolve(ok({ status: status ?? -1, stdout: text(stdout), stderr: text(stderr) }));
    });
  });
}
