/** A device that a guest is asked to let go of. */

/** How long a guest may take, as in xl. */
const DETACH_MS = 10_000;

export class Removal {
  #gone: () => void = () => {};
  readonly #removed = new Promise<void>((resolve) => {
    this.#gone = resolve;
  });

  /** The guest has let go, and the device's keys are removed. */
  readonly done = (): void => this.#gone();

  /** True when the guest lets go in time. */
  async inTime(): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), DETACH_MS);
    });
    const released = await Promise.race([this.#removed.then(() => true), late]);
    clearTimeout(timer);
    return released;
  }
}
