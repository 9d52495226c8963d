/**
 * A cache of blocks that is too small for all that a program writes and calls: stale blocks make room for others, all of
 * them go where that is not enough, and each call does what was written last. Regions of code that was not written stay.
 */
import { describe, expect, it, vi } from "vitest";
import {
  BLOCK_RECORDS,
  Block,
  CODE_BUCKETS,
  CodeCache,
  Hole,
  RECORD_BYTES,
} from "../../wasm-core/abi/structs/translation.js";
import type { CompilerLimits } from "../../wasm-core/jit/compiler.js";
import { Random } from "../support/random.js";
import { CALL, COUNT, DRIVER_AT, expected, functionAt, makeOrders, RewritingGuest } from "./rewriting.js";

const PAGE = 4096;
const SEEDS = 4;
const ONES = 0xffff_ffff;
/** Functions that are called often where others are not. */
const OFTEN = 12;

/** The arena of a guest's core, as its structures say. */
class Arena {
  constructor(readonly guest: RewritingGuest) {}

  get(name: keyof typeof CodeCache.off): number {
    return this.guest.word(this.guest.cache + CodeCache.off[name]);
  }

  /** From the next block on it has `bytes`. */
  shrink(bytes: number): void {
    const end = this.get("arena") + bytes;
    this.guest.setWord(this.guest.cache + CodeCache.off.arenaEnd, end);
    this.guest.setWord(this.guest.cache + CodeCache.off.holeEnd, end);
  }

  /** Addresses of all blocks. Everything else must be holes, up to the end. */
  blocks(): number[] {
    const found: number[] = [];
    let at = this.get("arena");
    while (at < this.get("arenaEnd")) {
      const field = (offset: number): number => this.guest.word(at + offset);
      const isHole = field(Hole.off.mark) === ONES && field(Hole.off.mark + 4) === ONES;
      if (at === this.get("next") && at < this.get("holeEnd")) at = this.get("holeEnd");
      else if (isHole) at += field(Hole.off.size);
      else {
        const [count, bytes] = [field(Block.off.count) & 0xffff, field(Block.off.count) >>> 16];
        const kept = field(Block.off.hasCode) ? bytes : 0;
        expect(field(Block.off.size)).toBe((BLOCK_RECORDS + (count + 1) * RECORD_BYTES + kept + 15) & ~15);
        found.push(at);
        at += field(Block.off.size);
      }
    }
    expect(at).toBe(this.get("arenaEnd"));
    return found;
  }

  /** Addresses of those that the hash knows. */
  known(): number[] {
    const found: number[] = [];
    for (let n = 0; n < CODE_BUCKETS; n++) {
      let at = this.guest.word(this.get("buckets") + 4 * n);
      for (; at !== 0; at = this.guest.word(at + Block.off.hashNext)) found.push(at);
    }
    return found;
  }

  isValid(block: number): boolean {
    return this.guest.word(this.guest.word(block + Block.off.genAt)) === this.guest.word(block + Block.off.gen);
  }

  /** Blocks and holes lie one behind the other, and the hash knows each valid block, once, and no other place. */
  check(): void {
    const blocks = this.blocks();
    const known = this.known();
    expect(new Set(known).size).toBe(known.length);
    const all = new Set(blocks);
    expect(known.filter((at) => !all.has(at))).toEqual([]);
    const hashed = new Set(known);
    expect(blocks.filter((at) => this.isValid(at) && !hashed.has(at))).toEqual([]);
  }
}

async function small(
  bytes: number,
  limits?: Partial<CompilerLimits>,
): Promise<{ guest: RewritingGuest; arena: Arena }> {
  const guest = await RewritingGuest.create(limits);
  const arena = new Arena(guest);
  arena.shrink(bytes);
  return { guest, arena };
}

