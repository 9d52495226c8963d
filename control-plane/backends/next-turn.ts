/** Work that a back end puts off until others had their turn: once, however often it is asked for meanwhile. */
import type { BackendIo } from "./backend.js";

export class NextTurn {
  #isDue = false;

  constructor(
    private readonly io: Pick<BackendIo, "later">,
    private readonly work: () => void,
  ) {}

  get isDue(): boolean {
    return this.#isDue;
  }

  ask(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.io.later(() => {
      this.#isDue = false;
      this.work();
    });
  }
}
