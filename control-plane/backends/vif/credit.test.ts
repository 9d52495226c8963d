/** What a guest may send, by a clock and a timer in the test's hand. */
import { describe, expect, it } from "vitest";
import { ManualTimers } from "../../net/nat/testing/fakes.js";
import { Credit } from "./credit.js";

const KIB = 1024;
const FRAME = 1000;

/** A guest that sends frames for as long as it may, and goes on when it is told. */
class Sender {
  readonly time = new ManualTimers();
  readonly credit: Credit;
  sent = 0;
  isGreedy = true;

  constructor(
    bytesPerSecond: number | null,
    windowUs?: number,
    private readonly frame = FRAME,
  ) {
    this.credit = new Credit({ ...this.time, ready: () => this.go() });
    this.credit.limit(bytesPerSecond, windowUs);
  }

  go(): void {
    while (this.isGreedy && this.credit.take(this.frame)) this.sent += this.frame;
  }

  /** How much more it has sent after so long. */
  after(ms: number): number {
    const before = this.sent;
    this.time.advance(ms);
    return this.sent - before;
  }
}

describe("a window", () => {
  it.each([
    // xl-network-configuration(5): for 1MB/s@20ms, 20,000 bytes every 20,000 us.
    [1e6, 20_000, 20, 20_000],
    [1e6, undefined, 50, 50_000],
    [1e6, 1_000_000, 1000, 1_000_000],
    [250_000, 4000, 4, 1000],
    [12.5e6, 100_000, 100, 1_250_000],
  ])("of %d bytes a second and %s us: every %d ms %d bytes", (rate, windowUs, ms, bytes) => {
    const sender = new Sender(rate, windowUs);
    sender.go();
    expect(sender.sent).toBe(bytes);
    for (let window = 0; window < 5; window++) {
      expect(sender.after(ms - 0.001)).toBe(0);
      expect(sender.after(0.001)).toBe(bytes);
    }
  });

  it("shorter than a timer may be gives what it should in the time that there is", () => {
    const sender = new Sender(4e6, 250);
    sender.go();
    expect(sender.sent).toBe(1000);
    expect([sender.after(1), sender.after(1), sender.after(10)]).toEqual([4000, 4000, 40_000]);
  });

  it("that ends late takes nothing from the next ones", () => {
    const sender = new Sender(1e6, 20_000);
    sender.credit.take(20_000);
    sender.time.advance(33);
    sender.go();
    expect(sender.sent).toBe(20_000);
    expect([sender.after(6), sender.after(1)]).toEqual([0, 20_000]);
  });
});

describe("what is not used", () => {
  it.each([
    [1e6, 20_000, 128 * KIB],
    [1e6, 50_000, 128 * KIB],
    [10e6, 20_000, 200_000],
    [10e6, 1_000_000, 10_000_000],
  ])("of %d bytes a second and %d us may be sent later, up to %d bytes", (rate, windowUs, burst) => {
    const sender = new Sender(rate, windowUs, 1);
    sender.isGreedy = false;
    sender.time.advance(60_000);
    expect([sender.credit.take(burst + 1), sender.credit.take(burst), sender.credit.take(1)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("is no more than what was left and the windows since", () => {
    const sender = new Sender(1e6, 20_000);
    sender.isGreedy = false;
    sender.credit.take(15_000);
    sender.time.advance(59.999);
    expect([sender.credit.take(45_001), sender.credit.take(45_000)]).toEqual([false, true]);
  });
});

describe("a rate holds over time", () => {
  const RATE = 2e6;
  const SECONDS = 60;
  const cases = [100, 3000, 20_000, 50_000, 700_000].flatMap((windowUs) =>
    [60, FRAME, 65_000].map((frame) => [windowUs, frame] as const),
  );
  it.each(cases)("in windows of %d us with frames of %d bytes", (windowUs, frame) => {
    const sender = new Sender(RATE, windowUs, frame);
    sender.go();
    sender.time.advance(SECONDS * 1000);
    const bytesPerWindow = (RATE * windowUs) / 1e6;
    const windows = (SECONDS * 1e6) / windowUs;
    // What is left of a window, which is no whole frame, is lost where it does not fit into the burst with the next window.
    const unused = bytesPerWindow + frame > 128 * KIB ? windows * frame : frame;
    expect(sender.sent).toBeLessThanOrEqual((windows + 1) * bytesPerWindow);
    expect(sender.sent).toBeGreaterThanOrEqual(windows * bytesPerWindow - bytesPerWindow - unused);
  });
});

it("another limit holds at once, with another window, and so does none", () => {
  const sender = new Sender(1000, 1_000_000);
  sender.go();
  expect(sender.sent).toBe(1000);
  sender.credit.limit(1e6, 20_000);
  expect(sender.sent).toBe(21_000);
  expect(sender.after(20)).toBe(20_000);
  sender.credit.limit(1e6);
  expect([sender.sent, sender.after(49), sender.after(1)]).toEqual([91_000, 0, 50_000]);
  sender.isGreedy = false;
  sender.credit.limit(null);
  expect([sender.credit.take(1e9), sender.time.pending]).toEqual([true, 0]);
});
