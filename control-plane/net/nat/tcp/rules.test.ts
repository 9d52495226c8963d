/** The rules of the documents, one by one, with segments by hand: loss, guesses, windows, places. */
import { describe, expect, it } from "vitest";
import { Packet } from "../../packet.js";
import { CHALLENGES_A_SECOND } from "./limits.js";
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
import { established, give, MSS, SACK_PERMITTED, sack, stamps, words } from "./testing/standing.js";

describe("what is lost", () => {
  it("is sent again at the third duplicate, and each further hole at a part", () => {
    const c = established();
    give(c, 10);
    c.rig.sent.length = 0;
    for (let n = 0; n < 2; n++) c.input({});
    expect(c.rig.sent).toEqual([]);
    c.input({});
    expect(c.sent()).toEqual([[0, MSS]]);
    c.input({ ack: c.at(4 * MSS) });
    expect(c.sent().at(-1)).toEqual([4 * MSS, MSS]);
    c.input({ ack: c.at(10 * MSS) });
    expect([c.sent().length, c.rig.tcp.stats().timeouts]).toEqual([2, 0]);
  });

  it("is sent again in one go where the guest says what it has", () => {
    const c = established(SACK_PERMITTED);
    give(c, 20);
    c.rig.sent.length = 0;
    // The first, and the sixth with the seventh, are missing.
    c.input({ options: sack(c.at(MSS), c.at(5 * MSS)) });
    expect(c.sent()).toEqual([[0, MSS]]);
    c.input({ options: sack(c.at(7 * MSS), c.at(20 * MSS), c.at(MSS), c.at(5 * MSS)) });
    expect(c.sent()).toEqual([
      [0, MSS],
      [5 * MSS, 2 * MSS],
    ]);
    c.input({ ack: c.at(20 * MSS) });
    expect([c.sent().length, c.rig.tcp.stats().retransmissions]).toEqual([2, 2]);
  });

  it("is not what the guest lies to have", () => {
    const c = established(SACK_PERMITTED);
    give(c, 5);
    c.rig.sent.length = 0;
    c.input({ options: sack(c.at(6 * MSS), c.at(900 * MSS), c.at(3 * MSS), c.at(MSS), c.at(-5000), c.at(-100)) });
    expect(c.rig.sent).toEqual([]);
  });

  it("is all that the guest does not acknowledge, even if it said to have it", () => {
    const c = established(SACK_PERMITTED);
    give(c, 5);
    c.input({ options: sack(c.at(MSS), c.at(5 * MSS)) });
    c.input({ ack: c.at(MSS) });
    c.rig.sent.length = 0;
    c.rig.time.run(8000);
    for (let n = 2; n <= 5; n++) c.input({ ack: c.at(n * MSS) });
    const again = new Set(
      c.sent().flatMap(([from, count]) => Array.from({ length: count! / MSS }, (_, n) => from! / MSS + n)),
    );
    expect([...again].sort()).toEqual([1, 2, 3, 4]);
  });

  it("is sent again after a time that doubles, and after fifteen minutes no more", () => {
    const c = established();
    give(c, 1);
    const times: number[] = [];
    c.rig.toGuest = (bytes) => {
      if (payloadOf(bytes).length > 0) times.push(Math.round(c.rig.time.nowMs / 100) / 10);
      return true;
    };
    c.rig.time.run(2_000_000);
    expect(times.slice(0, 7)).toEqual([1, 3, 7, 15, 31, 63, 123]);
    expect(times.at(-1)).toBeLessThan(961);
    expect([c.state(), c.stream.isAborted, c.rig.tcp.timers, c.rig.tcp.heldBytes]).toEqual(["gone", true, 0, 0]);
    expect(c.rig.time.isIdle).toBe(true);
  });

  it("makes the window small, which grows again", () => {
    const c = established();
    c.input({ window: 65_535 });
    give(c, 40);
    c.rig.time.run(1010);
    c.rig.sent.length = 0;
    c.input({ ack: c.at(MSS) });
    expect(c.rig.sent.reduce((sum, bytes) => sum + payloadOf(bytes).length, 0)).toBe(2 * MSS);
    c.input({ ack: c.at(3 * MSS) });
    expect(c.rig.sent.reduce((sum, bytes) => sum + payloadOf(bytes).length, 0)).toBe(6 * MSS);
  });

  it("is measured by what was sent once", () => {
    const c = established();
    give(c, 1);
    c.rig.time.run(400);
    c.input({ ack: c.at(MSS) });
    expect(c.rig.tcp.list()[0]!.roundTripMs).toBe(400);
    give(c, 1);
    c.rig.time.run(5000);
    c.input({ ack: c.at(2 * MSS) });
    expect(c.rig.tcp.list()[0]!.roundTripMs).toBe(400);
  });
});

