/**
 * The modules that there are: whose slots of the function tables are whose, which blocks are entered by them, and which
 * blocks they know. A module goes as a whole: its slots are then another's.
 */

/** A module in the ring. */
export interface Module {
  /** Table slot of its first function, counted from the first slot of all, and how many it has. */
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
  /** Ring index behind it: who has come this far has it. */
  at: number;
  /** Blocks that are entered by it: fewer when others take their place. */
  readonly entered: Set<number>;
  /** Blocks whose records its regions know. */
  readonly members: Set<number>;
  /** Entries of its regions when they were last looked at. */
  seen: number;
}

/** Runs of free slots, by their first, and how long they are; none borders on another. */
class Slots {
  readonly #free = new Map<number, number>();
  #end = 0;

  /** The first of `count` in a row. */
  take(count: number): number {
    for (const [first, length] of this.#free) {
      if (length < count) continue;
      this.#free.delete(first);
      if (length > count) this.#free.set(first + count, length - count);
      return first;
    }
    const first = this.#end;
    this.#end += count;
    return first;
  }

  give(first: number, count: number): void {
    const behind = first + count;
    const before = [...this.#free].find(([at, length]) => at + length === first);
    const start = before?.[0] ?? first;
    const end = behind + (this.#free.get(behind) ?? 0);
    this.#free.delete(start);
    this.#free.delete(behind);
    if (end === this.#end) this.#end = start;
    else this.#free.set(start, end - start);
  }
}

export class Modules {
  /** Of code in all of them. */
  bytes = 0;
  readonly #slots = new Slots();
  /** The oldest first. */
  readonly #modules = new Set<Module>();
  readonly #byBlock = new Map<number, Module>();
  /** How many modules know a block. */
  readonly #known = new Map<number, number>();

  get size(): number {
    return this.#modules.size;
  }

  /** Slots for the functions of a module to come. */
  takeSlots(count: number): number {
    return this.#slots.take(count);
  }

  add(module: Module): void {
    this.#modules.add(module);
    this.bytes += module.bytes;
    for (const block of module.entered) {
      this.#byBlock.get(block)?.entered.delete(block);
      this.#byBlock.set(block, module);
    }
    for (const block of module.members) this.#known.set(block, (this.#known.get(block) ?? 0) + 1);
  }

  /** Its slots are free; the blocks that no module knows any more. */
  remove(module: Module): number[] {
    this.#modules.delete(module);
    this.bytes -= module.bytes;
    this.#slots.give(module.first, module.count);
    for (const block of module.entered) this.#byBlock.delete(block);
    return [...module.members].filter((block) => this.#unknow(block));
  }

  /** One module less knows the block. True when that was the last. */
  #unknow(block: number): boolean {
    const others = (this.#known.get(block) ?? 0) - 1;
    if (others > 0) this.#known.set(block, others);
    return others <= 0 && this.#known.delete(block);
  }

  /** Whether a region begins with the block. */
  isEntered(block: number): boolean {
    return this.#byBlock.has(block);
  }

  /** Blocks with which regions begin. */
  get entered(): Iterable<number> {
    return this.#byBlock.keys();
  }

  get isEmpty(): boolean {
    return this.#byBlock.size === 0;
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#modules.values();
  }

  /** Forgets blocks that are gone: what lies there now may be another. */
  forget(isGone: (block: number) => boolean): void {
    const gone = new Set([...this.#byBlock.keys(), ...this.#known.keys()].filter(isGone));
    for (const { entered, members } of this.#modules) {
      for (const some of [entered, members]) for (const block of some) if (gone.has(block)) some.delete(block);
    }
    for (const block of gone) {
      this.#byBlock.delete(block);
      this.#known.delete(block);
    }
  }
}
