/** The images that `xl vhd` works on: the running host's, which may be using them, and else files in this process. */
import { randomFillSync } from "node:crypto";
import type { HostApi, ImageApi, Progress } from "../../../api/index.js";
import { nodeFinder } from "../../../storage/folders/finder-node.js";
import { ImageLibrary, StorageError } from "../../../storage/index.js";
import { CliError, Exit, usageError } from "../../errors.js";
import { answers, connectSocket, socketAddress } from "../../socket/index.js";

/** Codes of failures that are not the request's. */
const OF_THE_HOST: ReadonlySet<string> = new Set(["io", "denied", "full", "network", "source-changed"]);

export async function withImages<T>(work: (images: ImageApi) => Promise<T>): Promise<T> {
  const address = socketAddress();
  if (await answers(address)) {
    const host = await connectSocket(address);
    try {
      return await work(new Proxy({} as ImageApi, { get: (_, name) => callOf(host, name as keyof ImageApi) }));
    } finally {
      await host.close();
    }
  }
  const random = { u32: () => randomFillSync(new Uint32Array(1))[0]! };
  try {
    return await work(new ImageLibrary(nodeFinder({ sources: { random, now: () => Date.now() } })));
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw OF_THE_HOST.has(error.code) ? new CliError(Exit.HOST, error.message) : usageError(error.message);
  }
}

/** One call of a host's, with progress where it is asked for. */
function callOf(host: HostApi, name: keyof ImageApi): (...params: unknown[]) => Promise<unknown> {
  return async (...params) => {
    const plainParams = params.map(plain);
    const onProgress = params.map(progressOf).find((found) => found !== undefined);
    if (onProgress === undefined) return (host.image as Call)(name, ...plainParams);
    const tell = (progress: Progress): boolean => {
      onProgress(progress);
      return true;
    };
    return (host.imageJob as Call)(name, plainParams, tell);
  };
}

type Call = (...params: unknown[]) => Promise<unknown>;
type OnProgress = (progress: Progress) => void;

const progressOf = (param: unknown): OnProgress | undefined =>
  (param as { readonly onProgress?: OnProgress } | null | undefined)?.onProgress;

/** Without functions, which do not cross to the host. */
function plain(param: unknown): unknown {
  if (typeof param !== "object" || param === null) return param ?? null;
  return Object.fromEntries(Object.entries(param).filter(([, value]) => typeof value !== "function"));
}