describe("time stamps", () => {
  it("of before tell old segments from new ones", () => {
    const c = established(stamps(10));
    c.input({ options: stamps(20), data: Uint8Array.of(1) });
    c.input({ seq: 1002, options: stamps(19), data: Uint8Array.of(2) });
    expect([c.stream.got, ackOf(c.rig.last), c.rig.tcp.stats().oldStamps]).toEqual([[1], 1002, 1]);
    // What comes out of order does not move the clock on: what goes before it may be older.
    c.input({ seq: 1003, options: stamps(30), data: Uint8Array.of(3) });
    c.input({ seq: 1002, options: stamps(21), data: Uint8Array.of(2) });
    expect(c.stream.got).toEqual([1, 2, 3]);
  });

  it("that were promised and are not there make a segment none, except a reset", () => {
    const c = established(stamps(10));
    c.input({ options: [], data: Uint8Array.of(1) });
    expect([c.stream.got, c.rig.sent]).toEqual([[], []]);
    c.input({ options: [], flags: RST });
    expect(c.state()).toBe("gone");
  });

  it("measure round trips; those that lie measure nothing", () => {
    const c = established(stamps(10));
    c.stream.events.data(new Uint8Array(10));
    const ours = view(c.rig.last).getUint32(24);
    c.rig.time.run(70);
    c.input({ ack: c.at(4), options: [1, 1, 8, 10, ...words(10, ours + 5000)] });
    expect(c.rig.tcp.list()[0]!.roundTripMs).toBeNull();
    c.input({ ack: c.at(10), options: [1, 1, 8, 10, ...words(10, ours)] });
    expect(c.rig.tcp.list()[0]!.roundTripMs).toBe(70);
  });

  it("take their room in each segment", () => {
    const c = established(stamps(10));
    let gsoSize = 0;
    c.rig.toGuest = (_, gso) => {
      gsoSize = gso;
      return true;
    };
    c.stream.events.data(new Uint8Array(10_000));
    expect(gsoSize).toBe(MSS - 12);
  });
});

describe("guesses", () => {
  it("of resets and SYNs in the window are asked about, not too often", () => {
    const c = established();
    for (let n = 0; n < 50; n++) {
      c.input({ seq: 1500 + n, flags: RST });
      c.input({ seq: 1001 + n, flags: SYN });
    }
    expect([c.rig.sent.length, c.state()]).toEqual([CHALLENGES_A_SECOND, "established"]);
    expect([flagsOf(c.rig.last), seqOf(c.rig.last), ackOf(c.rig.last)]).toEqual([ACK, c.next, 1001]);
    c.rig.time.run(1100);
    c.input({ seq: 1500, flags: RST });
    expect(c.rig.sent.length).toBe(CHALLENGES_A_SECOND + 1);
    c.input({ seq: 1001, flags: RST });
    expect(c.state()).toBe("gone");
  });

  it("out of the window are not even that", () => {
    const c = established();
    c.input({ seq: 900, flags: RST });
    c.input({ seq: 1001 + 2_000_000, flags: RST });
    expect([c.rig.sent, c.state()]).toEqual([[], "established"]);
  });

  it("of ACKs of what was never sent, or long ago, take no data along", () => {
    const c = established();
    c.input({ ack: c.at(1), data: Uint8Array.of(1) });
    c.input({ ack: c.at(-70_000), data: Uint8Array.of(2) });
    expect([c.stream.got, c.rig.sent.length]).toEqual([[], 2]);
    c.input({ ack: c.at(-10), data: Uint8Array.of(3) });
    expect(c.stream.got).toEqual([3]);
  });

  it("of the ACK of a SYN are refused", () => {
    const rig = new Rig();
    rig.input(segment({ seq: 1000, flags: SYN }));
    rig.streams[0]!.events.opened();
    rig.input(segment({ seq: 1001, ack: 77, flags: ACK }));
    expect([flagsOf(rig.last), seqOf(rig.last), rig.tcp.list()[0]!.state]).toEqual([RST, 77, "syn-received"]);
  });

  it("without an ACK are nothing", () => {
    const c = established();
    c.input({ flags: PSH, data: Uint8Array.of(1) });
    expect([c.stream.got, c.rig.sent]).toEqual([[], []]);
  });

  it("of a connection that is none are refused, resets not answered", () => {
    const rig = new Rig();
    rig.input(segment({ seq: 5, ack: 9, flags: ACK, data: Uint8Array.of(1) }));
    expect([flagsOf(rig.last), seqOf(rig.last)]).toEqual([RST, 9]);
    rig.input(segment({ seq: 5, flags: FIN, data: Uint8Array.of(1) }));
    expect([flagsOf(rig.last), ackOf(rig.last)]).toEqual([RST | ACK, 7]);
    rig.input(segment({ seq: 5, flags: RST }));
    rig.input(segment({ seq: 5, flags: SYN | FIN }));
    expect([rig.sent.length, rig.streams.length]).toEqual([3, 0]);
  });
});

