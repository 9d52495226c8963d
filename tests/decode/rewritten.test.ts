/**
 * Functions of a guest that it writes itself, on pages that are written all the time: each call must do what was written last,
 * whether a function was changed, changed back, written as it was or lies beside one that was.
 */
import { describe, expect, it } from "vitest";
import { CodeCache } from "../../wasm-core/abi/structs/translation.js";
import { Random } from "../support/random.js";
import { expected, makeOrders, RewritingGuest } from "./rewriting.js";

/** A few functions, so that their blocks are hot, and a few values, so that some come back. */
const KIND = { functions: 6, values: 3, calls: 6 };

describe("functions that are written while others beside them are called", () => {
  it.each([false, true])("do what was written last, in regions: %s", async (inRegions) => {
    for (let seed = 1; seed <= 5; seed++) {
      const guest = await RewritingGuest.create();
      const orders = makeOrders(new Random(seed), KIND);
      expect(guest.run(orders, inRegions), `seed ${seed}`).toBe(expected(orders));
      expect(guest.word(guest.cache + CodeCache.off.twins)).toBeGreaterThan(100);
    }
  });

  it.each([false, true])("do so at two addresses, in regions: %s", async (inRegions) => {
    for (let seed = 1; seed <= 5; seed++) {
      const guest = await RewritingGuest.create();
      const orders = makeOrders(new Random(seed), { ...KIND, twice: true });
      expect(guest.run(orders, inRegions), `seed ${seed}`).toBe(expected(orders));
    }
  });
});
