import fc from "fast-check";
import { expect, it } from "vitest";
import { type LiveModule, Slots } from "./slots.js";

const SLOTS = 40;
const BYTES = 1000;
const module = fc.record({ count: fc.integer({ min: 1, max: 16 }), bytes: fc.integer({ min: 1, max: 400 }) });

it("modules never share slots, never exceed the limits, and the oldest go first", () => {
  fc.assert(
    fc.property(fc.array(module, { maxLength: 60 }), (modules) => {
      const slots = new Slots({ slots: SLOTS, bytes: BYTES });
      const live: LiveModule[] = [];
      for (const { count, bytes } of modules) {
        const { first, evicted } = slots.reserve(count, bytes);
        for (const gone of evicted) expect(live.shift()).toBe(gone);
        expect(first + count).toBeLessThanOrEqual(SLOTS);
        for (const m of live) expect(m.first >= first + count || m.first + m.count <= first).toBe(true);
        const made = { first, count, bytes, blocks: [] };
        slots.add(made);
        live.push(made);
        expect(live.reduce((sum, m) => sum + m.bytes, 0)).toBeLessThanOrEqual(BYTES);
      }
    }),
  );
});

it("nothing goes while there is room", () => {
  const slots = new Slots({ slots: SLOTS, bytes: BYTES });
  for (let n = 0; n < SLOTS / 8; n++) {
    expect(slots.reserve(8, 10)).toEqual({ first: 8 * n, evicted: [] });
    slots.add({ first: 8 * n, count: 8, bytes: 10, blocks: [] });
  }
  expect(slots.used).toBe(SLOTS);
  expect(slots.reserve(1, 10).evicted.map(({ first }) => first)).toEqual([0]);
});
