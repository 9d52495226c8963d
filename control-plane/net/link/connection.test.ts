import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, SeededRandom } from "../../util/index.js";
import { GsoType, Packet } from "../packet.js";
import type { Station, Wire } from "../station.js";
import { Switch } from "../switch/index.js";
import { frame, ip, ManualTime, mac, packetOf, TestStation, tcp } from "../switch/testing/lab.js";
import { LinkConnection, newCounters } from "./connection.js";
import { type LinkParts, type LinkSocket, type LinkSocketEvents, LinkStation } from "./index.js";
import { Batch, countFrames, MOST_MESSAGE_BYTES, readFrame, readHello, writeHello } from "./protocol.js";

/** A socket whose bytes leave when the test says so. */
class FakeSocket implements LinkSocket {
  readonly sent: (Uint8Array | string)[] = [];
  bufferedAmount = 0;
  isPaused = false;
  closes: [number, string][] = [];

  send(message: Uint8Array | string): void {
    this.sent.push(typeof message === "string" ? message : message.slice());
    this.bufferedAmount += message.length;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  close(code: number, reason: string): void {
    this.closes.push([code, reason]);
  }
  frames(): Uint8Array[] {
    return this.sent.filter((m) => typeof m !== "string").flatMap((m) => framesOf(m));
  }
}

function framesOf(message: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const packet = new Packet(null);
  for (let at = 0; at < message.length; ) {
    at = readFrame(message, at, packet);
    const bytes = new Uint8Array(packet.length);
    packet.copyTo(bytes, 0, 0, packet.length);
    frames.push(bytes);
  }
  return frames;
}

function messageOf(frames: readonly Uint8Array[]): Uint8Array {
  const batch = new Batch();
  for (const bytes of frames) batch.add(packetOf(bytes));
  return batch.take().slice();
}

const HELLO = { name: "there", id: "1", network: "far", large: true, token: null };

/** A connection that is one port of a switch; the other port is a station. */
function lab({ large = true, greet = true } = {}) {
  const time = new ManualTime();
  const sw = new Switch({ name: "xenbr0", clock: time, timer: time.timer, random: new SeededRandom(1) });
  const station = new TestStation("guest");
  const port = sw.plug(station, { mac: "00:16:3e:00:00:01" });
  const socket = new FakeSocket();
  const counters = newCounters();
  const over: string[] = [];
  const connection = new LinkConnection(socket, {
    timer: time.timer,
    counters,
    role: "server",
    hello: { ...HELLO, name: "here" },
    refuse: () => null,
    ready: (_, self: Station): Wire => sw.plug(self),
    over: (reason) => over.push(reason),
  });
  connection.opened();
  if (greet) connection.message(writeHello({ ...HELLO, large }));
  const send = (bytes: Uint8Array): boolean => {
    const taken = port.send(packetOf(bytes));
    port.settle();
    return taken;
  };
  return { time, sw, station, port, socket, counters, over, connection, send };
}

const toPeer = (n: number, size = 0): Uint8Array =>
  frame({ to: mac(2), from: mac(1), payload: [n >> 8, n & 255, ...new Array<number>(size).fill(0)] });
const toGuest = (n: number, size = 0): Uint8Array =>
  frame({ to: mac(1), from: mac(2), payload: [n >> 8, n & 255, ...new Array<number>(size).fill(0)] });
const numbers = (frames: readonly Uint8Array[]): number[] => frames.map((b) => (b[14]! << 8) | b[15]!);

describe("messages", () => {
  it("have the frames that were put in, and what these say of themselves", () => {
    const gso = fc.record({
      gsoSize: fc.integer({ min: 8, max: 65535 }),
      gsoType: fc.constantFrom(GsoType.TCPV4, GsoType.TCPV6),
    });
    const described = fc.record({
      bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
      partial: fc.boolean(),
      validated: fc.boolean(),
      gso: fc.option(gso),
    });
    fc.assert(
      fc.property(fc.array(described, { maxLength: 30 }), (frames) => {
        const batch = new Batch();
        for (const f of frames) {
          const packet = packetOf(f.bytes);
          packet.partialChecksum = f.partial || f.gso !== null;
          packet.dataValidated = f.validated;
          packet.gsoSize = f.gso?.gsoSize ?? 0;
          packet.gsoType = f.gso?.gsoType ?? GsoType.NONE;
          batch.add(packet);
        }
        const message = batch.take();
        expect(countFrames(message)).toBe(frames.length);
        const packet = new Packet(null);
        let at = 0;
        for (const f of frames) {
          at = readFrame(message, at, packet);
          const bytes = new Uint8Array(packet.length);
          packet.copyTo(bytes, 0, 0, packet.length);
          expect(bytes).toEqual(f.bytes);
          expect(packet.partialChecksum).toBe(f.partial || f.gso !== null);
          expect(packet.dataValidated).toBe(f.validated);
          expect([packet.gsoSize, packet.gsoType]).toEqual([f.gso?.gsoSize ?? 0, f.gso?.gsoType ?? 0]);
        }
        expect(at).toBe(message.length);
      }),
    );
  });

  it("that are cut, changed or made up are refused or read, and nothing else", () => {
    const good = messageOf([toGuest(1), toGuest(2, 50)]);
    for (let n = 1; n < good.length; n++)
      if (n !== messageOf([toGuest(1)]).length) expect(countFrames(good.subarray(0, n)), `${n}`).toBe(-1);
    const change = (at: number, value: number): Uint8Array => {
      const bytes = good.slice();
      bytes[at] = value;
      return bytes;
    };
    // Length, segments without a type, too small ones, ones whose checksum is said to be complete, an unknown type and flag.
    for (const [at, value] of [
      [0, 0],
      [3, 255],
      [4, 9],
      [6, 1],
      [6, 3],
      [7, 4],
    ] as const)
      expect(countFrames(change(at, value)), `${at}`).toBe(-1);
    expect(countFrames(new Uint8Array(MOST_MESSAGE_BYTES + 1))).toBe(-1);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const count = countFrames(bytes);
        if (count >= 0) expect(framesOf(bytes).length).toBe(count);
      }),
    );
  });

  it("say hello in one way", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.boolean(), fc.option(fc.string()), (id, large, token) => {
        const hello = { name: "a name", id, network: `of ${id}`, large, token };
        expect(readHello(writeHello(hello))).toEqual({ ok: true, value: hello });
      }),
    );
    const change = (fields: object): string => JSON.stringify({ ...JSON.parse(writeHello(HELLO)), ...fields });
    for (const text of [
      "",
      "1",
      "null",
      "[]",
      "{}",
      change({ version: 2 }),
      change({ name: 1 }),
      change({ id: "x".repeat(65) }),
      change({ network: "x".repeat(65) }),
      change({ network: undefined }),
      change({ large: 1 }),
      change({ token: 1 }),
      change({ more: "x".repeat(4096) }),
    ])
      expect(readHello(text).ok, text.slice(0, 50)).toBe(false);
    const read = readHello(change({ name: `\u001b[31mred\n${"x".repeat(100)}` }));
    expect(read.ok && read.value.name).toMatch(/^\?\[31mred\?x{55}$/);
  });
});

