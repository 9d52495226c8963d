/** Running a step of the checks: its output goes through, its failure ends the whole with the command to repeat. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs `command` in the repository; exits the process with its status when it fails. */
export async function run(
  what: string,
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const start = performance.now();
  process.stderr.write(`\n== ${what}\n`);
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, ...env },
    // npx is a .cmd file on Windows.
    shell: process.platform === "win32",
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (status === 0) {
    process.stderr.write(`== ${what}: ${seconds} s\n`);
    return;
  }
  process.stderr.write(`== ${what} failed after ${seconds} s. Alone: ${command} ${args.join(" ")}\n`);
  process.exit(status);
}
