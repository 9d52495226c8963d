import { describe, expect, it } from "vitest";
import { type Module, Modules } from "../../wasm-core/jit/modules.js";
import { Random } from "../support/random.js";

function moduleOf(first: number, count: number, entered: number[], members: number[]): Module {
  return { first, count, bytes: 100, at: 0, entered: new Set(entered), members: new Set(members), seen: 0 };
}

describe("modules", () => {
  it("have slots of their own, of which those that are free are taken first", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed);
      const modules = new Modules();
      const owner = new Map<number, Module>();
      let most = 0;
      for (let step = 0; step < 400; step++) {
        const live = [...modules];
        if (live.length > 0 && random.below(100) < 45) {
          const gone = live[random.below(live.length)]!;
          modules.remove(gone);
          for (let n = 0; n < gone.count; n++) owner.delete(gone.first + n);
          continue;
        }
        const count = 1 + random.below(9);
        const module = moduleOf(modules.takeSlots(count), count, [], []);
        modules.add(module);
        for (let n = 0; n < count; n++) {
          expect(owner.has(module.first + n), `seed ${seed}, slot ${module.first + n}`).toBe(false);
          owner.set(module.first + n, module);
        }
        most = Math.max(most, owner.size);
      }
      const all = [...modules];
      expect(modules.bytes).toBe(100 * all.length);
      for (const module of all) modules.remove(module);
      // With none left the slots begin again, and all together were never far more than were in use.
      expect(modules.takeSlots(1)).toBe(0);
      expect(Math.max(0, ...all.map(({ first }) => first))).toBeLessThan(2 * most + 9);
    }
  });

  it("give up a block that others know as well only with the last of them", () => {
    const modules = new Modules();
    const [a, b] = [moduleOf(0, 1, [1], [1, 5]), moduleOf(1, 1, [2], [2, 5])];
    modules.add(a);
    modules.add(b);
    expect(modules.remove(a)).toEqual([1]);
    expect(modules.remove(b)).toEqual([2, 5]);
    expect(modules.isEmpty).toBe(true);
  });

  it("are entered by a block until another takes its place", () => {
    const modules = new Modules();
    const [a, b] = [moduleOf(0, 1, [1, 2], [1, 2]), moduleOf(1, 1, [2], [2])];
    modules.add(a);
    modules.add(b);
    expect([...a.entered]).toEqual([1]);
    modules.remove(a);
    expect(modules.isEntered(1)).toBe(false);
    expect(modules.isEntered(2)).toBe(true);
  });

  it("forget blocks that are gone, in whose place others may be by now", () => {
    const modules = new Modules();
    const old = moduleOf(0, 1, [1], [1, 5]);
    modules.add(old);
    modules.forget((block) => block === 5);
    const young = moduleOf(1, 1, [5], [5]);
    modules.add(young);
    expect(modules.remove(old)).toEqual([1]);
    expect(modules.isEntered(5)).toBe(true);
    expect(modules.remove(young)).toEqual([5]);
  });
});
