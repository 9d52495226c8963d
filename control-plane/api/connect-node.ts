/** Starts a machine in this Node process: Domain0 and the pCPUs in worker threads, or all of it in one. */
import { MessageChannel, Worker } from "node:worker_threads";
import { connectClient } from "./client.js";
import { HostError } from "./errors.js";
import type { Domain0Start, MachineOptions } from "./machine-options.js";
import type { HostApi } from "./types.js";

export interface ConnectNodeOptions extends MachineOptions {
  /** Directory for automatic core dumps (on_crash = coredump-…). Without it there are none. */
  readonly coreDumpDirectory?: string;
  /**
   * Folders with everything below them that holds images: these may stand on each other across folders, and relative names
   * count from the first. Without any, names count from the working directory, and images stand on those beside them.
   */
  readonly imageFolders?: readonly string[];
}

/** Where the bundles lie: beside this one, or in dist/ when this file runs from its source. */
const BUNDLES = import.meta.url.endsWith(".ts")
  ? new URL("../../dist/", import.meta.url)
  : new URL("./", import.meta.url);

export async function connectNode(options: ConnectNodeOptions = {}): Promise<HostApi> {
  const { coreDumpDirectory, imageFolders, ...machine } = options;
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("domain0.node.js", BUNDLES));
  const failure = new Promise<never>((_, reject) => {
    worker.once("error", (error) => reject(new HostError("internal", `Domain0 failed: ${(error as Error).message}`)));
    worker.once("exit", (code) => reject(new HostError("internal", `Domain0 ended (${code})`)));
  });
  const start: Domain0Start = {
    port: port2 as unknown as MessagePort,
    options: machine,
    coreUrl: new URL(machine.singleThread ? "core-single.wasm" : "core.wasm", BUNDLES).href,
    ...(coreDumpDirectory === undefined ? {} : { coreDumpDirectory }),
    ...(imageFolders === undefined ? {} : { imageFolders }),
  };
  worker.postMessage(start, [port2]);
  const terminate = async () => {
    await worker.terminate();
  };
  const host = connectClient({ port: port1 as unknown as MessagePort, failure, terminate });
  await host.info();
  return host;
}
