/** The playground's own program, as `npm start` runs it, for the tests that boot real guests in a browser. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../dist/playground.js", import.meta.url));
/** Fetching and unpacking Debian's packages the first time, ms. */
export const PREPARE_MS = 300_000;

export interface Playground {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts it on a free port. Needs a build (npm run build). */
export async function startPlayground(): Promise<Playground> {
  assert.ok(existsSync(PROGRAM), "dist/playground.js is missing: run npm run build");
  const server = spawn(process.execPath, [PROGRAM, "--port", "0", "--no-open"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await addressOf(server);
  return {
    url,
    close: async () => {
      if (server.exitCode !== null) return;
      server.kill("SIGTERM");
      await once(server, "exit");
    },
  };
}

/** The address it prints first. Its output is read to the end: a closed pipe would end the server. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      const found = /http:\/\/\S+/.exec(text);
      if (found) resolve(found[0]);
    });
    child.once("exit", (code) => reject(new Error(`the playground ended (${code}) without an address:\n${text}`)));
  });
}
