import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../util/index.js";
import { GsoType } from "../packet.js";
import { type Impairment, Switch } from "./index.js";
import { frame, ip, ManualTime, mac, packetOf, TestStation, tcp, udp } from "./testing/lab.js";

function lab(config: Impairment, direction: "in" | "out" = "out", seed = 11) {
  const time = new ManualTime();
  const asked: number[] = [];
  const timer: typeof time.timer = (ms, work) => {
    asked.push(ms);
    return time.timer(ms, work);
  };
  const sw = new Switch({ name: "xenbr0", clock: time, timer, random: new SeededRandom(seed) });
  const stations = [new TestStation("a"), new TestStation("b")] as const;
  const ports = [sw.plug(stations[0]), sw.plug(stations[1], { mac: "00:16:3e:00:00:01" })] as const;
  const impaired = direction === "out" ? ports[1] : ports[0];
  impaired.impair({ [direction]: config });
  const numbered = (n: number): Uint8Array => frame({ to: mac(1), from: mac(0), payload: [n >> 8, n & 255] });
  const send = (n: number): void => {
    expect(ports[0].send(packetOf(numbered(n)))).toBe(true);
    ports[0].settle();
  };
  const got = (): number[] => stations[1].take().map((b) => (b[14]! << 8) | b[15]!);
  return { time, asked, stations, ports, impaired, send, got };
}

describe.each(["in", "out"] as const)("a bad line %s", (direction) => {
  it("delays", () => {
    const { time, send, got, stations } = lab({ delayMs: 10 }, direction);
    send(1);
    time.pass(5);
    send(2);
    time.pass(4.9);
    expect(got()).toEqual([]);
    time.pass(0.1);
    expect(got()).toEqual([1]);
    expect(stations[1].settled).toBe(1);
    time.pass(5);
    expect(got()).toEqual([2]);
  });

  it("loses and doubles about as often as it is told to, the same frames for the same seed", () => {
    const run = (seed: number): number[] => {
      const { send, got, impaired } = lab({ loss: 0.1, duplicate: 0.05 }, direction, seed);
      for (let n = 0; n < 2_000; n++) send(n);
      const frames = got();
      const { lost, duplicated } = impaired.info().impairment[direction]!;
      expect(frames.length).toBe(2_000 - lost + duplicated);
      const counters = impaired.counters();
      expect(direction === "in" ? counters.dropsIn : counters.dropsOut).toEqual({ loss: lost });
      expect(lost / 2_000).toBeCloseTo(0.1, 1);
      expect(duplicated / 2_000).toBeCloseTo(0.05, 1);
      return frames;
    };
    const first = run(5);
    expect(run(5)).toEqual(first);
    expect(run(6)).not.toEqual(first);
  });

  it("keeps the order in spite of jitter, and loses it where frames overtake", () => {
    const ordered = lab({ delayMs: 20, jitterMs: 20 }, direction);
    const mixed = lab({ delayMs: 20, reorder: 0.2 }, direction);
    for (let n = 0; n < 200; n++)
      for (const { send, time } of [ordered, mixed]) {
        send(n);
        time.pass(1);
      }
    for (const { time } of [ordered, mixed]) time.pass(100);
    const all = Array.from({ length: 200 }, (_, n) => n);
    expect(ordered.got()).toEqual(all);
    const frames = mixed.got();
    expect(frames).not.toEqual(all);
    expect([...frames].sort((a, b) => a - b)).toEqual(all);
    expect(mixed.impaired.info().impairment[direction]!.reordered).toBeGreaterThan(20);
  });

  it("passes no more bytes than its rate, and drops what does not fit its queue", () => {
    // 16 bytes a frame: 1000 of them in a second.
    const { time, send, got, impaired } = lab({ rateBytesPerSecond: 16_000, limit: 100 }, direction);
    for (let n = 0; n < 150; n++) send(n);
    expect(impaired.info().impairment[direction]!.queued).toBe(100);
    time.pass(50);
    expect(got()).toEqual(Array.from({ length: 50 }, (_, n) => n));
    time.pass(60);
    expect(got().length).toBe(50);
    const { dropsIn, dropsOut } = impaired.counters();
    expect(direction === "in" ? dropsIn : dropsOut).toEqual({ queue: 50 });
  });

  it("passes as many bytes as its rate, however many it has to drop", () => {
    const { time, send, got } = lab({ rateBytesPerSecond: 16_000, limit: 100 }, direction);
    for (let n = 0; n < 3000; n += 3) {
      for (const k of [0, 1, 2]) send(n + k);
      time.pass(1);
    }
    expect(got().length).toBe(1000);
  });

  it("has nothing to send any more after the link was down", () => {
    const { time, send, got, impaired } = lab({ rateBytesPerSecond: 16_000 }, direction);
    for (let n = 0; n < 500; n++) send(n);
    impaired.setUp(false);
    impaired.setUp(true);
    got();
    send(7);
    time.pass(1);
    expect(got()).toEqual([7]);
  });

  it("waits for a frame that a slow line has for longer than timers last", () => {
    const { time, asked, send, got, impaired } = lab({ rateBytesPerSecond: 1e-6 }, direction);
    send(1);
    expect(asked).toEqual([2 ** 31 - 1]);
    time.pass(16e9 - 1);
    expect(impaired.info().impairment[direction]!.queued).toBe(1);
    time.pass(1);
    expect(got()).toEqual([1]);
    expect(Math.max(...asked)).toBe(2 ** 31 - 1);
    expect(asked.length).toBe(8);
  });

  it("becomes good again without loss or disorder", () => {
    const { time, send, got, impaired } = lab({ delayMs: 10 }, direction);
    send(1);
    impaired.impair({ [direction]: null });
    send(2);
    time.pass(10);
    expect(got()).toEqual([1, 2]);
    send(3);
    expect(got()).toEqual([3]);
    expect(impaired.info().impairment[direction]).toBeNull();
  });

  it("is empty after the link was down", () => {
    const { time, send, got, impaired } = lab({ delayMs: 10 }, direction);
    send(1);
    impaired.setUp(false);
    impaired.setUp(true);
    time.pass(100);
    expect(got()).toEqual([]);
    expect(time.timers).toBe(0);
  });
});

