/** Where the indirect jumps and calls of a region went, as regions noted it: by places in bytes from its start. */
import type { Jump } from "./machine-view.js";

/** Offsets of places are i32s, and so are those of their pages. */
export const REACH = 1 << 30;

export interface Target {
  readonly at: number;
  /** How often it was gone to. */
  readonly count: number;
}

export class Jumps {
  readonly #counts = new Map<number, Map<number, number>>();
  /** Those that somebody asked for. */
  readonly #targets = new Map<number, readonly Target[]>();

  /** @param rip linear address of the region's start */
  constructor(jumps: readonly Jump[], rip: bigint) {
    const counts = this.#counts;
    const start = Number(BigInt.asIntN(32, rip));
    const place = (low: number): number => (low - start) | 0;
    for (const { from, to, count } of jumps) {
      const at = place(to);
      if (Math.abs(at) > REACH) continue;
      const known = counts.get(place(from)) ?? new Map<number, number>();
      counts.set(place(from), known.set(at, (known.get(at) ?? 0) + count));
    }
  }

  /** The places of `from`. */
  targets(at: number): number[] {
    return this.from(at).map((target) => target.at);
  }

  /** Where jumps went by which the region at `at` was left, or the call at `at`: the most frequent first. */
  from(at: number): readonly Target[] {
    const known = this.#targets.get(at);
    if (known !== undefined) return known;
    const targets = Array.from(this.#counts.get(at) ?? [], ([to, count]) => ({ at: to, count }));
    targets.sort((a, b) => b.count - a.count);
    this.#targets.set(at, targets);
    return targets;
  }

  /** How often the region at `at` was left by one. */
  count(at: number): number {
    return this.from(at).reduce((sum, { count }) => sum + count, 0);
  }

  /**
   * The part of jumps, of those that leave the regions at `places`, behind which there is another one.
   * @param goesOn whether a jump follows, of a place from which none was noted; never where the region does not reach
   */
  followed(places: ReadonlySet<number>, goesOn: (at: number) => boolean): number {
    const arrivals = new Map<number, number>();
    for (const { at, count } of [...places].flatMap((place) => this.from(place)))
      arrivals.set(at, (arrivals.get(at) ?? 0) + count);
    let followed = 0;
    let all = 0;
    for (const [at, count] of arrivals) {
      all += count;
      const jumps = this.count(at);
      if (places.has(at) && jumps > 0) followed += Math.min(count, jumps);
      else if (goesOn(at)) followed += count;
    }
    return all === 0 ? 0 : followed / all;
  }
}
