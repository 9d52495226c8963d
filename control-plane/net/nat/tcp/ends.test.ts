/** How connections begin and end, with segments by hand. */
import { describe, expect, it } from "vitest";
import { FarStream } from "../../outside/testing/far-stream.js";
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
} from "./testing/simulation.js";
import { established, give, MSS_OPTION } from "./testing/standing.js";

describe("ends", () => {
  it("of a world that is gone: what comes then is refused, and silence ends as well", () => {
    const c = established();
    c.stream.events.data(new Uint8Array(5));
    c.stream.events.ended();
    c.stream.events.closed(null);
    expect(c.state()).toBe("fin-wait-1");
    c.input({ ack: c.at(6) });
    expect(c.state()).toBe("fin-wait-2");
    c.rig.time.run(61_000);
    expect([c.state(), flagsOf(c.rig.last) & RST, c.rig.tcp.timers]).toEqual(["gone", RST, 0]);
    const d = established();
    d.stream.events.closed(null);
    d.input({ data: Uint8Array.of(1) });
    expect([d.state(), flagsOf(d.rig.last) & RST]).toEqual(["gone", RST]);
  });

  it("of the world leave the guest's direction open for as long as it likes", () => {
    const c = established();
    c.stream.events.ended();
    for (let n = 0; n < 10; n++) {
      c.input({ seq: 1001 + n, ack: c.at(1), data: Uint8Array.of(n) });
      c.rig.time.run(600_000);
    }
    expect([c.state(), c.stream.got.length]).toEqual(["fin-wait-2", 10]);
  });

  it("that a reset brings after both FINs are good ends", () => {
    for (const both of [true, false]) {
      const c = established();
      c.stream.full = true;
      c.input({ data: Uint8Array.of(1) });
      c.input({ seq: 1002, data: Uint8Array.of(2), flags: ACK | FIN });
      c.stream.events.ended();
      expect(c.state()).toBe("last-ack");
      c.input({ seq: 1004, ack: c.at(1), flags: both ? ACK : RST });
      expect([c.state(), c.stream.isAborted, c.stream.isEnded, c.stream.got]).toEqual(["gone", false, false, [1]]);
      // What the world had not taken yet it still gets.
      c.stream.full = false;
      c.stream.events.drained();
      expect([c.stream.got, c.stream.isEnded, c.rig.tcp.heldBytes]).toEqual([[1, 2], true, 0]);
    }
  });

  it("of a guest come after its last byte, however they arrive", () => {
    const c = established();
    c.input({ seq: 1003, data: Uint8Array.of(3), flags: ACK | FIN });
    expect([c.state(), c.stream.isEnded]).toEqual(["established", false]);
    // Nothing lies behind an end.
    c.input({ seq: 1004, data: Uint8Array.of(9, 9) });
    c.input({ data: Uint8Array.of(1, 2) });
    expect([c.stream.got, c.stream.isEnded, ackOf(c.rig.last), c.state()]).toEqual([
      [1, 2, 3],
      true,
      1005,
      "close-wait",
    ]);
    c.input({ seq: 1005, data: Uint8Array.of(9) });
    expect(c.stream.got).toEqual([1, 2, 3]);
  });

  it("of what a guest has sent more behind are none", () => {
    const c = established();
    c.input({ seq: 1004, data: Uint8Array.of(4, 5) });
    c.input({ seq: 1002, data: Uint8Array.of(2), flags: ACK | FIN });
    c.input({ data: Uint8Array.of(1) });
    c.input({ seq: 1003, data: Uint8Array.of(3) });
    expect([c.stream.got, c.state()]).toEqual([[1, 2, 3, 4, 5], "established"]);
  });

  it("of a guest that is silent are found out by asking", () => {
    const c = established([], { keepAliveMs: 10_000 });
    c.rig.time.run(9000);
    c.input({});
    c.rig.time.run(9000);
    expect(c.rig.sent).toEqual([]);
    c.rig.time.run(2000);
    expect([c.rig.sent.length, seqOf(c.rig.last)]).toEqual([1, c.at(-1)]);
    c.input({});
    c.rig.time.run(500_000);
    expect([c.state(), c.stream.isAborted, c.rig.tcp.timers]).toEqual(["gone", true, 0]);
    expect(c.rig.sent.length).toBe(1 + 9 + 1);
  });

  it("of all come with `close`", () => {
    const c = established();
    give(c, 3);
    c.rig.tcp.close();
    expect([flagsOf(c.rig.last) & RST, c.rig.tcp.connections, c.rig.tcp.heldBytes, c.rig.time.isIdle]).toEqual([
      RST,
      0,
      0,
      true,
    ]);
    c.rig.input(segment({ seq: 1, flags: SYN }));
    expect(c.rig.tcp.connections).toBe(0);
  });
});

