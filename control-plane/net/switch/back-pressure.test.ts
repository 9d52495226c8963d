import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../util/index.js";
import { Switch } from "./index.js";
import { BROADCAST, frame, ManualTime, mac, packetOf, TestStation } from "./testing/lab.js";

const address = (n: number): string => `00:16:3e:00:00:${n.toString(16).padStart(2, "0")}`;

function lab(count: number) {
  const time = new ManualTime();
  const sw = new Switch({ name: "xenbr0", clock: time, timer: time.timer, random: new SeededRandom(3) });
  const stations = Array.from({ length: count }, (_, i) => new TestStation(`s${i}`));
  const ports = stations.map((station, i) => sw.plug(station, { mac: address(i) }));
  const send = (from: number, to: number, payload: number[] = []): boolean =>
    ports[from]!.send(packetOf(frame({ to: mac(to), from: mac(from), payload })));
  /** The station takes `n` frames more and says so. */
  const give = (i: number, n: number): void => {
    stations[i]!.space = n;
    ports[i]!.room();
  };
  return { time, sw, stations, ports, send, give };
}

describe("a station without room", () => {
  it("holds up who sends to it alone, and wakes them in their order", () => {
    const { stations, send, give } = lab(4);
    const woken: number[] = [];
    for (const i of [1, 2]) stations[i]!.onResume = () => woken.push(i);
    stations[0]!.space = 1;
    expect([send(1, 0), send(2, 0), send(1, 0), send(2, 0), send(1, 0)]).toEqual([true, false, false, false, false]);
    expect(send(1, 3)).toBe(true);
    expect(woken).toEqual([]);
    give(0, 10);
    expect(woken).toEqual([2, 1]);
    expect(send(1, 0)).toBe(true);
    expect(stations[0]!.received.length).toBe(2);
  });

  it("is not told of a batch in which it got nothing", () => {
    const { stations, send, ports } = lab(2);
    stations[0]!.space = 0;
    expect(send(1, 0)).toBe(false);
    ports[1]!.settle();
    expect(stations[0]!.settled).toBe(0);
  });

  it("wakes no more than it has room for, and the others when there is more", () => {
    const { stations, send, give } = lab(4);
    stations[0]!.space = 0;
    const waiting = new Set([1, 2, 3]);
    for (const i of waiting) {
      expect(send(i, 0)).toBe(false);
      stations[i]!.onResume = () => {
        if (waiting.has(i) && send(i, 0)) waiting.delete(i);
      };
    }
    give(0, 1);
    expect([...waiting]).toEqual([2, 3]);
    give(0, 1);
    expect([...waiting]).toEqual([3]);
    give(0, 5);
    expect([...waiting]).toEqual([]);
    expect(stations.map((s) => s.resumed)).toEqual([0, 1, 2, 2]);
  });

  it("goes without frames for several stations", () => {
    const { stations, ports } = lab(3);
    stations[1]!.space = 0;
    for (let n = 0; n < 2; n++) expect(ports[0]!.send(packetOf(frame({ to: BROADCAST, from: mac(0) })))).toBe(true);
    expect(stations[2]!.received.length).toBe(2);
    expect(ports[1]!.counters().dropsOut).toEqual({ full: 2 });
  });

  it("holds nobody up for more than a second, until it has room", () => {
    const { time, stations, send, give, ports } = lab(3);
    stations[0]!.space = 0;
    expect(send(1, 0)).toBe(false);
    time.pass(600);
    expect(send(2, 0)).toBe(false);
    time.pass(400);
    expect(stations[1]!.resumed).toBe(0);
    time.pass(2);
    expect([stations[1]!.resumed, stations[2]!.resumed]).toEqual([1, 1]);
    expect([send(1, 0), send(2, 0)]).toEqual([true, true]);
    expect(ports[0]!.counters()).toMatchObject({ framesOut: 0, dropsOut: { full: 2 } });
    give(0, 1);
    expect(send(1, 0)).toBe(true);
    expect(send(1, 0)).toBe(false);
    expect(stations[0]!.received.length).toBe(1);
  });

  it("lets who waits go on when it is unplugged, or its link goes down", () => {
    for (const leave of ["unplug", "down"] as const) {
      const { time, stations, send, ports } = lab(3);
      stations[0]!.space = 0;
      expect(send(1, 0)).toBe(false);
      if (leave === "unplug") ports[0]!.unplug();
      else ports[0]!.setUp(false);
      expect(stations[1]!.resumed).toBe(1);
      expect(send(1, 0)).toBe(true);
      time.pass(5000);
      expect(stations[1]!.resumed).toBe(1);
    }
  });

  it("is not asked again before it has room, and its line's queue fills instead where there is one", () => {
    const { time, stations, send, give, ports } = lab(2);
    ports[0]!.impair({ out: { delayMs: 1, limit: 3 } });
    stations[0]!.space = 0;
    for (let n = 0; n < 5; n++) expect(send(1, 0, [n])).toBe(true);
    time.pass(50);
    expect(ports[0]!.counters().dropsOut).toEqual({ queue: 2 });
    give(0, 2);
    expect(stations[0]!.take().map((bytes) => bytes[14])).toEqual([0, 1]);
    give(0, 2);
    expect(stations[0]!.take().map((bytes) => bytes[14])).toEqual([2]);
    expect(stations[0]!.settled).toBeGreaterThan(0);
  });

  it("holds a line's frames at their start", () => {
    const { time, stations, send, give, ports } = lab(2);
    ports[1]!.impair({ in: { delayMs: 5 } });
    stations[0]!.space = 1;
    for (let n = 0; n < 3; n++) expect(send(1, 0, [n])).toBe(true);
    time.pass(100);
    expect(stations[0]!.take().length).toBe(1);
    give(0, 10);
    expect(stations[0]!.take().map((bytes) => bytes[14])).toEqual([1, 2]);
  });
});

