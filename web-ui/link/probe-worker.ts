/**
 * The probe's worker: proves that module workers start, that Atomics.wait may block in one, and that the site has files
 * with access handles. A worker that never answers counts as one without all that.
 */
export interface WorkerFacts {
  readonly waits: boolean;
  readonly originFiles: boolean;
}

const scope = globalThis as unknown as { postMessage(answer: WorkerFacts): void };

function canWait(): boolean {
  try {
    const word = new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
    return Atomics.wait(word, 0, 0, 0) === "timed-out";
  } catch {
    return false;
  }
}

/** Private windows of some browsers have the interface and refuse to use it. */
async function hasOriginFiles(): Promise<boolean> {
  try {
    await navigator.storage.getDirectory();
    return "createSyncAccessHandle" in FileSystemFileHandle.prototype;
  } catch {
    return false;
  }
}

scope.postMessage({ waits: canWait(), originFiles: await hasOriginFiles() });
