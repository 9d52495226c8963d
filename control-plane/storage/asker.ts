/** Waits that end when nobody wants what is waited for. */
import { StorageError } from "./errors.js";

/** Who asks for something, and may be gone before there is an answer: for as many waits at once as there are. */
export class Asker {
  readonly #waits = new Set<() => void>();
  #isGone = false;

  leave(): void {
    this.#isGone = true;
    for (const end of this.#waits) end();
    this.#waits.clear();
  }

  /** Calls back when the asker leaves, at once when that was before; answers how to have no call. */
  onLeave(end: () => void): () => void {
    if (this.#isGone) end();
    else this.#waits.add(end);
    return () => this.#waits.delete(end);
  }
}

/** Waits for work that others may want as well: an asker who is gone does not, and fails at once. */
export function unlessGone<T>(work: Promise<T>, asker: Asker | undefined): Promise<T> {
  if (asker === undefined) return work;
  return new Promise((resolve, reject) => {
    const end = asker.onLeave(() => reject(new StorageError("closed", "nobody waits for this any more")));
    work.then(resolve, reject).finally(end);
  });
}
