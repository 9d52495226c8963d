/** What a guest receives. */
import { describe, expect, it, vi } from "vitest";
import { GsoType, HEADER_BYTES, Packet } from "../../net/index.js";
import { build, type Frame, headersOf, isWhole } from "../../net/testing/frames.js";
import { ExtraType, RxFlag, TxFlag } from "./codec.js";
import { type FrontOptions, LINUX_FEATURES, RecordingWire, VifFront, World } from "./testing/front.js";

const data = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 13) & 255);
const frame = (count: number, rest: Partial<Frame> = {}): Uint8Array =>
  build({ family: 4, payload: data(count), ...rest });

interface Kind {
  readonly partialChecksum?: boolean;
  readonly dataValidated?: boolean;
  readonly gsoSize?: number;
  readonly gsoType?: GsoType;
}

function packetOf(bytes: Uint8Array, kind: Kind = {}): Packet {
  const packet = new Packet(null);
  packet.wrap(bytes);
  return Object.assign(packet, kind);
}

function connected(options: FrontOptions = {}, buffers = 64): VifFront {
  const front = new VifFront(undefined, options);
  front.connect();
  for (let queue = 0; queue < (options.queues ?? 1); queue++) front.post(buffers, queue);
  return front;
}

function receive(front: VifFront, bytes: Uint8Array, kind: Kind = {}) {
  const isTaken = front.station.receive(packetOf(bytes, kind));
  front.station.settle();
  return { isTaken, frames: front.received() };
}

const without = (...keys: string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(LINUX_FEATURES).filter(([key]) => !keys.includes(key)));
const { DATA_VALIDATED, CSUM_BLANK, EXTRA_INFO, MORE_DATA } = RxFlag;

