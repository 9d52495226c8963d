/** The engine: its rules one by one, and any course of events over a bad line against a guest with a TCP of its own. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TCP_LIMITS } from "./index.js";
import {
  ACK,
  ackOf,
  FIN,
  flagsOf,
  GUEST,
  PSH,
  payloadOf,
  Rig,
  RST,
  SERVER,
  SYN,
  segment,
  seqOf,
  view,
  windowOf,
} from "./testing/simulation.js";

const pattern = (count: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: count }, (_, n) => (n * 7 + seed * 31) & 255);

/** A connection that stands: what the guest sends begins at 1001, and `next` is what it expects of us. */
function established(rig = new Rig(), options: readonly number[] = []) {
  rig.input(segment({ seq: 1000, flags: SYN, options }));
  const stream = rig.streams.at(-1)!;
  stream.events.opened();
  const next = (seqOf(rig.last) + 1) >>> 0;
  rig.input(segment({ seq: 1001, ack: next, flags: ACK }));
  return { rig, stream, next };
}

describe("opening", () => {
  it("asks the world first, and answers when it is open", () => {
    const rig = new Rig();
    rig.input(
      segment({ seq: 1000, flags: SYN, options: [2, 4, 5, 180, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0] }),
    );
    rig.input(segment({ seq: 1000, flags: SYN }));
    expect([rig.streams.length, rig.sent.length]).toEqual([1, 0]);
    expect([rig.streams[0]!.address, rig.streams[0]!.port]).toEqual(["192.0.2.1", 80]);
    rig.streams[0]!.events.opened();
    expect([flagsOf(rig.last), ackOf(rig.last)]).toEqual([SYN | ACK, 1001]);
    // MSS 1460, scale 5, SACK permitted, time stamps that echo the guest's.
    const options = [...rig.last.subarray(20)];
    expect(options.slice(0, 16)).toEqual([2, 4, 5, 180, 1, 3, 3, 5, 1, 1, 4, 2, 1, 1, 8, 10]);
    expect(view(rig.last).getUint32(rig.last.length - 4)).toBe(9);
  });

  it("promises nothing that the guest did not ask for", () => {
    const { rig } = established();
    expect([...rig.sent[0]!.subarray(20)]).toEqual([2, 4, 5, 180]);
  });

  it.each(["refused", "unreachable", "timed-out"] as const)("is refused where the world is: %s", (error) => {
    const rig = new Rig();
    rig.input(segment({ seq: 1000, flags: SYN }));
    rig.streams[0]!.events.closed(error);
    expect([flagsOf(rig.last), seqOf(rig.last), ackOf(rig.last)]).toEqual([RST | ACK, 0, 1001]);
    expect([rig.tcp.connections, rig.tcp.timers]).toEqual([0, 0]);
  });

  it("is refused for addresses that lead nowhere", () => {
    const rig = new Rig();
    rig.refuses = true;
    rig.input(segment({ seq: 5, flags: SYN }));
    expect([flagsOf(rig.last), ackOf(rig.last), rig.streams.length]).toEqual([RST | ACK, 6, 0]);
  });

  it("answers again when the answer was lost, and gives up after a while", () => {
    const rig = new Rig();
    rig.input(segment({ seq: 1000, flags: SYN }));
    rig.streams[0]!.events.opened();
    rig.time.run(3500);
    expect(rig.sent.filter((bytes) => flagsOf(bytes) === (SYN | ACK))).toHaveLength(3);
    rig.time.run(600_000);
    expect([rig.tcp.connections, rig.tcp.timers, rig.streams[0]!.isAborted]).toEqual([0, 0, true]);
  });

  it("has an end: more connections than there may be are not answered", () => {
    const rig = new Rig({ connections: 2 });
    for (let from = 1; from <= 3; from++) rig.input(segment({ from, seq: 1, flags: SYN }));
    expect([rig.streams.length, rig.tcp.connections, rig.sent.length]).toEqual([2, 2, 0]);
  });
});