describe("a line that corrupts", () => {
  const source = [10, 0, 0, 1];
  const destination = [10, 0, 0, 2];
  const sum = (bytes: Uint8Array): number => {
    let total = 0;
    for (let i = 0; i < bytes.length; i++) total += i % 2 === 0 ? bytes[i]! << 8 : bytes[i]!;
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
    return total;
  };
  const pseudo = (protocol: number, length: number) => [
    ...source,
    ...destination,
    0,
    protocol,
    length >> 8,
    length & 255,
  ];
  const isGood = (bytes: Uint8Array, protocol: number): boolean => {
    const transport = bytes.subarray(34);
    return sum(Uint8Array.from([...pseudo(protocol, transport.length), ...transport])) === 0xffff;
  };
  /** With the pseudo header's sum in the checksum field, as guests leave it. */
  const partial = (protocol: number, payload: number[]): Uint8Array => {
    const bytes = frame({ to: mac(1), from: mac(0), ...ip({ source, destination, protocol, payload }) });
    const field = 34 + (protocol === 6 ? 16 : 6);
    new DataView(bytes.buffer).setUint16(field, sum(Uint8Array.from(pseudo(protocol, payload.length))));
    return bytes;
  };

  const bitsThatDiffer = (a: Uint8Array, b: Uint8Array): number[] =>
    Array.from({ length: a.length * 8 }, (_, bit) => bit).filter(
      (bit) => ((a[bit >>> 3]! ^ b[bit >>> 3]!) & (1 << (bit & 7))) !== 0,
    );

  it.each([
    ["TCP", 6, 16, tcp(1, 2, [1, 2, 3])],
    ["UDP", 17, 6, udp(1, 2, [4, 5, 6, 7])],
  ])("flips one bit of %s, which the checksum then shows", (_, protocol, field, payload) => {
    const { time, stations, ports } = lab({ corrupt: 1 });
    const bytes = partial(protocol, payload);
    const complete = bytes.slice();
    const sumWithPseudo = sum(Uint8Array.from(bytes.subarray(34)));
    new DataView(complete.buffer).setUint16(34 + field, ~sumWithPseudo & 0xffff);
    expect(isGood(complete, protocol)).toBe(true);
    for (let n = 0; n < 200; n++) {
      const packet = packetOf(bytes);
      packet.partialChecksum = true;
      packet.dataValidated = true;
      ports[0].send(packet);
    }
    time.pass(1);
    const seen = new Set<number>();
    for (const { bytes: got, partialChecksum, dataValidated } of stations[1].received) {
      expect([partialChecksum, dataValidated]).toEqual([false, false]);
      const bits = bitsThatDiffer(got, complete);
      expect(bits.length).toBe(1);
      seen.add(bits[0]!);
      expect(isGood(got, protocol)).toBe(bits[0]! < 34 * 8);
    }
    expect(stations[1].received.length).toBe(200);
    expect(seen.size).toBeGreaterThan(50);
  });

  it("loses a large segment instead", () => {
    const { time, stations, ports } = lab({ corrupt: 1 });
    const packet = packetOf(partial(6, tcp(1, 2, new Array<number>(3000).fill(1))));
    packet.partialChecksum = true;
    packet.gsoSize = 1460;
    packet.gsoType = GsoType.TCPV4;
    ports[0].send(packet);
    time.pass(10);
    expect(stations[1].received.length).toBe(0);
    expect(ports[1].counters().dropsOut).toEqual({ loss: 1 });
  });

  it("keeps what a large segment says of itself while it is delayed", () => {
    const { time, stations, ports } = lab({ delayMs: 1 });
    const packet = packetOf(partial(6, tcp(1, 2, new Array<number>(3000).fill(1))));
    packet.partialChecksum = true;
    packet.gsoSize = 1460;
    packet.gsoType = GsoType.TCPV4;
    ports[0].send(packet);
    packet.wrap(new Uint8Array(14));
    time.pass(10);
    expect(stations[1].received[0]).toMatchObject({ partialChecksum: true, gsoSize: 1460 });
    expect(stations[1].received[0]!.bytes.length).toBe(3054);
  });
});