describe("a frame for a guest", () => {
  it("lies in its buffer", () => {
    const front = connected();
    const bytes = frame(200);
    const { isTaken, frames } = receive(front, bytes);
    expect([isTaken, frames]).toEqual([true, [{ bytes, flags: 0, extras: [], slots: 1, isBroken: false }]]);
    expect(front.backend.stats()).toMatchObject({ rxFrames: 1, rxBytes: bytes.length, rxDropped: 0 });
    expect(front.world.core.mappedGrants).toBe(2);
  });

  it.each([4096, 4097, 65000])("of %i bytes takes as many as it needs", (length) => {
    const front = connected({ mtu: 65535 });
    const bytes = frame(length - 66);
    const { frames } = receive(front, bytes);
    const slots = Math.ceil(length / 4096);
    expect(frames).toMatchObject([{ flags: slots > 1 ? MORE_DATA : 0, slots }]);
    expect(frames[0]!.bytes).toEqual(bytes);
  });

  it("goes around the ring many times, in order", () => {
    const front = connected({ mtu: 9000 }, 40);
    for (let round = 0; round < 300; round++) {
      const sent = [frame(round, { id: round }), frame(5000, { id: round + 1 })];
      for (const bytes of sent) expect(front.station.receive(packetOf(bytes))).toBe(true);
      front.station.settle();
      expect(front.received().map(({ bytes }) => bytes)).toEqual(sent);
      front.post(3);
    }
  });

  it.each([
    [{ partialChecksum: true, dataValidated: true }, CSUM_BLANK | DATA_VALIDATED],
    [{ dataValidated: true }, DATA_VALIDATED],
    [{}, 0],
  ])("says how far its checksum is: %o", (kind, flags) => {
    const { frames } = receive(connected(), frame(10), kind);
    expect(frames).toMatchObject([{ flags, bytes: frame(10) }]);
  });

  it.each([
    [{ ...LINUX_FEATURES, "feature-no-csum-offload": "1" }, 4, true],
    [{ ...LINUX_FEATURES, "feature-no-csum-offload": "1" }, 6, false],
    [without("feature-ipv6-csum-offload"), 6, true],
    [without("feature-ipv6-csum-offload"), 4, false],
  ] as const)("has its checksum filled in for those who want that: %o, IPv%i", (features, family, isFilledIn) => {
    const front = connected({ features });
    const bytes = frame(333, { family, vlan: 3 });
    const packet = packetOf(bytes, { partialChecksum: true, dataValidated: true });
    front.station.receive(packet);
    front.station.settle();
    const [received] = front.received();
    expect(isWhole(received!.bytes)).toBe(isFilledIn);
    expect(received!.flags).toBe(isFilledIn ? DATA_VALIDATED : DATA_VALIDATED | CSUM_BLANK);
    // Others get the packet as it was.
    expect(packet.header.subarray(0, packet.headerLength)).toEqual(bytes.subarray(0, packet.headerLength));
  });

  it.each([
    [4, GsoType.TCPV4],
    [6, GsoType.TCPV6],
  ] as const)("that is large is given whole: IPv%i", (family, gsoType) => {
    const front = connected();
    const bytes = frame(9000, { family });
    const { frames } = receive(front, bytes, { partialChecksum: true, dataValidated: true, gsoSize: 1448, gsoType });
    const flags = CSUM_BLANK | DATA_VALIDATED | MORE_DATA | EXTRA_INFO;
    const extras = [{ type: ExtraType.GSO, gsoSize: 1448, gsoType }];
    expect(frames).toEqual([{ bytes, flags, extras, slots: 4, isBroken: false }]);
    expect(front.backend.stats()).toMatchObject({ rxLarge: 1, rxCut: 0 });
  });

  it.each([
    [4, GsoType.TCPV4, without("feature-gso-tcpv4")],
    [6, GsoType.TCPV6, without("feature-gso-tcpv6", "feature-ipv6-csum-offload")],
    [4, GsoType.TCPV4, { "request-rx-copy": "1", "feature-gso-tcpv4": "1", "feature-no-csum-offload": "1" }],
  ] as const)("that is large is cut for those who take none: IPv%i", (family, gsoType, features) => {
    const front = connected({ features });
    const kind = { partialChecksum: true, dataValidated: true, gsoSize: 1448, gsoType };
    const { frames } = receive(front, frame(9000, { family }), kind);
    expect(frames.map(({ slots }) => slots)).toEqual([1, 1, 1, 1, 1, 1, 1]);
    const payload = frames.flatMap(({ bytes }) => {
      const headers = headersOf(bytes);
      return [...bytes.subarray(headers.payload, headers.end)];
    });
    expect(payload).toEqual(data(9000));
    const wantsSums = "feature-no-csum-offload" in features || !("feature-ipv6-csum-offload" in features);
    const isFilledIn = family === 4 ? "feature-no-csum-offload" in features : wantsSums;
    for (const { bytes, flags } of frames) {
      expect([isWhole(bytes), (flags & CSUM_BLANK) === 0]).toEqual([isFilledIn, isFilledIn]);
    }
    expect(front.backend.stats()).toMatchObject({ rxFrames: 7, rxCut: 1, rxLarge: 0 });
  });

  it.each([
    ["longer than its MTU", {}, frame(1500), {}],
    ["in two buffers, which it does not take", { mtu: 9000, features: without("feature-sg") }, frame(5000), {}],
    [
      "large, of no kind that can be cut",
      { features: without("feature-gso-tcpv4") },
      frame(5000, { protocol: 17 }),
      { gsoSize: 1000, gsoType: GsoType.TCPV4 },
    ],
    [
      "cut into more pieces than there are buffers",
      { features: without("feature-gso-tcpv4") },
      frame(5000),
      { gsoSize: 8, gsoType: GsoType.TCPV4 },
    ],
    ["no frame at all", {}, new Uint8Array(13), {}],
  ])("is dropped when it is %s", (_, options, bytes, kind) => {
    const front = connected(options, 250);
    expect(receive(front, bytes, kind)).toEqual({ isTaken: true, frames: [] });
    const { rxDropped, rxFiltered } = front.backend.stats();
    expect(rxDropped! + rxFiltered!).toBe(1);
  });

  it("as long as the MTU and a tag goes through", () => {
    expect(receive(connected(), frame(1448, { vlan: 1 })).frames.length).toBe(1);
  });
});