describe("a connection to a guest", () => {
  const source = { address: Uint8Array.of(10, 0, 2, 2), port: 5000 };
  const open = () => {
    const rig = new Rig();
    const stream = { ...({} as object), isAborted: false, gotBytes: 0 } as never as Rig["streams"][number];
    const far = Object.assign(stream, {
      write: () => true,
      end: () => {},
      abort: () => Object.assign(stream, { isAborted: true }),
      pauseReading: () => {},
      resumeReading: () => {},
    });
    const events = rig.tcp.openToGuest(source, { address: GUEST, port: 22 }, far);
    const input = (bytes: Uint8Array) => {
      const out = bytes.slice();
      view(out).setUint16(0, 22);
      view(out).setUint16(2, 5000);
      return out;
    };
    return { rig, events, far, input };
  };

  it("opens with a SYN and carries what came early", () => {
    const { rig, events } = open();
    events.data(pattern(3));
    expect([flagsOf(rig.last), rig.sent.length]).toEqual([SYN, 1]);
    expect(rig.tcp.list()[0]).toMatchObject({ direction: "in", state: "syn-sent" });
  });

  it("ends the stream when the guest refuses", () => {
    const { rig, far } = open();
    rig.tcp.unreachable(GUEST, 22, source.address, 5000);
    expect([far.isAborted, rig.tcp.connections]).toEqual([true, 0]);
  });
});

describe("data", () => {
  it("go to the world as they come, once and in order", () => {
    const { rig, stream, next } = established();
    const send = (from: number, count: number) =>
      rig.input(segment({ seq: 1001 + from, ack: next, flags: ACK, data: pattern(100).slice(from, from + count) }));
    send(0, 10);
    send(20, 10);
    send(0, 15);
    expect(stream.got).toEqual([...pattern(100).slice(0, 15)]);
    send(10, 12);
    expect(stream.got).toEqual([...pattern(100).slice(0, 30)]);
    expect(ackOf(rig.last)).toBe(1031);
  });

  it("of an overlap keep what came first", () => {
    const { rig, stream, next } = established();
    const send = (from: number, byte: number, count: number) =>
      rig.input(segment({ seq: 1001 + from, ack: next, flags: ACK, data: new Uint8Array(count).fill(byte) }));
    send(4, 1, 4);
    send(2, 2, 8);
    send(0, 3, 2);
    expect(stream.got).toEqual([3, 3, 2, 2, 1, 1, 1, 1, 2, 2]);
  });

  it("that are missing are told at once, with what is there", () => {
    const { rig, next } = established(new Rig(), [4, 2]);
    rig.input(segment({ seq: 1011, ack: next, flags: ACK, data: pattern(5) }));
    rig.input(segment({ seq: 1031, ack: next, flags: ACK, data: pattern(5) }));
    const options = view(rig.last);
    expect([ackOf(rig.last), options.getUint16(22), options.getUint32(24), options.getUint32(28)]).toEqual([
      1001, 0x0512, 1031, 1036,
    ]);
  });

  it("are acknowledged together, soon", () => {
    const { rig, next } = established();
    const before = rig.sent.length;
    rig.input(segment({ seq: 1001, ack: next, flags: ACK | PSH, data: pattern(10) }));
    expect(rig.sent.length).toBe(before);
    rig.time.run(30);
    expect([rig.sent.length, ackOf(rig.last)]).toEqual([before + 1, 1011]);
    rig.input(segment({ seq: 1011, ack: next, flags: ACK, data: pattern(3000) }));
    expect([rig.sent.length, ackOf(rig.last)]).toEqual([before + 2, 4011]);
  });

  it("of the world go in large segments, to be cut", () => {
    const rig = new Rig();
    const sizes: number[][] = [];
    rig.toGuest = (bytes, gso) => {
      rig.sent.push(bytes);
      sizes.push([payloadOf(bytes).length, gso]);
      return true;
    };
    const { stream } = established(rig, [2, 4, 5, 180]);
    stream.events.data(pattern(50_000));
    const sent = sizes.slice(1);
    expect(sent.every(([length, gso]) => gso === (length! > 1460 ? 1460 : 0))).toBe(true);
    expect(sent.reduce((sum, [length]) => sum + length!, 0)).toBe(50_000);
    expect(Math.max(...sent.map(([length]) => length!))).toBeGreaterThan(20_000);
  });

  it("of several pieces are gathered", () => {
    const { rig, stream } = established();
    let room = false;
    rig.toGuest = (bytes) => room && rig.sent.push(bytes) > 0;
    for (let n = 0; n < 5; n++) stream.events.data(pattern(100, n));
    room = true;
    rig.tcp.resume();
    expect([...payloadOf(rig.last)]).toEqual(Array.from({ length: 5 }, (_, n) => [...pattern(100, n)]).flat());
  });
});

