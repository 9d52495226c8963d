/** When connections want to be looked at: one timer of the host for all of them, in steps of a few milliseconds. */

export interface Timed {
  /** When it wants to be looked at, ms; infinite when it does not. */
  readonly dueMs: number;
  onTime(nowMs: number): void;
}

const STEP_MS = 10;

export class Timers<T extends Timed> {
  readonly #slots = new Map<number, Set<T>>();
  readonly #slotOf = new Map<T, number>();
  #cancel: (() => void) | null = null;
  #wokenAt = Number.POSITIVE_INFINITY;

  constructor(
    private readonly nowMs: () => number,
    private readonly timer: (ms: number, work: () => void) => () => void,
  ) {}

  get count(): number {
    return this.#slotOf.size;
  }

  /** To be called when `dueMs` has changed. */
  schedule(item: T): void {
    const slot = Math.ceil(item.dueMs / STEP_MS);
    const known = this.#slotOf.get(item);
    if (known === slot) return;
    if (known !== undefined) this.#leave(item, known);
    if (slot === Number.POSITIVE_INFINITY) return;
    this.#slotOf.set(item, slot);
    const items = this.#slots.get(slot);
    if (items === undefined) this.#slots.set(slot, new Set([item]));
    else items.add(item);
    this.#wake(slot);
  }

  forget(item: T): void {
    const slot = this.#slotOf.get(item);
    if (slot !== undefined) this.#leave(item, slot);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#slots.clear();
    this.#slotOf.clear();
  }

  #leave(item: T, slot: number): void {
    this.#slotOf.delete(item);
    const items = this.#slots.get(slot)!;
    items.delete(item);
    if (items.size === 0) this.#slots.delete(slot);
  }

  #wake(slot: number): void {
    if (slot >= this.#wokenAt) return;
    this.#cancel?.();
    this.#wokenAt = slot;
    const ms = Math.max(0, slot * STEP_MS - this.nowMs());
    this.#cancel = this.timer(ms, () => this.#run());
  }

  #run(): void {
    this.#cancel = null;
    this.#wokenAt = Number.POSITIVE_INFINITY;
    const now = this.nowMs();
    const due = [...this.#slots.keys()].filter((slot) => slot * STEP_MS <= now).sort((a, b) => a - b);
    for (const slot of due) {
      for (const item of [...(this.#slots.get(slot) ?? [])]) {
        this.#leave(item, slot);
        item.onTime(now);
      }
    }
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots.keys()) next = Math.min(next, slot);
    if (next !== Number.POSITIVE_INFINITY) this.#wake(next);
  }
}