describe("a connection", () => {
  it("puts the frames of a batch into one message, and those of a long one into several", () => {
    const { port, socket } = lab();
    for (let n = 0; n < 10; n++) port.send(packetOf(toPeer(n)));
    expect(socket.sent.length).toBe(1);
    port.settle();
    expect(socket.sent.length).toBe(2);
    for (let n = 10; n < 20; n++) port.send(packetOf(toPeer(n, 20_000)));
    port.settle();
    expect(socket.sent.length).toBe(5);
    expect(numbers(socket.frames())).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it("has no room when too much waits in the socket, and has it again when half has gone", () => {
    const { connection, time, station, socket, send, counters } = lab();
    connection.message(messageOf([toGuest(0)]));
    let n = 0;
    while (send(toPeer(n, 50_000))) n++;
    expect(n).toBe(20);
    expect(socket.bufferedAmount).toBeLessThanOrEqual(1024 * 1024);
    time.pass(100);
    expect(station.resumed).toBe(0);
    socket.bufferedAmount = 500_000;
    time.pass(5);
    expect(station.resumed).toBe(1);
    expect(send(toPeer(n, 50_000))).toBe(true);
    expect(numbers(socket.frames())).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect(counters.framesOut).toBe(21);
    time.pass(1000);
    expect(time.timers).toBe(1);
  });

  it("holds up its sender no longer than other stations may", () => {
    const { connection, time, station, send } = lab();
    connection.message(messageOf([toGuest(0)]));
    while (send(toPeer(0, 50_000)));
    time.pass(1001);
    expect(station.resumed).toBe(1);
    expect(send(toPeer(0, 50_000))).toBe(true);
  });

  it("stops reading when a guest has no room, and goes on where it stopped", () => {
    const { connection, station, port, socket, counters } = lab();
    station.space = 2;
    connection.message(messageOf([0, 1, 2, 3].map((n) => toGuest(n))));
    connection.message(messageOf([4, 5].map((n) => toGuest(n))));
    expect(numbers(station.take())).toEqual([0, 1]);
    expect(socket.isPaused).toBe(true);
    station.space = 3;
    port.room();
    expect(numbers(station.take())).toEqual([2, 3, 4]);
    expect(socket.isPaused).toBe(true);
    station.space = 3;
    port.room();
    expect(numbers(station.take())).toEqual([5]);
    expect(socket.isPaused).toBe(false);
    expect(counters).toMatchObject({ framesIn: 6, dropsIn: 0 });
  });

  it("goes on when room comes while the batch ends", () => {
    const { connection, station, port, socket } = lab();
    station.space = 1;
    station.onSettle = () => {
      station.onSettle = null;
      station.space = 10;
      port.room();
    };
    connection.message(messageOf([0, 1, 2].map((n) => toGuest(n))));
    expect(numbers(station.take())).toEqual([0, 1, 2]);
    expect(socket.isPaused).toBe(false);
  });

  it("keeps what comes meanwhile as far as there is room, and counts the rest", () => {
    const { connection, station, port, counters } = lab();
    station.space = 0;
    for (let n = 0; n < 100; n++) connection.message(messageOf([toGuest(n, 65_000)]));
    expect(counters.dropsIn).toBe(100 - 64);
    station.space = 1000;
    port.room();
    expect(numbers(station.take())).toEqual(Array.from({ length: 64 }, (_, n) => n));
  });

  it("keeps no more small messages than it has memory for", () => {
    const { connection, station, counters } = lab();
    station.space = 0;
    const message = messageOf([toGuest(1)]);
    for (let n = 0; n < 20_000; n++) connection.message(message);
    expect(20_000 - counters.dropsIn).toBeLessThan(16_384);
    expect(20_000 - counters.dropsIn).toBeGreaterThan(10_000);
  });

  it("cuts large segments for who takes none, and drops what cannot be cut", () => {
    const { connection, port, socket, counters } = lab({ large: false });
    connection.message(messageOf([toGuest(0)]));
    const send = (bytes: Uint8Array, gsoSize: number): void => {
      const packet = packetOf(bytes);
      packet.partialChecksum = true;
      packet.gsoSize = gsoSize;
      packet.gsoType = GsoType.TCPV4;
      expect(port.send(packet)).toBe(true);
      port.settle();
    };
    const data = Array.from({ length: 5000 }, (_, i) => i & 255);
    const segment = ip({ source: [10, 0, 0, 1], destination: [10, 0, 0, 2], protocol: 6, payload: tcp(1, 2, data) });
    const large = frame({ to: mac(2), from: mac(1), ...segment });
    send(large, 1460);
    const frames = socket.frames();
    expect(frames.map((bytes) => bytes.length - 54)).toEqual([1460, 1460, 1460, 620]);
    expect(concatBytes(frames.map((bytes) => bytes.subarray(54)))).toEqual(Uint8Array.from(data));
    expect(counters).toMatchObject({ framesOut: 4, dropsOut: 0 });
    send(toPeer(1, 5000), 1460);
    // A megabyte of headers.
    send(
      frame({
        to: mac(2),
        from: mac(1),
        ...ip({
          source: [10, 0, 0, 1],
          destination: [10, 0, 0, 2],
          protocol: 6,
          payload: tcp(1, 2, new Array<number>(60_000).fill(1)),
        }),
      }),
      1,
    );
    expect(socket.frames().length).toBe(4);
    expect(counters.dropsOut).toBe(2);
  });

  it.each([
    ["frames before a hello", false, messageOf([toGuest(1)])],
    ["another protocol", false, "GET / HTTP/1.1"],
    ["two hellos", true, writeHello(HELLO)],
    ["a frame that is cut", true, messageOf([toGuest(1)]).subarray(0, 20)],
  ])("ends when there come %s", (_, greet, message) => {
    const { connection, socket, over, sw, station } = lab({ greet });
    connection.message(message);
    connection.message(messageOf([toGuest(1)]));
    expect(socket.closes.map(([code]) => code)).toEqual([4000]);
    expect(over.length).toBe(1);
    expect(station.take()).toEqual([]);
    connection.closed("gone");
    expect(over.length).toBe(1);
    expect(sw.ports.length).toBe(greet ? 2 : 1);
  });

  it("says nothing of large segments that the other side would not believe", () => {
    const { port, socket, counters, over } = lab();
    for (const [gsoSize, partialChecksum] of [
      [7, true],
      [1460, false],
      [8, true],
    ] as const) {
      const packet = packetOf(toPeer(1, 5000));
      Object.assign(packet, { gsoSize, partialChecksum, gsoType: GsoType.TCPV4 });
      port.send(packet);
      port.settle();
    }
    expect(
      socket.sent.filter((sent) => typeof sent !== "string").map((sent) => countFrames(sent as Uint8Array)),
    ).toEqual([1]);
    expect([counters.framesOut, counters.dropsOut, over]).toEqual([1, 2, []]);
  });

  it("ends when nothing comes for too long, and says that it is there itself", () => {
    const { connection, time, socket, over, sw } = lab();
    for (let n = 0; n < 10; n++) {
      time.pass(15_000);
      connection.message(new Uint8Array(0));
    }
    expect(over).toEqual([]);
    expect(socket.sent.filter((m) => m.length === 0).length).toBe(10);
    time.pass(45_000);
    expect(over).toEqual(["nothing came from it for too long"]);
    const silent = lab({ greet: false });
    silent.time.pass(10_000);
    expect(silent.over).toEqual(["it says nothing"]);
    expect([time.timers, silent.time.timers]).toEqual([0, 0]);
    expect(sw.ports.length).toBe(2);
  });
});

describe("a link that breaks", () => {
  function client() {
    const time = new ManualTime();
    const sw = new Switch({ name: "xenbr0", clock: time, timer: time.timer, random: new SeededRandom(1) });
    const opens: { at: number; events: LinkSocketEvents; socket: FakeSocket }[] = [];
    const link = new LinkStation(
      { name: "here", url: "ws://there:1/", network: "near" },
      {
        clock: time,
        timer: time.timer,
        random: new SeededRandom(2),
        plug: (station) => sw.plug(station),
        refuse: ({ network }) => (network === "unwanted" ? "not this one" : null),
        open: (_, events) => {
          const socket = new FakeSocket();
          opens.push({ at: time.now(), events, socket });
          return socket;
        },
      },
    );
    const last = () => opens.at(-1)!;
    const comeUp = (network = "far"): void => {
      last().events.opened();
      last().events.message(writeHello({ ...HELLO, network }));
    };
    /** Milliseconds until it is tried again. */
    const retry = (): number => {
      const [start, count] = [time.now(), opens.length];
      while (opens.length === count) time.pass(10);
      return (time.now() - start) / 1e6;
    };
    return { time, sw, opens, link, last, comeUp, retry };
  }

  it("is tried again later and later, up to half a minute", () => {
    const { link, last, retry } = client();
    for (let n = 0; n < 10; n++) {
      last().events.closed("refused");
      expect(link.status()).toMatchObject({ state: "waiting", error: "refused" });
      const delay = Math.min(30_000, 500 * 2 ** n);
      const ms = retry();
      expect(ms).toBeGreaterThanOrEqual(delay * 0.75);
      expect(ms).toBeLessThanOrEqual(delay * 1.25 + 10);
    }
  });

  it("begins anew after it has been up for a while, and not before", () => {
    const { time, opens, link, last, comeUp, retry } = client();
    for (let n = 0; n < 6; n++) {
      comeUp();
      expect(link.status()).toMatchObject({ state: "up", peer: "there", error: null });
      last().events.closed("broken");
      expect(retry()).toBeGreaterThan(300 * 2 ** n);
    }
    comeUp();
    time.pass(5_000);
    last().events.message(new Uint8Array(0));
    time.pass(5_000);
    const before = opens.length;
    last().events.closed("broken");
    time.pass(626);
    expect(opens.length).toBe(before + 1);
    expect(link.status()).toMatchObject({ state: "connecting", connects: 7, peer: null });
  });

  it("tells the reason of the other side without what is not for terminals", () => {
    const { link, last } = client();
    last().events.closed(`go\u001b[2J away\n${"x".repeat(300)}`);
    expect(link.status().error).toMatch(/^go\?\[2J away\?x{188}$/);
  });

  it("leads neither to where it begins nor to who is not wanted", () => {
    const { sw, link, last, comeUp, retry } = client();
    for (const [network, error] of [
      ["near", "a network cannot join itself"],
      ["unwanted", "not this one"],
    ] as const) {
      comeUp(network);
      expect(last().socket.closes).toEqual([[4001, error]]);
      expect(link.status()).toMatchObject({ state: "waiting", error, connects: 0 });
      retry();
    }
    comeUp();
    expect(link.status()).toMatchObject({ state: "up", network: "far" });
    expect(sw.list()[0]!.up).toBe(true);
  });

  it("has its port down meanwhile, drops what is for it, and lets go who waits", () => {
    const { time, sw, link, last, comeUp } = client();
    const station = new TestStation("guest");
    const port = sw.plug(station);
    const send = (size = 0): boolean => {
      const taken = port.send(packetOf(frame({ to: mac(2), from: mac(1), payload: new Array<number>(size).fill(0) })));
      port.settle();
      return taken;
    };
    expect(sw.list()[0]!.up).toBe(false);
    comeUp();
    expect(sw.list()[0]!.up).toBe(true);
    last().events.message(messageOf([toGuest(0)]));
    while (send(50_000));
    const old = last();
    old.events.closed("broken");
    expect(station.resumed).toBe(1);
    expect(send(50_000)).toBe(true);
    time.pass(1000);
    comeUp();
    expect(sw.macs().map((m) => m.mac)).toEqual(["00:16:3e:00:00:01"]);
    expect(send()).toBe(true);
    expect(last().socket.frames().length).toBe(1);
    link.close();
    link.close();
    expect(link.status().state).toBe("closed");
    expect(sw.list().map((p) => p.name)).toEqual(["guest"]);
    expect(last().socket.closes).toEqual([[1000, "closed by the other side"]]);
    time.pass(100_000);
    expect(time.timers).toBe(0);
  });

  it("refuses an address that is none", () => {
    for (const url of ["", "http://x/", "ws://", "ws:///x", "there:80"]) {
      const parts = { random: new SeededRandom(1) } as unknown as LinkParts;
      expect(() => new LinkStation({ name: "here", url, network: "near" }, parts), url).toThrow(RangeError);
    }
  });
});