describe("waiting", () => {
  it("for the world closes the window, and opens it again", () => {
    const { rig, stream, next } = established();
    stream.full = true;
    let seq = 1001;
    let edge = 0;
    const send = () => {
      const data = pattern(1400);
      rig.input(segment({ seq, ack: next, flags: ACK, data }));
      seq += data.length;
      rig.time.run(20);
      edge = ackOf(rig.last) + windowOf(rig.last);
    };
    send();
    const end = edge;
    while (seq + 1400 <= end) send();
    expect(edge).toBe(end);
    send();
    // The stream got the one after which it was full, and no more.
    expect([ackOf(rig.last), windowOf(rig.last), stream.gotBytes]).toEqual([end, 0, 1400]);
    expect(rig.tcp.heldBytes).toBe(end - 1001 - 1400);
    stream.full = false;
    stream.events.drained();
    expect(windowOf(rig.last)).toBeGreaterThan(60_000);
    expect([stream.gotBytes, rig.tcp.heldBytes]).toEqual([end - 1001, 0]);
  });

  it("for the guest stops the world, and nothing grows", () => {
    const { rig, stream, next } = established(new Rig({ sendBytes: 100_000 }));
    let given = 0;
    while (stream.reads) {
      stream.events.data(pattern(10_000));
      given += 10_000;
    }
    expect(given).toBeLessThanOrEqual(120_000);
    const inFlight = rig.sent.slice(1).reduce((sum, bytes) => sum + payloadOf(bytes).length, 0);
    rig.input(segment({ seq: 1001, ack: (next + inFlight) >>> 0, flags: ACK }));
    expect(stream.reads).toBe(true);
  });

  it("for a closed window asks, for as long as the guest answers", () => {
    const { rig, stream, next } = established();
    rig.input(segment({ seq: 1001, ack: next, flags: ACK, window: 0 }));
    stream.events.data(pattern(10));
    const before = rig.sent.length;
    for (let n = 0; n < 40; n++) {
      rig.time.run(61_000);
      rig.input(segment({ seq: 1001, ack: next, flags: ACK, window: 0 }));
    }
    expect(rig.tcp.connections).toBe(1);
    const probes = rig.sent.slice(before);
    expect(probes.length).toBeGreaterThan(30);
    expect(probes.every((bytes) => payloadOf(bytes).length === 1)).toBe(true);
    rig.input(segment({ seq: 1001, ack: next, flags: ACK, window: 1000 }));
    expect([...payloadOf(rig.last)]).toEqual([...pattern(10)]);
  });

  it("for room in the network goes on when there is some", () => {
    const { rig, stream } = established();
    const { length } = rig.sent;
    rig.toGuest = () => false;
    stream.events.data(pattern(10));
    rig.toGuest = (bytes) => rig.sent.push(bytes) > 0;
    rig.tcp.resume();
    expect([rig.sent.length > length, [...payloadOf(rig.last)]]).toEqual([true, [...pattern(10)]]);
  });
});

