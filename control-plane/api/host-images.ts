/** What callers do to images, with failures as they catch them; the long ones with progress that crosses threads. */
import { diskFailure } from "../domain/index.js";
import {
  IMAGE_CALLS,
  IMAGE_JOBS,
  type ImageApi,
  type ImageJobCall,
  ImageLibrary,
  ImageStore,
  MemoryFolder,
  oneStore,
  type Progress,
} from "../storage/index.js";
import { SeededRandom } from "../util/index.js";
import { HostError } from "./errors.js";
import type { TellProgress } from "./types.js";

export class HostImages {
  constructor(private readonly images: ImageLibrary | undefined) {}

  image<Call extends keyof ImageApi>(call: Call, ...params: Parameters<ImageApi[Call]>): ReturnType<ImageApi[Call]> {
    return this.#do(call, params) as ReturnType<ImageApi[Call]>;
  }

  imageJob<Call extends ImageJobCall>(
    call: Call,
    params: Parameters<ImageApi[Call]>,
    onProgress: TellProgress,
  ): ReturnType<ImageApi[Call]> {
    return this.#doLong(call, params, onProgress) as ReturnType<ImageApi[Call]>;
  }

  async #doLong(call: ImageJobCall, params: readonly unknown[], onProgress: TellProgress): Promise<unknown> {
    const at = Object.hasOwn(IMAGE_JOBS, call) ? IMAGE_JOBS[call] : undefined;
    if (at === undefined) throw new HostError("unsupported", `"${call}" has no progress: ask for it without`);
    const all = [...params];
    all[at] = { ...(params[at] as object | undefined), ...follow(onProgress) };
    return this.#do(call, all);
  }

  async #do(call: keyof ImageApi, params: readonly unknown[]): Promise<unknown> {
    const { images } = this;
    if (images === undefined) throw new HostError("unsupported", "this host has no place for images");
    if (!IMAGE_CALLS.includes(call)) throw new HostError("unsupported", `images have no "${call}"`);
    try {
      return await (images[call] as (...params: readonly unknown[]) => Promise<unknown>).call(images, ...params);
    } catch (error) {
      const { code, message, next } = diskFailure(error, call).error;
      throw new HostError(code, message, next);
    }
  }
}

/** Progress for a caller who may be in another thread: told again only when it has answered, and ended by its "no". */
function follow(onProgress: TellProgress): { readonly signal: AbortSignal; onProgress(progress: Progress): void } {
  const cancel = new AbortController();
  let asking = false;
  const tell = async (progress: Progress): Promise<void> => {
    if (asking) return;
    asking = true;
    try {
      if (!(await onProgress(progress))) cancel.abort();
    } catch {
      cancel.abort();
    }
    asking = false;
  };
  return { signal: cancel.signal, onProgress: (progress) => void tell(progress) };
}

/** Images in memory, for simulated hosts. */
export function memoryImages(): HostImages {
  const sources = { random: new SeededRandom(Date.now()), now: () => Date.now() };
  return new HostImages(new ImageLibrary(oneStore(() => ImageStore.open({ folder: new MemoryFolder(), sources }))));
}