describe("notifications", () => {
  it("are one for a batch, and none for a guest that did not ask", () => {
    const front = connected();
    front.received();
    const before = front.world.notifies;
    for (let i = 0; i < 10; i++) front.station.receive(packetOf(frame(i)));
    expect([front.world.notifies - before, front.received().length]).toEqual([0, 0]);
    front.station.settle();
    expect(front.world.notifies - before).toBe(1);
    // It has taken nothing yet.
    front.station.receive(packetOf(frame(1)));
    front.station.settle();
    front.station.settle();
    expect(front.world.notifies - before).toBe(1);
    expect(front.received().length).toBe(11);
  });

  it("come in the middle of a batch that is long", () => {
    const front = connected({}, 250);
    for (let i = 0; i < 5; i++) {
      front.station.receive(packetOf(frame(60000), { gsoSize: 1448, gsoType: GsoType.TCPV4 }));
    }
    expect(front.received().length).toBe(5);
  });
});

describe("a guest with too few buffers", () => {
  it("has senders wait until it has posted some", () => {
    const front = connected({ mtu: 9000 }, 2);
    expect(front.station.receive(packetOf(frame(8190)))).toBe(false);
    expect([front.wire.events, front.world.timers]).toEqual([[], 1]);
    // It is not woken for fewer than it takes.
    const { core } = front.world;
    expect(front.queues[0]!.rx.pushRequests([])).toBe(false);
    front.post(1);
    expect([front.wire.events, front.world.timers]).toEqual([["room"], 0]);
    expect(front.station.receive(packetOf(frame(8190)))).toBe(true);
    expect(core.mappedGrants).toBe(2);
    front.post(50);
    expect(front.wire.events).toEqual(["room"]);
  });

  it("is asked again for the smallest that waits", () => {
    const front = connected({ mtu: 65000 }, 0);
    expect(front.station.receive(packetOf(frame(60000)))).toBe(false);
    expect(front.station.receive(packetOf(frame(10)))).toBe(false);
    front.post(1);
    expect(front.wire.events).toEqual(["room"]);
    expect(front.station.receive(packetOf(frame(60000)))).toBe(false);
    expect(front.station.receive(packetOf(frame(10)))).toBe(true);
    front.post(15);
    expect(front.wire.events).toEqual(["room", "room"]);
    expect(front.station.receive(packetOf(frame(60000)))).toBe(true);
    expect(front.station.receive(packetOf(frame(10)))).toBe(false);
    expect(front.station.receive(packetOf(frame(60000)))).toBe(false);
    front.post(1);
    expect(front.wire.events).toEqual(["room", "room", "room"]);
  });

  it("has waited long enough after ten seconds, until it posts some", () => {
    const front = connected({}, 0);
    expect(front.station.receive(packetOf(frame(1)))).toBe(false);
    front.world.pass(9999);
    expect(front.station.receive(packetOf(frame(1)))).toBe(false);
    front.world.pass(1);
    expect(front.wire.events).toEqual(["room"]);
    expect(front.station.receive(packetOf(frame(1)))).toBe(true);
    expect(front.station.receive(packetOf(frame(1)))).toBe(true);
    expect(front.backend.stats()).toMatchObject({ rxNoBuffers: 2, rxDropped: 2, rxFrames: 0 });
    front.post(1);
    expect(receive(front, frame(1)).frames.length).toBe(1);
    expect(front.station.receive(packetOf(frame(1)))).toBe(false);
  });

  it("is waited for again as soon as it has buffers, although it has not told of them yet", () => {
    const front = connected({}, 0);
    front.station.receive(packetOf(frame(1)));
    front.world.pass(10_000);
    front.post(1, 0, false);
    expect(receive(front, frame(1)).frames.length).toBe(1);
    expect(front.station.receive(packetOf(frame(1)))).toBe(false);
  });

  it("that tells of no buffers is not waited for", () => {
    const front = connected({ features: without("feature-rx-notify") }, 1);
    expect([1, 2, 3].map((i) => front.station.receive(packetOf(frame(i))))).toEqual([true, true, true]);
    expect(front.backend.stats()).toMatchObject({ rxFrames: 1, rxNoBuffers: 2 });
  });

  it("leaves no timer behind", () => {
    const front = connected({}, 0);
    front.station.receive(packetOf(frame(1)));
    front.write("state", "6");
    expect(front.world.timers).toBe(0);
  });

  it("that is paused in the middle of a batch knows what it got", async () => {
    const front = connected();
    front.station.receive(packetOf(frame(1)));
    await front.backend.pause();
    expect(front.received().length).toBe(1);
  });

  it("that is paused has senders wait", async () => {
    const front = connected();
    await front.backend.pause();
    expect(front.station.receive(packetOf(frame(1)))).toBe(false);
    front.backend.resume();
    expect(front.wire.events).toEqual(["room"]);
    expect(receive(front, frame(1)).frames.length).toBe(1);
  });
});

