/** Entry of Domain0 in Node: a worker thread that is started by one message. */
import { createWriteStream, type WriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parentPort } from "node:worker_threads";
import type { Domain0Start } from "../api/machine-options.js";
import { spawnNodeWorker } from "../core-link/spawn-node.js";
import { startDomain0 } from "./domain0.js";

/** Writes core dumps as files of the given names; a file is complete when the next one begins or the process ends. */
function fileSink(directory: string): (name: string, chunk: Uint8Array) => Promise<void> {
  const open = new Map<string, WriteStream>();
  return (name, chunk) => {
    const stream = open.get(name) ?? createWriteStream(join(directory, basename(name)), { mode: 0o600 });
    open.set(name, stream);
    return new Promise((resolve, reject) => {
      stream.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  };
}

async function readCore(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(new URL(url)));
}

parentPort?.once("message", async (start: Domain0Start) => {
  const coreSink = start.coreDumpDirectory === undefined ? null : fileSink(start.coreDumpDirectory);
  await startDomain0(start, { spawn: spawnNodeWorker, readCore, coreSink });
});
