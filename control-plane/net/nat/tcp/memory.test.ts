/** Memory is bounded, shared, and given back; nobody's connection ends for want of it. */
import { describe, expect, it } from "vitest";
import type { FarStream } from "../../outside/testing/far-stream.js";
import { Packet } from "../../packet.js";
import { LEAST_SHARE } from "./limits.js";
import {
  ACK,
  ackOf,
  FIN,
  flagsOf,
  payloadOf,
  Rig,
  RST,
  SERVER,
  SYN,
  segment,
  seqOf,
  view,
} from "./testing/simulation.js";

const MIB = 1 << 20;
const GUESTS = [Uint8Array.of(10, 0, 2, 15), Uint8Array.of(10, 0, 2, 16)];
const OPTIONS = [2, 4, 5, 180, 3, 3, 7, 1];
const SEGMENT = 1000;

interface Open {
  readonly guest: Uint8Array;
  readonly from: number;
  readonly stream: FarStream;
  readonly next: number;
  /** What the guest sends next, and up to where it may. */
  seq: number;
  edge: number;
}

/** Many connections of two guests. What is sent to them is heard by `heard`. */
function crowd(count: number, limits: ConstructorParameters<typeof Rig>[0]) {
  const rig = new Rig(limits);
  const packet = new Packet(null);
  const input = (guest: Uint8Array, bytes: Uint8Array) => {
    packet.wrap(bytes);
    rig.tcp.input(guest, SERVER, packet, 0, bytes.length);
  };
  const open = Array.from({ length: count }, (_, n): Open => {
    const guest = GUESTS[n % 2]!;
    const from = 1000 + n;
    input(guest, segment({ from, seq: 0, flags: SYN, options: OPTIONS }));
    const stream = rig.streams.at(-1)!;
    stream.keeps = false;
    stream.events.opened();
    const next = (seqOf(rig.last) + 1) >>> 0;
    input(guest, segment({ from, seq: 1, ack: next, flags: ACK }));
    return { guest, from, stream, next, seq: 1, edge: 1 + view(rig.last).getUint16(14) };
  });
  const byPort = new Map(open.map((c) => [c.from, c]));
  const heard = (bytes: Uint8Array) => {
    const c = byPort.get(view(bytes).getUint16(2))!;
    c.edge = Math.max(c.edge, ackOf(bytes) + view(bytes).getUint16(14) * 32);
    return true;
  };
  rig.toGuest = heard;
  const send = (c: Open, data: Uint8Array) =>
    input(c.guest, segment({ from: c.from, seq: c.seq, ack: c.next, flags: ACK, data }));
  return { rig, open, input, send };
}