describe("windows", () => {
  it("that a guest takes back stop what was not sent, and lose nothing", () => {
    const c = established();
    give(c, 2);
    c.input({ ack: c.at(MSS), window: 10 });
    give(c, 2);
    expect(c.sent().length).toBe(2);
    c.input({ ack: c.at(2 * MSS), window: 65_535 });
    expect(c.sent().slice(2)).toEqual([[2 * MSS, 2 * MSS]]);
  });

  it("of few bytes are not filled with crumbs, but in the end with what there is room for", () => {
    const c = established();
    c.stream.events.data(new Uint8Array(100));
    c.input({ ack: c.next, window: 400 });
    c.stream.events.data(new Uint8Array(3000));
    expect(c.sent()).toEqual([[0, 100]]);
    c.input({ ack: c.at(100), window: 400 });
    expect(c.sent().length).toBe(1);
    c.rig.time.run(250);
    expect(c.sent().at(-1)).toEqual([100, 400]);
    c.input({ ack: c.at(500), window: 65_535 });
    expect(c.sent().at(-1)).toEqual([500, 2600]);
  });

  it("are probed with what follows, and a FIN needs none", () => {
    const c = established();
    c.input({ window: 0 });
    c.stream.events.ended();
    expect([flagsOf(c.rig.last) & FIN, c.state()]).toEqual([FIN, "fin-wait-1"]);
  });

  it("that are closed take ACKs along with what they do not take", () => {
    const c = established([], { window: 2000 });
    c.stream.full = true;
    for (let n = 0; n < 3; n++) {
      c.input({ seq: 1001 + n * 1000, data: new Uint8Array(1000) });
      c.rig.time.run(20);
    }
    expect([windowOf(c.rig.last), ackOf(c.rig.last)]).toEqual([0, 4001]);
    c.stream.events.data(new Uint8Array(5));
    c.input({ seq: 4001, ack: c.at(5), data: Uint8Array.of(1) });
    expect([c.stream.gotBytes, ackOf(c.rig.last), c.rig.tcp.list()[0]!.receivedBytes]).toEqual([1000, 4001, 5]);
    c.input({ seq: 4001, ack: c.at(5), flags: RST });
    expect([c.state(), c.rig.tcp.heldBytes]).toEqual(["gone", 0]);
  });

  it("that are full take the ACKs of a guest whose FIN is behind them", () => {
    const c = established([], { window: 2000 });
    c.stream.full = true;
    for (let n = 0; n < 3; n++) {
      c.input({ seq: 1001 + n * 1000, data: new Uint8Array(1000) });
      c.rig.time.run(20);
    }
    c.stream.events.data(new Uint8Array(5));
    c.input({ seq: 4001, ack: c.at(3), flags: ACK | FIN });
    expect([ackOf(c.rig.last), c.rig.tcp.list()[0]!.receivedBytes]).toEqual([4001, 3]);
    c.rig.sent.length = 0;
    c.input({ seq: 4002, ack: c.at(5) });
    expect([c.rig.sent, c.rig.tcp.list()[0]!.receivedBytes]).toEqual([[], 5]);
    c.stream.full = false;
    c.stream.events.drained();
    c.input({ seq: 4001, ack: c.at(5), flags: ACK | FIN });
    expect([c.stream.isEnded, ackOf(c.rig.last)]).toEqual([true, 4002]);
  });

  it("that were closed for long say nothing about what is lost later", () => {
    const c = established();
    c.input({ window: 0 });
    give(c, 1);
    for (let n = 0; n < 5; n++) {
      c.rig.time.run(60_000);
      c.input({ window: 0 });
    }
    c.rig.sent.length = 0;
    c.input({});
    expect(c.sent()).toEqual([[0, MSS]]);
    c.rig.time.run(1001);
    expect(c.sent()).toEqual([
      [0, MSS],
      [0, MSS],
    ]);
  });

  it("are as large as the scale can say, and never go back", () => {
    const c = established([3, 3, 0]);
    let edge = 0;
    for (let seq = 1001, n = 0; n < 200; n++, seq += 777) {
      c.input({ seq, data: new Uint8Array(777) });
      c.rig.time.run(20);
      const now = ackOf(c.rig.last) + windowOf(c.rig.last) * 32;
      expect(now).toBeGreaterThanOrEqual(edge);
      edge = now;
    }
    expect(edge - 1001 - 200 * 777).toBeGreaterThan(1_000_000);
  });

  it("are kept by who probes them: a keepalive is answered", () => {
    const c = established();
    c.input({ seq: 1000 });
    c.input({ seq: 1000, data: Uint8Array.of(0) });
    expect(c.rig.sent.map(ackOf)).toEqual([1001, 1001]);
    expect(c.stream.got).toEqual([]);
  });
});

