/**
 * Runs vectors in regions: a batch of codes lies in as many pages, each is run once in the interpreter and then
 * compiled, and a vector runs with the page of its code mapped where code belongs. The regions call handlers where others
 * leave, as those do that were left often: so a vector is done in its region wherever that is possible.
 */
import type { TestCore } from "../support/core.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";
import { FILL, type State, type Vector } from "./layout.js";
import { Replayer } from "./replayer.js";
import { RegionShare } from "./share.js";

const PAGE = 4096;
/** Codes that are compiled together. */
const SLOTS = 256;
const RAM_PAGES = SLOTS + 64;

const nameOf = (v: Vector): string => `${v.before.rip}:${v.code.join()}`;

export class RegionReplayer extends Replayer {
  readonly #regions: TestRegions;
  readonly #slots: readonly bigint[];
  readonly #slotOf = new Map<string, number>();
  readonly share: RegionShare;
  #mapped = -1;

  constructor(core: TestCore) {
    super(core, REGION_FRAMES, RAM_PAGES);
    this.#slots = this.machine.reserve(SLOTS);
    this.#regions = new TestRegions(core, 1);
    this.#regions.setHot(1);
    this.share = new RegionShare(core, this.machine.cpu);
  }

  override run(v: Vector): State {
    return this.share.of(() => super.run(v));
  }

  protected override placeCode(v: Vector): void {
    const slot = this.#slotOf.get(nameOf(v))!;
    if (slot === this.#mapped) return;
    this.#mapped = slot;
    this.machine.remapUser(Number(v.before.rip) & ~(PAGE - 1), this.#slots[slot]!);
  }

  /** The vectors again, in batches whose regions are ready: `run` them as they come. */
  *prepared(vectors: Iterable<readonly [row: string, vector: Vector]>): Generator<[row: string, vector: Vector]> {
    let batch: [string, Vector][] = [];
    for (const [row, vector] of vectors) {
      if (!this.#slotOf.has(nameOf(vector))) {
        if (this.#slotOf.size === SLOTS) {
          yield* this.#finish(batch);
          batch = [];
        }
        this.#add(vector);
      }
      batch.push([row, vector]);
    }
    yield* this.#finish(batch);
  }

  #add(v: Vector): void {
    const slot = this.#slotOf.size;
    this.#slotOf.set(nameOf(v), slot);
    const page = this.machine.at(this.#slots[slot]!);
    this.machine.forgetCode(page);
    this.memory.fill(FILL, page, page + PAGE);
    this.memory.set(v.code, page + (Number(v.before.rip) & (PAGE - 1)));
    this.#mapped = -1;
    super.run(v);
  }

  /** Makes the regions that were asked for. @param areMissed whether they are to call handlers where they left before */
  #make(areMissed: boolean): void {
    this.#regions.areMissed = areMissed;
    this.#regions.settle(this.machine.cpu);
    this.#mapped = -1;
  }

  *#finish(batch: readonly [string, Vector][]): Generator<[string, Vector]> {
    this.#make(false);
    for (const v of new Map(batch.map(([, v]) => [nameOf(v), v])).values()) super.run(v);
    this.#make(true);
    yield* batch;
    this.#slotOf.clear();
  }
}
