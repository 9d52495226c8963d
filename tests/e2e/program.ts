/** Programs of this project as people run them, until a test has had enough of them. Needs a build (npm run build). */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Program {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a file of dist/; `address` is what of its output is its address. */
export async function startProgram(file: string, args: readonly string[], address: RegExp): Promise<Program> {
  const path = fileURLToPath(new URL(`../../dist/${file}`, import.meta.url));
  assert.ok(existsSync(path), `dist/${file} is missing: run npm run build`);
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.pipe(process.stderr);
  const url = await addressOf(child, file, address);
  return {
    url,
    close: async () => {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** The address it prints first. Its output is read to the end: a closed pipe would end the program. */
function addressOf(child: ChildProcess, file: string, address: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const look = (chunk: Buffer): void => {
      text += chunk;
      const found = address.exec(text);
      if (found) resolve(found[0]);
    };
    child.stdout!.on("data", look);
    child.stderr!.on("data", look);
    child.once("exit", (code) => reject(new Error(`${file} ended (${code}) without an address:\n${text}`)));
  });
}