describe("places", () => {
  it("of one guest run out before all do, and half open ones before that", () => {
    const rig = new Rig({ connectionsOfGuest: 10, halfOpenOfGuest: 4 });
    for (let from = 1; from <= 6; from++) rig.input(segment({ from, seq: 1, flags: SYN }));
    expect(rig.streams.length).toBe(4);
    for (const { events } of rig.streams) events.closed("refused");
    for (let from = 1; from <= 20; from++) {
      rig.input(segment({ from, seq: 1, flags: SYN }));
      const stream = rig.streams.at(-1)!;
      stream.events.opened();
      rig.input(segment({ from, seq: 2, ack: (seqOf(rig.last) + 1) >>> 0, flags: ACK }));
    }
    expect(rig.tcp.connections).toBe(10);
    expect(rig.tcp.stats().crowded).toBe(12);
    const other = Uint8Array.of(10, 0, 2, 16);
    const syn = segment({ seq: 1, flags: SYN });
    const packet = new Packet(null);
    packet.wrap(syn);
    rig.tcp.input(other, SERVER, packet, 0, syn.length);
    expect(rig.tcp.connections).toBe(11);
  });

  it("are those of all its addresses together", () => {
    const rig = new Rig({ halfOpenOfGuest: 4 });
    rig.payerOf = () => "one interface";
    const packet = new Packet(null);
    for (let last = 15; last < 25; last++) {
      const syn = segment({ seq: 1, flags: SYN });
      packet.wrap(syn);
      rig.tcp.input(Uint8Array.of(10, 0, 2, last), SERVER, packet, 0, syn.length);
    }
    expect(rig.streams.length).toBe(4);
  });

  it("that only wait for a late segment are given away, the oldest first", () => {
    const rig = new Rig({ connections: 3, timeWaits: 2 });
    const close = (from: number) => {
      rig.input(segment({ from, seq: 1, flags: SYN }));
      const { events } = rig.streams.at(-1)!;
      events.opened();
      const ack = (seqOf(rig.last) + 2) >>> 0;
      rig.input(segment({ from, seq: 2, ack: ack - 1, flags: ACK }));
      events.ended();
      rig.input(segment({ from, seq: 2, ack, flags: ACK | FIN }));
      events.closed(null);
    };
    for (let from = 1; from <= 5; from++) close(from);
    expect(rig.tcp.list().map(({ guest, state }) => [guest.port, state])).toEqual(
      expect.arrayContaining([
        [4, "time-wait"],
        [5, "time-wait"],
      ]),
    );
    for (let from = 10; from < 13; from++) rig.input(segment({ from, seq: 1, flags: SYN }));
    expect(rig.tcp.list().map(({ guest }) => guest.port)).toEqual(expect.arrayContaining([10, 11, 12]));
    expect(rig.streams.every(({ isAborted }) => !isAborted)).toBe(true);
  });

  it("begin anew with the number that a guest begins with", () => {
    const rig = new Rig();
    rig.input(segment({ seq: 1000, flags: SYN }));
    rig.input(segment({ seq: 5000, flags: SYN }));
    rig.streams[0]!.events.opened();
    expect([rig.streams.length, ackOf(rig.last)]).toEqual([1, 5001]);
  });

  it("begin anew with a guest that asks to be told of congestion", () => {
    const ECN_SYN = SYN | 0xc0;
    const rig = new Rig();
    rig.input(segment({ seq: 1000, flags: ECN_SYN }));
    rig.input(segment({ seq: 5000, flags: ECN_SYN }));
    rig.streams[0]!.events.opened();
    expect([rig.streams.length, ackOf(rig.last)]).toEqual([1, 5001]);
    const c = established();
    c.stream.events.ended();
    c.input({ ack: c.at(1), flags: ACK | FIN });
    c.rig.input(segment({ seq: 500_000, flags: ECN_SYN }));
    expect(c.rig.streams.length).toBe(2);
  });

  it("in TIME-WAIT are not taken by what is from before", () => {
    const c = established();
    c.stream.events.ended();
    c.input({ ack: c.at(1), flags: ACK | FIN });
    expect(c.state()).toBe("time-wait");
    c.rig.input(segment({ seq: 500, flags: SYN }));
    expect([c.rig.streams.length, flagsOf(c.rig.last)]).toEqual([1, ACK]);
  });
});