describe("ends", () => {
  it("come one way after the other", () => {
    const { rig, stream, next } = established();
    rig.input(segment({ seq: 1001, ack: next, flags: ACK | FIN }));
    expect([stream.isEnded, ackOf(rig.last), rig.tcp.list()[0]!.state]).toEqual([true, 1002, "close-wait"]);
    stream.events.data(pattern(4));
    stream.events.ended();
    expect([flagsOf(rig.last) & FIN, rig.tcp.list()[0]!.state]).toEqual([FIN, "last-ack"]);
    rig.input(segment({ seq: 1002, ack: (next + 5) >>> 0, flags: ACK }));
    expect([rig.tcp.connections, stream.isAborted]).toEqual([0, false]);
  });

  it("of the world first wait for the guest, and then a moment", () => {
    const { rig, stream, next } = established();
    stream.events.ended();
    rig.input(segment({ seq: 1001, ack: (next + 1) >>> 0, flags: ACK }));
    expect(rig.tcp.list()[0]!.state).toBe("fin-wait-2");
    rig.input(segment({ seq: 1001, ack: (next + 1) >>> 0, flags: ACK, data: pattern(3) }));
    rig.input(segment({ seq: 1004, ack: (next + 1) >>> 0, flags: ACK | FIN }));
    expect([stream.got.length, stream.isEnded, rig.tcp.list()[0]!.state]).toEqual([3, true, "time-wait"]);
    rig.input(segment({ seq: 1004, ack: (next + 1) >>> 0, flags: ACK | FIN }));
    expect(ackOf(rig.last)).toBe(1005);
    rig.time.run(5000);
    expect([rig.tcp.connections, rig.tcp.timers]).toEqual([0, 0]);
  });

  it("at the same time close as well", () => {
    const { rig, stream, next } = established();
    stream.events.ended();
    rig.input(segment({ seq: 1001, ack: next, flags: ACK | FIN }));
    expect(rig.tcp.list()[0]!.state).toBe("closing");
    rig.input(segment({ seq: 1002, ack: (next + 1) >>> 0, flags: ACK }));
    expect(rig.tcp.list()[0]!.state).toBe("time-wait");
  });

  it("leave their place to a new connection of the same ports", () => {
    const { rig, stream, next } = established();
    stream.events.ended();
    rig.input(segment({ seq: 1001, ack: (next + 1) >>> 0, flags: ACK | FIN }));
    rig.input(segment({ seq: 90_000, flags: SYN }));
    expect([rig.streams.length, rig.tcp.connections]).toEqual([2, 1]);
  });

  it("by a reset are believed only at the very place", () => {
    const { rig, stream, next } = established();
    rig.input(segment({ seq: 1005, flags: RST }));
    expect([rig.tcp.connections, flagsOf(rig.last), ackOf(rig.last)]).toEqual([1, ACK, 1001]);
    rig.input(segment({ seq: 1001, ack: next, flags: RST | ACK }));
    expect([rig.tcp.connections, stream.isAborted]).toEqual([0, true]);
  });

  it("of the world by an error reset the guest", () => {
    const { rig, stream } = established();
    stream.events.closed("reset");
    expect([flagsOf(rig.last) & RST, rig.tcp.connections, rig.tcp.timers]).toEqual([RST, 0, 0]);
  });

  it("of the guest take all its connections", () => {
    const rig = new Rig();
    for (let from = 1; from <= 5; from++) rig.input(segment({ from, seq: 1, flags: SYN }));
    rig.tcp.forget(GUEST);
    expect([rig.tcp.connections, rig.streams.every(({ isAborted }) => isAborted)]).toEqual([0, true]);
  });
});