describe("what guests send to a world that takes nothing", () => {
  it("is bounded for all, and each goes on when the world does", () => {
    const totalBytes = 4 * MIB;
    const { rig, open, send } = crowd(60, { totalBytes });
    for (const { stream } of open) stream.full = true;
    let most = 0;
    // As much as each may send; what was promised before memory was short may be dropped.
    for (let round = 0; round < 400; round++) {
      for (const c of open) {
        if (c.seq + SEGMENT > c.edge) continue;
        const before = rig.tcp.stats().pruned!;
        send(c, new Uint8Array(SEGMENT));
        if (rig.tcp.stats().pruned === before) c.seq += SEGMENT;
      }
      rig.time.run(20);
      most = Math.max(most, rig.tcp.heldBytes);
    }
    expect(most).toBeLessThanOrEqual(totalBytes + 60 * LEAST_SHARE);
    expect(most).toBeGreaterThan(totalBytes / 2);
    for (const c of open) {
      c.stream.full = false;
      c.stream.events.drained();
    }
    expect(rig.tcp.heldBytes).toBe(0);
    for (const c of open) {
      expect(c.stream.gotBytes).toBe(c.seq - 1);
      send(c, new Uint8Array(10));
      expect(c.stream.gotBytes).toBe(c.seq + 9);
    }
    expect(rig.tcp.connections).toBe(60);
  });

  it("takes of one guest no more than half, so that the other has its windows", () => {
    const { rig, open, send } = crowd(40, { totalBytes: 4 * MIB });
    const [greedy, modest] = [open.filter((_, n) => n % 2 === 0), open.filter((_, n) => n % 2 === 1)];
    for (const { stream } of greedy) stream.full = true;
    for (let round = 0; round < 200; round++) {
      for (const c of greedy) {
        const before = rig.tcp.stats().pruned!;
        send(c, new Uint8Array(SEGMENT));
        if (rig.tcp.stats().pruned === before) c.seq += SEGMENT;
      }
      rig.time.run(20);
    }
    for (const c of modest) {
      for (let n = 0; n < 10; n++) {
        send(c, new Uint8Array(SEGMENT));
        c.seq += SEGMENT;
      }
      rig.time.run(20);
      expect([c.stream.gotBytes, c.edge - c.seq > 60_000]).toEqual([10 * SEGMENT, true]);
    }
  });

  it("out of order is dropped first, and what comes next never for that", () => {
    const { rig, open, send } = crowd(30, { totalBytes: MIB });
    for (const c of open) {
      for (let n = 2; n < 60; n++) {
        c.seq = 1 + n * SEGMENT;
        if (c.seq + SEGMENT <= c.edge) send(c, new Uint8Array(SEGMENT));
      }
    }
    expect(rig.tcp.heldBytes).toBeLessThanOrEqual(MIB + 30 * LEAST_SHARE);
    expect(rig.tcp.stats().pruned).toBeGreaterThan(0);
    for (const c of open) {
      c.seq = 1;
      send(c, new Uint8Array(2 * SEGMENT));
      expect(c.stream.gotBytes).toBeGreaterThanOrEqual(2 * SEGMENT);
    }
    expect(rig.tcp.heldBytes).toBe(0);
  });
});

describe("what the world sends to guests that take nothing", () => {
  it("is bounded for all by what each stream gave last, and goes on when they do", () => {
    const totalBytes = 4 * MIB;
    const { rig, open, input } = crowd(100, { totalBytes });
    const piece = new Uint8Array(16_384);
    for (let round = 0; round < 100; round++)
      for (const { stream } of open) if (stream.reads) stream.events.data(piece);
    expect(rig.tcp.heldBytes).toBeLessThanOrEqual(totalBytes + 100 * piece.length);
    expect(open.every(({ stream }) => !stream.reads)).toBe(true);
    const acked = new Map<number, number>();
    rig.toGuest = (bytes) => {
      const port = view(bytes).getUint16(2);
      const end = seqOf(bytes) + payloadOf(bytes).length;
      const { next } = open[port - 1000]!;
      acked.set(port, Math.max(acked.get(port) ?? 0, (end - next) >>> 0));
      return true;
    };
    for (let round = 0; round < 60 && rig.tcp.heldBytes > 0; round++) {
      rig.time.run(70_000);
      for (const c of open) {
        const ack = (c.next + (acked.get(c.from) ?? 0)) >>> 0;
        input(c.guest, segment({ from: c.from, seq: 1, ack, flags: ACK, window: 1000 }));
      }
    }
    expect([rig.tcp.heldBytes, open.every(({ stream }) => stream.reads)]).toEqual([0, true]);
  });

  it("is given back with the connection", () => {
    const { rig, open, input } = crowd(10, {});
    for (const { stream } of open) stream.events.data(new Uint8Array(500_000));
    expect(rig.tcp.heldBytes).toBe(5_000_000);
    open.slice(0, 5).forEach((c) => {
      input(c.guest, segment({ from: c.from, seq: 1, flags: RST }));
    });
    expect(rig.tcp.heldBytes).toBe(2_500_000);
    for (const { stream } of open.slice(5, 8)) stream.events.closed("reset");
    rig.tcp.forget(GUESTS[0]!);
    rig.tcp.forget(GUESTS[1]!);
    expect([rig.tcp.heldBytes, rig.tcp.connections, rig.time.isIdle]).toEqual([0, 0, true]);
  });
});