describe("room in the network", () => {
  it("that one guest has not got, others have", () => {
    const c = established();
    const other = Uint8Array.of(10, 0, 2, 16);
    const blocked = new Set([GUEST]);
    const to: Uint8Array[] = [];
    const send = c.rig.parts.send;
    c.rig.parts.send = (source, destination, ...more) => {
      if ([...blocked].some((guest) => guest.every((byte, n) => byte === destination[n]))) return false;
      to.push(destination);
      return send(source, destination, ...more);
    };
    c.stream.events.data(new Uint8Array(10));
    const syn = segment({ seq: 1, flags: SYN });
    const packet = new Packet(null);
    packet.wrap(syn);
    c.rig.tcp.input(other, SERVER, packet, 0, syn.length);
    c.rig.streams[1]!.events.opened();
    expect(to).toEqual([other]);
    blocked.clear();
    c.rig.tcp.resume();
    expect(to).toEqual([other, GUEST]);
    expect(payloadOf(c.rig.last).length).toBe(10);
  });

  it("that is missing for long counts as no loss", () => {
    const c = established();
    give(c, 2);
    c.rig.toGuest = () => false;
    give(c, 2);
    c.rig.time.run(60_000);
    expect(c.rig.tcp.stats().timeouts).toBe(0);
    c.rig.toGuest = (bytes) => c.rig.sent.push(bytes) > 0;
    c.rig.sent.length = 0;
    c.input({ ack: c.at(2 * MSS) });
    c.rig.tcp.resume();
    expect(c.sent().at(-1)).toEqual([2 * MSS, 2 * MSS]);
  });

  it("is there for one at a time: what comes out of a send of ours is lost", () => {
    const c = established();
    c.rig.toGuest = (bytes) => {
      c.rig.input(segment({ seq: 1011, ack: c.next, flags: ACK, data: new Uint8Array(10) }));
      return c.rig.sent.push(bytes) > 0;
    };
    c.input({ data: new Uint8Array(4000) });
    expect(c.stream.gotBytes).toBe(4000);
  });
});
