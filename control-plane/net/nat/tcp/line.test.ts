/** Any course of events over a bad line, against guests with TCPs of their own. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../../util/index.js";
import { SelectiveGuest } from "./testing/selective-guest.js";
import { line, PlainGuest, Rig } from "./testing/simulation.js";

const pattern = (count: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: count }, (_, n) => (n * 7 + seed * 31) & 255);

describe("a plain guest", () => {
  const scenario = fc.record({
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
    up: fc.integer({ min: 0, max: 40_000 }),
    down: fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 8 }),
    loss: fc.constantFrom(0, 0.02, 0.2),
    duplicate: fc.constantFrom(0, 0.1),
    reorder: fc.constantFrom(0, 0.2),
    iss: fc.constantFrom(5, 2 ** 32 - 3000, 2 ** 31 - 100),
    slow: fc.boolean(),
  });

  it("every byte arrives once and in order, both ends are seen, and nothing is left", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(scenario, ({ seed, up, down, iss, slow, ...bad }) => {
        const rig = new Rig({ window: 8192, sendBytes: 16_384 });
        const random = new SeededRandom(seed);
        const toServer = line(rig.time, random, bad, (bytes) => rig.input(bytes));
        const guest = new PlainGuest(rig.time, toServer, pattern(up), iss);
        const toGuest = line(rig.time, random, bad, (bytes) => guest.receive(bytes));
        rig.toGuest = (bytes) => {
          if (random.u32() % 16 === 0) {
            rig.time.at(2, () => rig.tcp.resume());
            return false;
          }
          toGuest(bytes);
          return true;
        };
        guest.connect();
        rig.time.run(20);
        const expected: number[] = [];
        const serve = () => {
          const stream = rig.streams[0];
          if (stream === undefined) {
            rig.time.at(20, serve);
            return;
          }
          stream.events.opened();
          const chunks = down.map((count, n) => pattern(count, n));
          expected.push(...chunks.flatMap((chunk) => [...chunk]));
          const step = () => {
            // A world that now and then takes no more for a while.
            if (slow) {
              stream.full = !stream.full;
              if (!stream.full) stream.events.drained();
            }
            if (!stream.reads) {
              rig.time.at(30, step);
              return;
            }
            const chunk = chunks.shift();
            if (chunk === undefined) {
              stream.full = false;
              stream.events.drained();
              stream.events.ended();
            } else {
              stream.events.data(chunk);
              rig.time.at(random.u32() % 50, step);
            }
          };
          step();
        };
        serve();
        rig.time.run(900_000);
        const stream = rig.streams[0]!;
        expect(Buffer.from(stream.got).equals(Buffer.from(pattern(up)))).toBe(true);
        expect(Buffer.from(guest.got).equals(Buffer.from(expected))).toBe(true);
        expect([stream.isEnded, guest.hasEnd, guest.isReset]).toEqual([true, true, false]);
        expect([rig.tcp.connections, rig.tcp.timers, rig.tcp.heldBytes]).toEqual([0, 0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a guest that knows all options", () => {
  const scenario = fc.record({
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
    up: fc.integer({ min: 0, max: 20_000 }),
    down: fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 6 }),
    loss: fc.constantFrom(0, 0.05, 0.2),
    duplicate: fc.constantFrom(0, 0.1),
    reorder: fc.constantFrom(0, 0.3),
    iss: fc.constantFrom(5, 2 ** 32 - 3000, 2 ** 31 - 100),
    sacks: fc.boolean(),
    stamps: fc.boolean(),
    windows: fc.boolean(),
    /** After so long the guest resets, or the stream outside breaks; 0: neither. */
    guestResets: fc.constantFrom(0, 0, 0, 60, 150, 400),
    worldBreaks: fc.constantFrom(0, 0, 0, 50, 200, 300),
  });

  /** The world: takes what comes, at times not, and sends pieces whenever it is read. */
  function serve(rig: Rig, random: SeededRandom, chunks: Uint8Array[]): void {
    const stream = rig.streams[0];
    if (stream === undefined) {
      rig.time.at(20, () => serve(rig, random, chunks));
      return;
    }
    stream.events.opened();
    const step = () => {
      if (stream.isAborted || rig.tcp.connections === 0) return;
      const isLast = chunks.length === 0;
      stream.full = random.u32() % 4 === 0 && !isLast;
      if (!stream.full) stream.events.drained();
      if (isLast) stream.events.ended();
      else {
        if (stream.reads) stream.events.data(chunks.shift()!);
        rig.time.at(random.u32() % 60, step);
      }
    };
    step();
  }

  it("gets and gives every byte once and in order; resets reach the other side; nothing is left", {
    timeout: 120_000,
  }, () => {
    fc.assert(
      fc.property(scenario, ({ seed, up, down, iss, guestResets, worldBreaks, ...bad }) => {
        const rig = new Rig({ window: 8192, sendBytes: 16_384, keepAliveMs: 600_000 });
        const random = new SeededRandom(seed);
        const toServer = line(rig.time, random, bad, (bytes) => rig.input(bytes));
        const guest = new SelectiveGuest(rig.time, random, toServer, pattern(up), iss, bad);
        const toGuest = line(rig.time, random, bad, (bytes) => guest.receive(bytes));
        rig.toGuest = (bytes) => {
          const hasRoom = random.u32() % 16 !== 0;
          if (hasRoom) toGuest(bytes);
          else rig.time.at(2, () => rig.tcp.resume());
          return hasRoom;
        };
        // A SYN that comes late begins something that nobody wants.
        rig.onStream = ({ events }) => {
          if (rig.streams.length > 1) rig.time.at(1, () => events.opened());
        };
        guest.connect();
        const chunks = down.map((count, n) => pattern(count, n));
        const expected = Buffer.concat(chunks);
        serve(rig, random, [...chunks]);
        let isBroken = false;
        if (guestResets > 0) rig.time.at(guestResets, () => guest.reset());
        if (worldBreaks > 0)
          rig.time.at(worldBreaks, () => {
            const stream = rig.streams[0];
            if (stream === undefined || stream.isAborted || rig.tcp.list()[0]?.state !== "established") return;
            isBroken = true;
            stream.events.closed("reset");
          });
        rig.time.run(2_000_000);
        const stream = rig.streams[0]!;
        const got = Buffer.from(guest.got);
        const arrived = Buffer.from(stream.got);
        expect(guest.contradictions).toBe(0);
        expect(expected.subarray(0, got.length).equals(got)).toBe(true);
        expect(Buffer.from(pattern(up)).subarray(0, arrived.length).equals(arrived)).toBe(true);
        if (isBroken) expect(guest.isReset || guest.isDone || guestResets > 0).toBe(true);
        else if (guest.isReset) expect(stream.isAborted || stream.isEnded).toBe(true);
        else {
          expect([got.length, arrived.length, guest.hasEnd]).toEqual([expected.length, up, true]);
          expect([stream.isEnded, stream.isAborted]).toEqual([true, false]);
        }
        expect([rig.tcp.connections, rig.tcp.timers, rig.tcp.heldBytes]).toEqual([0, 0, 0]);
      }),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  });
});
