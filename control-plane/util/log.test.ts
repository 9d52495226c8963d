import { describe, expect, it } from "vitest";
import { LogRing, ManualClock, randomUuid, SeededRandom } from "./index.js";

describe("the log", () => {
  it("keeps the newest lines within its capacity", () => {
    const log = new LogRing(new ManualClock(), 100);
    for (let line = 0; line < 50; line++) log.write(`line ${line}`);
    expect(log.text().length).toBeLessThanOrEqual(100);
    expect(log.text().endsWith("line 49\n")).toBe(true);
  });

  it("lets a guest's lines through at a bounded rate and says how many it held back", () => {
    const clock = new ManualClock();
    const log = new LogRing(clock);
    for (let line = 0; line < 1000; line++) log.writeLimited("d1", "noise");
    expect(log.text().split("\n").length).toBe(11);
    clock.advance(2e9);
    log.writeLimited("d1", "again");
    expect(log.text()).toContain("d1: 990 more such lines");
    expect(log.text()).toContain("[    2.000000] d1: again");
  });

  it("has one line for each that a guest caused, of bounded length, with nothing for a terminal in it", () => {
    const log = new LogRing(new ManualClock());
    log.writeLimited("d1", `key: "\x1b[2J\x9b1m\n[    0.000000] (XEN) forged" ${"x".repeat(4096)}`);
    expect(log.text()).toMatch(/^[^\p{Cc}]*d1: key: "\?\[2J\?1m\?\[ {4}0.000000\] \(XEN\) forged" x+\n$/u);
    expect(log.text().length).toBeLessThan(1100);
  });

  it("lets a guest's own text through up to an allowance that comes back with time", () => {
    const clock = new ManualClock();
    const log = new LogRing(clock);
    for (let line = 0; line < 1000; line++) log.writeText("(d1)", "x".repeat(100));
    log.writeText("(d2)", "another");
    expect(log.text().split("\n").length).toBe(327 + 2);
    expect(log.text()).toContain("(d2) another");
    clock.advance(1e9);
    log.writeText("(d1)", "again");
    expect(log.text().endsWith("(d1) ... 673 lines left out\n(d1) again\n")).toBe(true);
  });
});

describe("random", () => {
  it("makes version 4 UUIDs, the same for the same seed", () => {
    const uuid = randomUuid(new SeededRandom(7));
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(randomUuid(new SeededRandom(7))).toBe(uuid);
  });
});