describe("two guests", () => {
  /** A cable between two. */
  function cable(): { plug: (station: RecordingWire["station"]) => RecordingWire; ends: Cable[] } {
    const ends: Cable[] = [];
    return {
      ends,
      plug: (station) => {
        const end = new Cable(() => ends.find((other) => other !== end)?.station ?? null);
        end.station = station;
        ends.push(end);
        return end;
      },
    };
  }
  class Cable extends RecordingWire {
    constructor(private readonly other: () => RecordingWire["station"]) {
      super();
    }
    override send(packet: Packet): boolean {
      return this.other()?.receive(packet) ?? true;
    }
    override settle(): void {
      this.other()?.settle();
    }
    override room(): void {
      this.other()?.resume();
    }
  }

  function pair(features: Record<string, string> = LINUX_FEATURES): readonly [VifFront, VifFront] {
    const world = new World();
    const { plug } = cable();
    const fronts = [6, 7].map((domid) => new VifFront(world, { domid, plug, features })) as [VifFront, VifFront];
    for (const front of fronts) {
      front.connect();
      front.post(100);
    }
    return fronts;
  }

  it("have their frames copied once, from page to page", () => {
    const [a, b] = pair();
    const { memory } = a.world.core;
    const bytes = frame(9000);
    const extras = [{ type: ExtraType.GSO, gsoSize: 1448, gsoType: GsoType.TCPV4 }];
    a.put(bytes, { pieces: [4000, 4000], extras, flags: TxFlag.CSUM_BLANK });
    const move = vi.spyOn(memory, "move");
    const views = vi.spyOn(memory, "bytes");
    a.notify();
    // All but the header, which was looked at, and no object for it.
    expect(move.mock.calls.reduce((sum, [, , length]) => sum + length, 0)).toBe(bytes.length - HEADER_BYTES);
    expect(views).not.toHaveBeenCalled();
    expect(b.received()).toMatchObject([{ bytes, extras: [{ type: ExtraType.GSO, gsoSize: 1448, gsoType: 1 }] }]);
  });

  it("keep each other waiting, and nothing is lost", () => {
    const [a, b] = pair();
    let sent = 0;
    const got: number[] = [];
    const take = () => {
      for (const { bytes } of b.received()) got.push(new DataView(bytes.buffer).getUint16(18));
    };
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 30 && a.queues[0]!.tx.free > 8; i++) a.put(frame(600, { id: sent++ }), { pieces: [100] });
      a.notify();
      take();
      b.post(round % 3 === 0 ? 25 : 5);
      a.answers();
    }
    while (got.length < sent) {
      const before = got.length;
      b.post(20);
      take();
      a.answers();
      expect(got.length).toBeGreaterThan(before);
    }
    expect(got).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(a.backend.stats().txHeld).toBeGreaterThan(10);
    expect(b.backend.stats().rxDropped).toBe(0);
  });

  it("have large frames cut from one's pages into the other's buffers", () => {
    const [a, b] = pair(without("feature-gso-tcpv4"));
    const extras = [{ type: ExtraType.GSO, gsoSize: 1000, gsoType: GsoType.TCPV4 }];
    a.send(frame(9000), { pieces: [2500, 2500, 2500], extras, flags: TxFlag.CSUM_BLANK });
    const got = b.received().flatMap(({ bytes }) => [...bytes.subarray(headersOf(bytes).payload)]);
    expect(got).toEqual(data(9000));
  });
});