describe("a connection to a guest", () => {
  const open = () => {
    const rig = new Rig();
    const stream = new FarStream("", 0, undefined as never);
    const events = rig.tcp.openToGuest({ address: SERVER, port: 80 }, { address: GUEST, port: 4000 }, stream);
    return { rig, stream, events, iss: seqOf(rig.last) };
  };

  it("opens, carries what came early, and ends", () => {
    const { rig, stream, events, iss } = open();
    events.data(Uint8Array.of(1, 2));
    events.ended();
    rig.input(segment({ seq: 9000, ack: (iss + 1) >>> 0, flags: SYN | ACK, options: MSS_OPTION }));
    expect(rig.sent.map(flagsOf)).toEqual([SYN, ACK | PSH, ACK | FIN]);
    expect([...payloadOf(rig.sent[1]!)]).toEqual([1, 2]);
    rig.input(segment({ seq: 9001, ack: (iss + 4) >>> 0, flags: ACK | FIN, data: Uint8Array.of(7) }));
    expect([stream.got, stream.isEnded, rig.tcp.list()[0]!.state]).toEqual([[7], true, "time-wait"]);
  });

  it("is refused by a reset of its SYN, and by no other", () => {
    const { rig, stream, iss } = open();
    rig.input(segment({ seq: 0, flags: RST }));
    rig.input(segment({ seq: 0, ack: iss, flags: RST | ACK }));
    expect(rig.tcp.connections).toBe(1);
    rig.input(segment({ seq: 5, ack: (iss + 9) >>> 0, flags: ACK }));
    expect([flagsOf(rig.last), seqOf(rig.last)]).toEqual([RST, (iss + 9) >>> 0]);
    rig.input(segment({ seq: 0, ack: (iss + 1) >>> 0, flags: RST | ACK }));
    expect([rig.tcp.connections, stream.isAborted, rig.time.isIdle]).toEqual([0, true, true]);
  });

  it("is given up after a minute without an answer", () => {
    const { rig, stream } = open();
    rig.time.run(200_000);
    expect([rig.tcp.connections, stream.isAborted, rig.time.isIdle]).toEqual([0, true, true]);
    expect(rig.sent.map(flagsOf).filter((flags) => flags === SYN).length).toBe(6);
  });

  it("opens from both sides at the same time", () => {
    const { rig, stream, iss } = open();
    rig.input(segment({ seq: 9000, flags: SYN, options: MSS_OPTION }));
    expect([flagsOf(rig.last), seqOf(rig.last), ackOf(rig.last)]).toEqual([SYN | ACK, iss, 9001]);
    rig.input(segment({ seq: 9001, ack: (iss + 1) >>> 0, flags: ACK, data: Uint8Array.of(5) }));
    expect([stream.got, rig.tcp.list()[0]!.state]).toEqual([[5], "established"]);
  });

  it("is none where there is one already", () => {
    const { rig, stream } = open();
    const second = new FarStream("", 0, undefined as never);
    const events = rig.tcp.openToGuest({ address: SERVER, port: 80 }, { address: GUEST, port: 4000 }, second);
    events.data(Uint8Array.of(1));
    events.closed(null);
    expect([second.isAborted, stream.isAborted, rig.tcp.connections]).toEqual([true, false, 1]);
  });
});