/** A sender as a guest's interface is one: a queue per receiver, sends until it is refused, goes on when it is told. */
class Sender {
  readonly queues = new Map<number, number[]>();
  readonly #stuck = new Set<number>();

  constructor(private readonly send: (to: number, id: number) => boolean) {}

  add(to: number, id: number): void {
    this.queues.set(to, [...(this.queues.get(to) ?? []), id]);
    if (!this.#stuck.has(to)) this.#run(to);
  }

  resume(): void {
    this.#stuck.clear();
    for (const to of this.queues.keys()) this.#run(to);
  }

  get waiting(): number {
    return [...this.queues.values()].reduce((sum, queue) => sum + queue.length, 0);
  }

  #run(to: number): void {
    const queue = this.queues.get(to)!;
    while (queue.length > 0 && !this.#stuck.has(to)) {
      if (this.send(to, queue[0]!)) queue.shift();
      else this.#stuck.add(to);
    }
  }
}

describe("random orders of sends and room", () => {
  const PORTS = 4;
  const step = fc.record({
    kind: fc.constantFrom("send", "send", "send", "room", "pass"),
    from: fc.nat(PORTS - 1),
    to: fc.nat(PORTS - 1),
    amount: fc.nat(4),
  });

  it("lose and double no frame, keep each pair's order, and leave nobody waiting", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { time, stations, send, give } = lab(PORTS);
        const senders = stations.map((_, i) => new Sender((to, id) => send(i, to, [i, id])));
        const sent: string[] = [];
        stations.forEach((station, i) => {
          station.space = 2;
          station.onResume = () => senders[i]!.resume();
        });
        let left = 900;
        steps.forEach((s, id) => {
          if (s.kind === "send" && s.from !== s.to) {
            sent.push(`${s.from}>${s.to} ${id}`);
            senders[s.from]!.add(s.to, id);
          } else if (s.kind === "room") {
            give(s.to, s.amount);
          } else if (s.kind === "pass" && left >= s.amount * 50) {
            // Less than the second after which frames are dropped.
            time.pass(s.amount * 50);
            left -= s.amount * 50;
          }
        });
        stations.forEach((_, i) => {
          give(i, 1000);
        });
        expect(senders.map((sender) => sender.waiting)).toEqual(stations.map(() => 0));
        const got = stations.map((station, to) => station.take().map((b) => `${b[14]}>${to} ${b[15]}`));
        const pairs = (all: string[]) => [...all].sort((a, b) => a.split(" ")[0]!.localeCompare(b.split(" ")[0]!));
        expect(pairs(got.flat())).toEqual(pairs(sent));
      }),
      { numRuns: 500 },
    );
  });

  it("leave nobody waiting either when there is never room", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { time, stations, send } = lab(PORTS);
        const senders = stations.map((_, i) => new Sender((to, id) => send(i, to, [i, id])));
        stations.forEach((station, i) => {
          station.space = 1;
          station.onResume = () => senders[i]!.resume();
        });
        steps.forEach((s, id) => {
          if (s.from !== s.to) senders[s.from]!.add(s.to, id);
          time.pass(s.amount * 100);
        });
        time.pass(1100);
        expect(senders.map((sender) => sender.waiting)).toEqual(stations.map(() => 0));
      }),
      { numRuns: 200 },
    );
  });
});