describe("a hostile guest", () => {
  it("of any segments does no harm, and leaves a good one in peace", { timeout: 60_000 }, () => {
    const any = fc.record({
      from: fc.integer({ min: 1, max: 3 }),
      seq: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 990, max: 1020 })),
      ack: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constant(-1)),
      flags: fc.integer({ min: 0, max: 255 }),
      window: fc.integer({ min: 0, max: 65_535 }),
      options: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 }),
      data: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 60 }), (segments) => {
        const { rig, stream, next } = established();
        for (const { ack, ...fields } of segments) {
          rig.input(segment({ ...fields, ack: ack < 0 ? next : ack }));
          for (const { events } of rig.streams.slice(1)) events.opened();
        }
        rig.input(segment({ seq: 1001, ack: next, flags: ACK, data: pattern(5) }));
        expect(stream.got).toEqual([...pattern(5)]);
        rig.tcp.close();
        expect([rig.tcp.connections, rig.tcp.heldBytes]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it("of any bytes does no harm", () => {
    const rig = new Rig();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => rig.input(bytes)));
    expect(rig.tcp.connections).toBeLessThan(TCP_LIMITS.connections);
  });

  it("that asks for a byte a segment gets more", () => {
    const { rig, stream } = established(new Rig(), [2, 4, 0, 1]);
    rig.toGuest = (bytes, gso) => rig.sent.push(bytes) > 0 && (gso === 0 || gso >= 500);
    stream.events.data(pattern(5000));
    expect(payloadOf(rig.last).length).toBeGreaterThan(500);
  });

  it("that sends far pieces keeps a window of them at most", () => {
    const { rig, next } = established(new Rig({ window: 65_536 }));
    for (let n = 1; n < 500; n++)
      rig.input(segment({ seq: 1001 + n * 200, ack: next, flags: ACK, data: pattern(100) }));
    expect(rig.tcp.heldBytes).toBeLessThanOrEqual(65_536);
  });
});

describe("much", () => {
  it("a gibibyte goes through a slow reader without growing", () => {
    const { rig, stream, next } = established(new Rig(), [3, 3, 14]);
    stream.keeps = false;
    let una = next;
    let arrived = 0;
    let most = 0;
    rig.toGuest = (bytes) => {
      arrived += payloadOf(bytes).length;
      return true;
    };
    const chunk = pattern(65_536);
    const wanted = 2 ** 30;
    for (let given = 0; arrived < wanted; ) {
      while (stream.reads && given < wanted) {
        stream.events.data(chunk);
        given += chunk.length;
      }
      most = Math.max(most, rig.tcp.heldBytes);
      una = (next + arrived) >>> 0;
      rig.input(segment({ seq: 1001, ack: una, flags: ACK, window: 16 }));
    }
    expect(most).toBeLessThanOrEqual(TCP_LIMITS.sendBytes + chunk.length);
    rig.input(segment({ seq: 1001, ack: (next + arrived) >>> 0, flags: ACK, window: 16 }));
    expect(rig.tcp.heldBytes).toBe(0);
  });

  it("ten thousand connections opened and dropped leave nothing", () => {
    const rig = new Rig();
    for (let n = 0; n < 10_000; n++) {
      rig.input(segment({ from: 1 + n, seq: n, flags: SYN }));
      const stream = rig.streams[n]!;
      stream.events.opened();
      rig.input(segment({ from: 1 + n, seq: n + 1, ack: (seqOf(rig.last) + 1) >>> 0, flags: ACK, data: pattern(3) }));
    }
    expect(rig.tcp.connections).toBe(10_000);
    for (let n = 0; n < 10_000; n++) rig.input(segment({ from: 1 + n, seq: n + 4, flags: RST }));
    expect([rig.tcp.connections, rig.tcp.timers, rig.tcp.heldBytes]).toEqual([0, 0, 0]);
    expect(rig.time.isIdle || rig.tcp.timers === 0).toBe(true);
    expect(SERVER).toHaveLength(4);
  });
});