describe("an arena that fills", () => {
  it.each([false, true])("with stale blocks has them taken out, in regions: %s", async (inRegions) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { guest, arena } = await small(24 * 1024);
      const orders = makeOrders(new Random(seed), { functions: 20, values: 1000, calls: 4 });
      expect(guest.run(orders, inRegions), `seed ${seed}`).toBe(expected(orders));
      expect(arena.get("sweeps")).toBeGreaterThan(3);
      expect(arena.get("flushes")).toBe(0);
      arena.check();
    }
  });

  it.each([false, true])("with valid blocks has some of them taken out, in regions: %s", async (inRegions) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { guest, arena } = await small(12 * 1024);
      const orders = makeOrders(new Random(seed), { functions: 300, values: 1000, calls: 40 });
      expect(guest.run(orders, inRegions), `seed ${seed}`).toBe(expected(orders));
      expect(arena.get("evictions")).toBeGreaterThan(3);
      expect(arena.get("flushes")).toBe(0);
      arena.check();
    }
  });

  it("with blocks of regions is emptied", async () => {
    const { guest, arena } = await small(20 * 1024);
    const values = new Uint32Array(COUNT);
    for (let seed = 1; seed <= SEEDS; seed++) {
      const orders = makeOrders(new Random(seed), { functions: 300, values: 1000, calls: 1000 });
      expect(guest.run(orders, true), `seed ${seed}`).toBe(expected(orders, values));
      arena.check();
    }
    expect(arena.get("flushes")).toBeGreaterThan(0);
  });

  it("keeps what runs in regions, and has what is seldom called taken out", async () => {
    const { guest, arena } = await small(12 * 1024);
    const added = vi.spyOn(guest.regions.compiler.book, "add");
    const values = new Uint32Array(COUNT);
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const often = makeOrders(random, { functions: 1, values: 1, calls: 1_000_000 });
      const orders = often.map((order) =>
        order.what === CALL
          ? { ...order, which: random.once(8) ? OFTEN + random.below(COUNT - OFTEN) : random.below(OFTEN) }
          : order,
      );
      expect(guest.run(orders, true), `seed ${seed}`).toBe(expected(orders, values));
      arena.check();
    }
    expect(arena.get("evictions")).toBeGreaterThan(10);
    expect(arena.get("flushes")).toBe(0);
    const made = added.mock.calls.map(([{ rip }]) => functionAt(rip)).filter((which) => which < OFTEN);
    expect(new Set(made).size).toBe(OFTEN);
    expect(made.length).toBeLessThan(2 * OFTEN);
  });

  it("keeps the regions of what is valid, and what is known of them", async () => {
    const { guest, arena } = await small(24 * 1024);
    const { book } = guest.regions.compiler;
    const added = vi.spyOn(book, "add");
    const values = new Uint32Array(COUNT);
    for (let seed = 1; seed <= SEEDS; seed++) {
      const orders = makeOrders(new Random(seed), { functions: 20, values: 1000, calls: 4 });
      expect(guest.run(orders, true), `seed ${seed}`).toBe(expected(orders, values));
    }
    expect(arena.get("sweeps")).toBeGreaterThan(12);
    const isDriver = (rip: bigint): boolean => rip >= BigInt(DRIVER_AT) && rip < BigInt(DRIVER_AT + PAGE);
    const drivers = added.mock.calls.filter(([{ rip }]) => isDriver(rip));
    expect(drivers.length).toBeGreaterThan(0);
    // One for each way into the loop, and not again behind a sweep.
    expect(drivers.length).toBeLessThan(10);
    const listed = book.list(guest.regions.compiler.look());
    expect(listed.filter(({ rip }) => isDriver(BigInt(`0x${rip}`))).length).toBeGreaterThan(0);
  });

  it("is not written to where regions are dropped whose blocks are gone", async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { guest, arena } = await small(24 * 1024, { bytes: 16 * 1024 });
      const orders = makeOrders(new Random(seed), { functions: 20, values: 1000, calls: 12 });
      expect(guest.run(orders, true), `seed ${seed}`).toBe(expected(orders));
      expect(arena.get("sweeps")).toBeGreaterThan(1);
      expect(guest.regions.compiler.counts.bytes).toBeGreaterThan(5 * 16 * 1024);
      arena.check();
    }
  });
});
