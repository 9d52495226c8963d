/** The engine's parts, each against a simple model of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../../util/index.js";
import { Packet } from "../../packet.js";
import { ByteQueue } from "./byte-queue.js";
import { LEAST_SHARE, TCP_LIMITS } from "./limits.js";
import { Reassembly } from "./reassembly.js";
import { Scoreboard } from "./scoreboard.js";
import { distance, isBefore, plus } from "./sequence.js";
import { Shares } from "./shares.js";
import { type Entry, Table } from "./table.js";
import { Simulation } from "./testing/simulation.js";
import { type Timed, Timers } from "./timers.js";

const START = 2 ** 31 - 500;

describe("sequence numbers", () => {
  it("go on behind the last", () => {
    expect(plus(0x7fffffff, 1)).toBe(-0x80000000);
    expect(distance(plus(-1, 5), -1)).toBe(5);
    expect([isBefore(-1, 0), isBefore(0x7fffffff, -0x80000000), isBefore(5, 5)]).toEqual([true, true, false]);
  });
});

describe("a queue of bytes", () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ drop: fc.integer({ min: 0, max: 4000 }) }),
    fc.record({ from: fc.nat(5000), count: fc.nat(5000) }),
    fc.constant("shift" as const),
  );

  it("gives what was put in, wherever it is read", () => {
    const buffer = new Uint8Array(1 << 16);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new ByteQueue();
        let model: number[] = [];
        let next = 0;
        for (const s of steps) {
          if (s === "shift") {
            if (queue.length === 0) continue;
            const bytes = [...queue.shift()];
            expect(model.slice(0, bytes.length)).toEqual(bytes);
            model = model.slice(bytes.length);
          } else if ("push" in s) {
            const bytes = Uint8Array.from({ length: s.push }, () => next++ & 255);
            model.push(...bytes);
            queue.push(bytes);
          } else if ("drop" in s) {
            queue.drop(s.drop);
            model = model.slice(s.drop);
          } else {
            const from = Math.min(s.from, queue.length);
            const count = Math.min(s.count, queue.length - from);
            if (count > 0) expect([...queue.read(from, count, buffer)]).toEqual(model.slice(from, from + count));
          }
          expect(queue.length).toBe(model.length);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("makes nothing of large pieces but views", () => {
    const queue = new ByteQueue();
    const piece = new Uint8Array(5000);
    queue.push(piece);
    expect(queue.read(0, 5000, new Uint8Array(0))).toBe(piece);
    expect(queue.read(10, 100, new Uint8Array(0)).buffer).toBe(piece.buffer);
  });

  it("gathers small pieces", () => {
    const queue = new ByteQueue();
    for (let n = 0; n < 1000; n++) queue.push(Uint8Array.of(n & 255));
    expect(queue.shift().length).toBe(1000);
  });
});

describe("what comes out of order", () => {
  const piece = fc.record({ at: fc.nat(300), count: fc.integer({ min: 1, max: 80 }), byte: fc.nat(255) });

  it("is put together, and what came first stays", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const reassembly = new Reassembly();
        const packet = new Packet(null);
        const model = new Map<number, number>();
        for (const { at, count, byte } of pieces) {
          packet.wrap(new Uint8Array(400).fill(byte));
          reassembly.add(plus(START, at), packet, 300, count, Number.MAX_SAFE_INTEGER);
          for (let n = at; n < at + count; n++) if (!model.has(n)) model.set(n, byte);
        }
        reassembly.findRanges();
        for (let n = 0; n < reassembly.ranges; n++) {
          const from = distance(reassembly.rangeFrom[n]!, START);
          const to = distance(reassembly.rangeTo[n]!, START);
          for (let at = from; at < to; at++) expect(model.has(at)).toBe(true);
          expect([model.has(from - 1), model.has(to)]).toEqual([false, false]);
        }
        if (pieces.length > 0) {
          const last = distance(reassembly.rangeFrom[0]!, START);
          expect(last).toBeLessThanOrEqual(pieces.at(-1)!.at);
        }
        for (let at = 0; at < 400; ) {
          const bytes = reassembly.take(plus(START, at));
          if (bytes === null) expect(model.has(at++)).toBe(false);
          else for (const byte of bytes) expect(model.get(at++)).toBe(byte);
        }
        expect([reassembly.held, reassembly.isEmpty]).toEqual([0, true]);
      }),
      { numRuns: 300 },
    );
  });

  it("is kept as long as there is room, small pieces at what they cost", () => {
    const reassembly = new Reassembly();
    const packet = new Packet(null);
    packet.wrap(new Uint8Array(1000));
    for (let n = 0; n < 5000; n++) reassembly.add(2 * n, packet, 0, 1, 100_000 - reassembly.held);
    expect(reassembly.held).toBeLessThanOrEqual(100_000);
    for (let n = 0; n < 5000; n++) reassembly.add(2 * n, packet, 0, 1, Number.MAX_SAFE_INTEGER);
    expect(reassembly.held).toBeLessThanOrEqual(1024 * 257);
  });
});

describe("a scoreboard", () => {
  const range = fc.record({ at: fc.nat(200), count: fc.integer({ min: 1, max: 30 }) });

  it("knows what the peer has", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), fc.nat(250), fc.nat(250), (ranges, una, seq) => {
        const board = new Scoreboard();
        const model = new Set<number>();
        for (const { at, count } of ranges) {
          const before = model.size;
          for (let n = at; n < at + count; n++) model.add(n);
          expect(board.add(plus(START, at), plus(START, at + count))).toBe(model.size - before);
        }
        board.advance(plus(START, una));
        for (let n = 0; n < una; n++) model.delete(n);
        expect(board.bytes).toBe(model.size);
        expect(board.bytesBefore(plus(START, seq))).toBe([...model].filter((n) => n < seq).length);
        let end = seq;
        while (model.has(end)) end++;
        expect(distance(board.skip(plus(START, seq)), START)).toBe(end);
        let gap = 0;
        while (gap < 300 && !model.has(end + gap)) gap++;
        expect(board.gap(plus(START, end), 300)).toBe(gap);
      }),
    );
  });

  it("counts as lost what three later pieces or two segments have overtaken", () => {
    const board = new Scoreboard();
    board.add(20, 30);
    board.add(40, 50);
    expect(board.isLost(10)).toBe(false);
    board.add(60, 61);
    expect(board.isLost(10)).toBe(true);
    board.clear();
    board.add(20, 41);
    expect(board.isLost(10)).toBe(true);
  });

  it("finds holes in order, and counts what is on its way", () => {
    const board = new Scoreboard();
    board.add(10, 20);
    board.add(30, 60);
    expect(board.findHole(0, 0, 10)).toBe(true);
    expect([board.holeFrom, board.holeTo]).toEqual([0, 10]);
    expect(board.findHole(0, 10, 10)).toBe(true);
    expect([board.holeFrom, board.holeTo]).toEqual([20, 30]);
    expect(board.findHole(0, 30, 10)).toBe(false);
    // 60 to 80 and what was sent again of the two holes, which are lost.
    expect(board.pipe(0, 80, 0, 10)).toBe(20);
    expect(board.pipe(0, 80, 25, 10)).toBe(20 + 10 + 5);
  });

  it("keeps few ranges, however many it is told", () => {
    const board = new Scoreboard();
    for (let n = 0; n < 1000; n++) board.add(n * 10, n * 10 + 5);
    expect([board.ranges, board.bytes]).toEqual([64, 320]);
  });
});

describe("timers", () => {
  class Item implements Timed {
    dueMs = Number.POSITIVE_INFINITY;
    heapAt = -1;
    heapMs = 0;
    ran: number[] = [];
    onTime(now: number): void {
      this.ran.push(Math.floor(now));
      this.dueMs = Number.POSITIVE_INFINITY;
    }
  }
  const make = () => {
    const time = new Simulation();
    let running = 0;
    let most = 0;
    const timers = new Timers<Item>(
      () => time.nowMs,
      (ms, work) => {
        most = Math.max(most, ++running);
        const cancel = time.at(ms, () => {
          running--;
          work();
        });
        return () => {
          running--;
          cancel();
        };
      },
    );
    return { time, timers, most: () => most, running: () => running };
  };

  it("come at their time, in order, with one timer of the host", () => {
    const { time, timers, most, running } = make();
    const items = Array.from({ length: 200 }, () => new Item());
    const random = new SeededRandom(5);
    const due = items.map((item) => {
      item.dueMs = random.u32() % 1000;
      timers.schedule(item);
      return item.dueMs;
    });
    time.run(2000);
    items.forEach((item, n) => {
      expect(item.ran).toHaveLength(1);
      expect(Math.abs(item.ran[0]! - due[n]!)).toBeLessThanOrEqual(2);
    });
    expect([most(), running(), timers.count]).toEqual([1, 0, 0]);
  });

  it("that move come at their last time, once", () => {
    const { time, timers } = make();
    const item = new Item();
    for (const at of [500, 100, 300]) {
      item.dueMs = at;
      timers.schedule(item);
    }
    time.run(1000);
    expect(item.ran.map((ms) => Math.round(ms / 10) * 10)).toEqual([300]);
  });

  it("that are forgotten leave no timer of the host", () => {
    const { time, timers, running } = make();
    const items = Array.from({ length: 50 }, (_, n) => Object.assign(new Item(), { dueMs: (n * 37) % 50 }));
    for (const item of items) timers.schedule(item);
    for (const item of items) timers.forget(item);
    expect([timers.count, running(), time.isIdle]).toEqual([0, 0, true]);
  });
});

describe("a table", () => {
  const ends = (n: number): Entry => ({
    hash: 0,
    ends: {
      guest: { address: Uint8Array.of(10, 0, 2, n & 3), port: n >> 2 },
      remote: { address: n & 1 ? new Uint8Array(16).fill(n & 7) : Uint8Array.of(1, 2, 3, 4), port: 80 },
    },
  });

  it("finds what is in it, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ n: fc.nat(300), add: fc.boolean() }), { maxLength: 300 }), (steps) => {
        const table = new Table<Entry>(new SeededRandom(9));
        const model = new Map<number, Entry>();
        for (const { n, add } of steps) {
          const known = model.get(n);
          if (add && known === undefined) {
            model.set(n, ends(n));
            table.add(model.get(n)!);
          } else if (!add && known !== undefined) {
            model.delete(n);
            table.remove(known);
          }
        }
        for (let n = 0; n <= 300; n++) {
          const { guest, remote } = ends(n).ends;
          expect(table.find(guest.address, guest.port, remote.address, remote.port)).toBe(model.get(n) ?? null);
        }
        expect([table.count, table.all().length]).toEqual([model.size, model.size]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("shares", () => {
  it("leave something for the next guest, and something for each connection", () => {
    const shares = new Shares<never>({ ...TCP_LIMITS, totalBytes: 1 << 20 });
    const greedy = shares.of("a guest");
    const other = shares.of("another");
    expect(shares.allowed(greedy, 1 << 30)).toBe(1 << 18);
    for (let n = 0; n < 1000; n++) {
      const room = shares.allowed(greedy, 1 << 30);
      if (room > LEAST_SHARE) shares.hold(greedy, 4096);
    }
    expect(greedy.bytes).toBeGreaterThan((1 << 19) - 40_000);
    expect(greedy.bytes).toBeLessThanOrEqual(1 << 19);
    expect(shares.allowed(greedy, 1 << 30)).toBe(LEAST_SHARE);
    expect(shares.allowed(other, 1 << 30)).toBeGreaterThan(1 << 16);
  });

  it("are forgotten with the last that a guest has", () => {
    const shares = new Shares<never>(TCP_LIMITS);
    const guest = shares.of("a guest");
    guest.connections = 1;
    shares.hold(guest, 10);
    guest.connections = 0;
    shares.release(guest);
    expect([...shares.all()]).toEqual([guest]);
    shares.hold(guest, -10);
    expect([...shares.all()]).toEqual([]);
  });
});
