/** What a folder holds of what can be had again elsewhere: it is given up when there is no room for anything else. */
export class Spares {
  readonly #inUse = new Set<() => Promise<void>>();
  #giving: Promise<boolean> | null = null;

  /** Somebody uses such a file, and can do without; answers how to say that he no longer has it. */
  add(giveUp: () => Promise<void>): () => void {
    this.#inUse.add(giveUp);
    return () => this.#inUse.delete(giveUp);
  }

  /**
   * Gives one of them up: `removeUnused` is tried first. Answers whether there was one; who asks while that is under way
   * gets the same answer.
   */
  give(removeUnused: () => Promise<boolean>): Promise<boolean> {
    this.#giving ??= this.#giveOne(removeUnused).finally(() => {
      this.#giving = null;
    });
    return this.#giving;
  }

  async #giveOne(removeUnused: () => Promise<boolean>): Promise<boolean> {
    if (await removeUnused()) return true;
    const [giveUp] = this.#inUse;
    if (giveUp === undefined) return false;
    this.#inUse.delete(giveUp);
    await giveUp();
    return true;
  }
}
