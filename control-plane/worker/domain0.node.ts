/** Entry of Domain0 in Node: a worker thread that is started by one message. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { parentPort } from "node:worker_threads";
import { leaveMoves, optimizeLate, useBranchHints } from "../../wasm-core/worker/engine-flags.node.js";
import type { Domain0Start, MachineOptions } from "../api/machine-options.js";
import { spawnNodeWorker } from "../core-link/spawn-node.js";
import { openNodeSocket, serveLink } from "../net/link/link-node.js";
import { NodeOutside } from "../net/outside/node.js";
import { nodeFinder } from "../storage/folders/finder-node.js";
import type { ImageSources } from "../storage/index.js";
import { startDomain0 } from "./domain0.js";
import { dumpFiles } from "./dump-files-node.js";

async function readCore(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(new URL(url)));
}

/** Not a message to oneself: Node serves a thousand of one port before it looks at the others. */
const soon = (work: () => void): void => void setImmediate(work);

parentPort?.once("message", async (start: Domain0Start) => {
  useBranchHints();
  optimizeLate();
  leaveMoves();
  const coreSink = start.coreDumpDirectory === undefined ? null : dumpFiles(start.coreDumpDirectory);
  const images = (sources: ImageSources) => nodeFinder({ sources, folders: start.imageFolders ?? [] });
  const outside = ({ hostLoopback = true }: MachineOptions) => new NodeOutside({ hostLoopback });
  const links = { name: hostname(), open: openNodeSocket, serve: serveLink };
  await startDomain0(start, { spawn: spawnNodeWorker, soon, readCore, coreSink, images, outside, links });
});
