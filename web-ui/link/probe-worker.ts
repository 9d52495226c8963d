/**
 * The probe's worker: proves that module workers start and that Atomics.wait may block in one. Answers true or false;
 * a worker that never answers counts as false.
 */
const scope = globalThis as unknown as { postMessage(answer: boolean): void };

function canWait(): boolean {
  try {
    const word = new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
    return Atomics.wait(word, 0, 0, 0) === "timed-out";
  } catch {
    return false;
  }
}

scope.postMessage(canWait());

export {};
