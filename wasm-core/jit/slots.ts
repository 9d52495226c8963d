/**
 * Which slots of the function tables the live modules have. Slots are handed out in a circle, so that what is in the way
 * of a new module is always the oldest one: engines have limits, and a guest can make code without end.
 */

export interface LiveModule {
  readonly first: number;
  readonly count: number;
  /** Of WebAssembly. */
  readonly bytes: number;
  /** The blocks that its regions begin with, in the order of its slots. */
  readonly blocks: readonly number[];
}

export interface SlotLimits {
  readonly slots: number;
  /** Bytes of all live modules together. */
  readonly bytes: number;
}

export class Slots {
  /** Oldest first. */
  #live: LiveModule[] = [];
  #next = 0;
  #bytes = 0;
  #used = 0;

  constructor(readonly limits: SlotLimits) {}

  /** Slots that a module may have been put into since the last `clear`: from 0 up to this one. */
  get used(): number {
    return this.#used;
  }

  /** Finds slots for a module, and the modules that must go before it comes. */
  reserve(count: number, bytes: number): { first: number; evicted: LiveModule[] } {
    const evicted: LiveModule[] = [];
    const evictWhile = (inTheWay: (oldest: LiveModule) => boolean): void => {
      for (let oldest = this.#live[0]; oldest !== undefined && inTheWay(oldest); oldest = this.#live[0]) {
        this.#live.shift();
        this.#bytes -= oldest.bytes;
        evicted.push(oldest);
      }
    };
    if (this.#next + count > this.limits.slots) {
      const end = this.#next;
      evictWhile(({ first }) => first >= end);
      this.#next = 0;
    }
    const first = this.#next;
    evictWhile((m) => m.first >= first && m.first < first + count);
    evictWhile(() => this.#bytes + bytes > this.limits.bytes);
    return { first, evicted };
  }

  add(module: LiveModule): void {
    this.#live.push(module);
    this.#next = module.first + module.count;
    this.#bytes += module.bytes;
    this.#used = Math.max(this.#used, this.#next);
  }

  clear(): void {
    this.#live = [];
    this.#next = 0;
    this.#bytes = 0;
    this.#used = 0;
  }
}