describe("a guest's share", () => {
  it("counts connections that it has ended until the world has let go of them, and the oldest of these give way", () => {
    const most = 20;
    const { rig, input } = crowd(0, { connectionsOfGuest: most });
    const sent: Uint8Array[] = [];
    rig.toGuest = (bytes) => sent.push(bytes) > 0;
    /** Opens a connection, leaves the world more than it takes, and ends it. */
    const openAndEnd = (guest: Uint8Array, from: number): FarStream => {
      input(guest, segment({ from, seq: 0, flags: SYN, options: OPTIONS }));
      const stream = rig.streams.at(-1)!;
      stream.full = true;
      stream.events.opened();
      const next = (seqOf(sent.at(-1)!) + 1) >>> 0;
      for (const seq of [1, 2]) input(guest, segment({ from, seq, ack: next, flags: ACK, data: Uint8Array.of(seq) }));
      input(guest, segment({ from, seq: 3, ack: next, flags: ACK | FIN }));
      stream.events.ended();
      input(guest, segment({ from, seq: 4, ack: (next + 1) >>> 0, flags: ACK }));
      return stream;
    };
    const other = openAndEnd(GUESTS[1]!, 2999);
    const streams = Array.from({ length: 50 }, (_, n) => openAndEnd(GUESTS[0]!, 3000 + n));
    const aborted = (): number => streams.filter(({ isAborted }) => isAborted).length;
    expect([aborted(), streams[29]!.isAborted, streams[30]!.isAborted, other.isAborted]).toEqual([
      30,
      true,
      false,
      false,
    ]);
    expect([rig.tcp.stats().lingering, rig.tcp.connections, rig.tcp.heldBytes]).toEqual([most + 1, 0, most + 1]);
    for (const stream of streams.slice(30, 35)) {
      stream.full = false;
      stream.events.drained();
      expect([stream.got, stream.isEnded]).toEqual([[1, 2], true]);
      stream.events.closed(null);
    }
    for (let n = 0; n < 5; n++) openAndEnd(GUESTS[0]!, 4000 + n);
    expect(aborted()).toBe(30);
    for (const stream of rig.streams) stream.events.closed(null);
    expect([rig.tcp.stats().lingering, rig.tcp.heldBytes]).toEqual([0, 0]);
  });

  it("stays when the world lets go of a connection that was over before the next one began", () => {
    const { rig, open, input } = crowd(1, {});
    const [c] = open;
    input(c!.guest, segment({ from: c!.from, seq: 1, ack: c!.next, flags: ACK | FIN }));
    c!.stream.events.ended();
    input(c!.guest, segment({ from: c!.from, seq: 2, ack: c!.next + 1, flags: ACK }));
    expect(rig.tcp.connections).toBe(0);
    input(c!.guest, segment({ from: 2000, seq: 0, flags: SYN, options: OPTIONS }));
    const stream = rig.streams.at(-1)!;
    const sent: Uint8Array[] = [];
    rig.toGuest = (bytes) => sent.push(bytes) > 0;
    stream.events.opened();
    input(c!.guest, segment({ from: 2000, seq: 1, ack: seqOf(sent[0]!) + 1, flags: ACK }));
    c!.stream.events.closed(null);
    sent.length = 0;
    rig.toGuest = () => false;
    stream.events.data(Uint8Array.of(1, 2, 3));
    rig.toGuest = (bytes) => sent.push(bytes) > 0;
    rig.tcp.resume();
    expect(sent.map((bytes) => [...payloadOf(bytes)])).toEqual([[1, 2, 3]]);
  });

  it("counts the connection that took the place of the last one in TIME-WAIT", () => {
    const { rig, open, input } = crowd(1, { connections: 1, connectionsOfGuest: 1 });
    const [c] = open;
    c!.stream.events.ended();
    input(c!.guest, segment({ from: c!.from, seq: 1, ack: c!.next + 1, flags: ACK | FIN }));
    c!.stream.events.closed(null);
    expect(rig.tcp.list()[0]!.state).toBe("time-wait");
    const sent: Uint8Array[] = [];
    rig.toGuest = (bytes) => sent.push(bytes) > 0;
    input(c!.guest, segment({ from: 2000, seq: 0, flags: SYN, options: OPTIONS }));
    rig.toGuest = () => false;
    rig.streams.at(-1)!.events.opened();
    rig.toGuest = (bytes) => sent.push(bytes) > 0;
    rig.tcp.resume();
    expect(sent.map(flagsOf)).toEqual([SYN | ACK]);
  });
});
