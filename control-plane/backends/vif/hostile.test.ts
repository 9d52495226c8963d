/**
 * Front ends that lie: a frame that is wrong is answered with an error, a ring that cannot be is closed with the reason in
 * the log and in the error key, nothing outside of the granted pages changes, nothing stays mapped, and neither Domain0 nor
 * the other stations notice.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GsoType, Packet } from "../../net/index.js";
import { build, headersOf } from "../../net/testing/frames.js";
import { type Extra, ExtraType, NetifStatus, TxFlag, TxRequest } from "./codec.js";
import { Attacker, actionArb } from "./testing/attacker.js";
import { extraSlot, type FrontOptions, txSlot, VifFront, World } from "./testing/front.js";

const { CSUM_BLANK, MORE_DATA, EXTRA_INFO } = TxFlag;
const { OKAY, ERROR, NULL } = NetifStatus;
const FRAME = build({ family: 4, payload: Array.from({ length: 2000 }, (_, i) => i & 255) });

function connected(options: FrontOptions = {}): VifFront {
  const front = new VifFront(undefined, options);
  front.connect();
  return front;
}

const packetOf = (bytes: Uint8Array): Packet => {
  const packet = new Packet(null);
  packet.wrap(bytes);
  return packet;
};

/** Requests as they are, for a page that holds a frame. */
function push(front: VifFront, requests: readonly (Partial<TxRequest> | Partial<Extra>)[]): void {
  const { ref, bytes } = front.shared();
  bytes.set(FRAME);
  const plain = { ref, offset: 0, flags: 0, id: 0, size: 100 };
  const slots = requests.map((request) =>
    "type" in request ? extraSlot(request) : txSlot(Object.assign(new TxRequest(), plain, request)),
  );
  front.queues[0]!.tx.pushRequests(slots);
  front.notify();
}

const pieces = (count: number, size: number, total: number): Partial<TxRequest>[] =>
  Array.from({ length: count }, (_, id) => ({
    id,
    size: id === 0 ? total : size,
    flags: id < count - 1 ? MORE_DATA : 0,
  }));
const gso = (gsoSize: number, gsoType: number): Partial<Extra> => ({ type: ExtraType.GSO, gsoSize, gsoType });

describe("a frame is refused", () => {
  const refused: readonly (readonly [string, readonly (Partial<TxRequest> | Partial<Extra>)[], RegExp])[] = [
    ["that is shorter than an Ethernet header", [{ size: 13 }], /begins with 13 bytes/],
    ["that begins with less", pieces(2, 90, 100), /begins with 10 bytes/],
    ["that is empty", [{ size: 0 }], /begins with 0 bytes/],
    ["with a grant that there is not", [{ ref: 4711 }], /grant 4711 cannot be mapped/],
    ["with another domain's grant", [{ ref: 77 }], /grant 77/],
    ["with such a grant in its middle", [...pieces(2, 10, 100).slice(0, 1), { id: 1, size: 10, ref: 77 }], /grant 77/],
    ["whose pieces are larger than it is", pieces(3, 60, 100), /begins with -20 bytes/],
    ["in more pieces than are allowed", pieces(20, 1, 100), /20 pieces/],
    ["in the most that are not malicious", pieces(21, 1, 100), /21 pieces/],
    ["with a partial checksum of nothing", [{ flags: CSUM_BLANK, size: 30 }], /partial checksum/],
    [
      "that is large and is not what it says",
      [{ flags: CSUM_BLANK | EXTRA_INFO, size: FRAME.length }, gso(1000, GsoType.TCPV6)],
      /segments of type 2/,
    ],
  ];

  it.each(refused)("%s", (_, requests, reason) => {
    const front = connected();
    front.world.core.grants.set("6:77", 20);
    push(front, requests);
    const extras = requests.filter((request) => "type" in request).length;
    const ids = requests.filter((request) => !("type" in request)).map((request) => (request as TxRequest).id ?? 0);
    const nulls = Array.from({ length: extras }, () => [0, NULL]);
    const [first, ...rest] = ids.map((id) => [id, ERROR]);
    expect(front.answers()).toEqual([first, ...nulls, ...rest]);
    expect([front.wire.frames, front.key("state"), front.world.core.mappedGrants]).toEqual([[], "4", 2]);
    expect(front.world.log.text()).toMatch(/d5 vif: frame refused: /);
    expect(front.world.log.text()).toMatch(reason);
    expect(front.backend.stats().txErrors).toBe(1);
    front.send(FRAME);
    expect(front.wire.frames.length).toBe(1);
  });
});

describe("a device is closed", () => {
  const broken: readonly (readonly [string, readonly (Partial<TxRequest> | Partial<Extra>)[], RegExp])[] = [
    ["by a frame that goes beyond its page", [{ offset: 4000, size: 97 }], /97 bytes from 4000 on go beyond a page/],
    ["by a piece that does", [{ size: 4097 + 14, flags: MORE_DATA }, { size: 4097 }], /4097 bytes from 0/],
    ["by a frame without an end", [{ flags: MORE_DATA }], /without an end/],
    ["by one in far too many pieces", pieces(22, 1, 100), /more than 21 pieces/],
    ["by extra information that is missing", [{ flags: EXTRA_INFO }], /missing/],
    ["by such that says there is more", [{ flags: EXTRA_INFO }, { type: ExtraType.HASH, more: true }], /missing/],
    ["by extra information of no kind", [{ flags: EXTRA_INFO }, { type: 0 }], /type 0/],
    ["by some of an unknown kind", [{ flags: EXTRA_INFO }, { type: 6 }], /type 6/],
    ["by segments of no size", [{ flags: EXTRA_INFO }, gso(0, 1)], /no size/],
    ["by segments of no kind", [{ flags: EXTRA_INFO }, gso(100, 3)], /type 3/],
  ];

  it.each(broken)("%s", (_, requests, reason) => {
    const front = connected();
    front.put(FRAME);
    push(front, requests);
    expect([front.key("state"), front.key("error")]).toEqual(["5", expect.stringMatching(reason)]);
    expect(front.world.log.text()).toMatch(reason);
    expect(front.world.core.mappedGrants).toBe(0);
    // What came before went out, and whoever got it was told.
    expect(front.wire.events).toEqual(["send", "settle", "unplug"]);
    front.write("state", "6");
    front.write("state", "1");
    front.connect();
    front.send(FRAME);
    expect([front.key("state"), front.wire.frames.length]).toEqual(["4", 2]);
  });

  it.each(["tx", "rx"] as const)("when the %s producer is beyond the ring", (which) => {
    const front = connected();
    front.queues[0]![which].pushRequests(Array.from({ length: 257 }, () => new Uint8Array(12)));
    front.notify();
    expect(front.station?.receive(packetOf(FRAME.subarray(0, 60))) ?? true).toBe(true);
    front.world.serve();
    expect([front.key("state"), front.key("error")]).toEqual(["5", expect.stringMatching(/beyond the ring/)]);
    expect(front.world.core.mappedGrants).toBe(0);
  });

  it.each([
    ["tx-ring-ref", "4711", /grant 4711/],
    ["rx-ring-ref", "a lot", /rx-ring-ref: "a lot"/],
    ["multi-queue-num-queues", "9", /multi-queue-num-queues/],
    ["multi-queue-num-queues", "2", /queue-0\/tx-ring-ref: missing/],
    ["event-channel-tx", "999", /event channel 999/],
    ["event-channel-rx", "-1", /event-channel-rx/],
    ["request-rx-copy", "0", /request-rx-copy/],
    ["ctrl-ring-ref", "4711", /event-channel-ctrl: missing/],
  ])("when its key %s is %s", (key, value, reason) => {
    const front = new VifFront();
    const write = front.write.bind(front);
    front.write = (name, text) => write(name, name === key ? value : text);
    write(key, value);
    front.connect();
    expect([front.key("state"), front.key("error")]).toEqual(["5", expect.stringMatching(reason)]);
    expect([front.world.core.mappedGrants, front.wire.station]).toEqual([0, null]);
  });

  it("when its ring's indices contradict each other", () => {
    const front = new VifFront();
    const ring = front.shared();
    new DataView(ring.bytes.buffer, ring.address).setUint32(0, 4711, true);
    const write = front.write.bind(front);
    front.write = (key, value) => write(key, key === "rx-ring-ref" ? String(ring.ref) : value);
    front.connect();
    expect([front.key("state"), front.key("error")]).toEqual(["5", expect.stringContaining("indices")]);
    expect(front.world.core.mappedGrants).toBe(0);
  });
});

describe("buffers that are none", () => {
  it("come back with an error, and the next frame finds the next ones", () => {
    const front = connected({ mtu: 9000 });
    front.post(3);
    const [first] = front.queues[0]!.buffers.values();
    for (const [key] of front.world.core.grants) {
      const gfn = front.world.core.grants.get(key)!;
      if (front.world.core.calls.domainPage(5, gfn) === first!.address) front.world.core.grants.delete(key);
    }
    for (let i = 0; i < 2; i++) front.station.receive(packetOf(FRAME.subarray(0, 1000 + 1000 * i)));
    front.station.settle();
    expect(front.received()).toMatchObject([{ isBroken: true }, { isBroken: false, bytes: FRAME.subarray(0, 2000) }]);
    expect(front.backend.stats().rxErrors).toBe(1);
  });
});

it("a front end that vanishes has everything let go, and senders are not kept waiting", () => {
  const front = connected({ rateBytesPerSecond: 1000 });
  front.wire.accepts = () => false;
  front.send(FRAME);
  front.station.receive(packetOf(FRAME));
  front.world.store.local.remove(front.frontendPath);
  front.world.serve();
  expect([front.key("state"), front.world.core.mappedGrants, front.world.timers]).toEqual(["6", 0, 0]);
  expect(front.wire.events.at(-1)).toBe("unplug");
});

it("a device that is closed while its frame goes out has nothing written to its rings", () => {
  const front = connected();
  front.wire.accepts = () => {
    front.device.close();
    return true;
  };
  front.put(FRAME);
  front.put(FRAME);
  const before = front.ringBytes("tx");
  front.notify();
  expect([front.wire.frames.length, front.world.core.mappedGrants]).toEqual([1, 0]);
  expect(front.ringBytes("tx")).toEqual(before);
});

it("one that sends without end lets others have their turn", () => {
  const front = connected();
  const { tx, txPort } = front.queues[0]!;
  const { ref } = front.shared();
  const slot = txSlot(Object.assign(new TxRequest(), { ref, size: 60 }));
  let refills = 0;
  front.wire.accepts = () => {
    // The guest's other processor fills the ring whenever it is read from.
    while (tx.takeResponse());
    if (tx.free > 0 && refills++ < 5000) tx.pushRequests([slot]);
    return true;
  };
  tx.pushRequests(Array.from({ length: 200 }, () => slot));
  front.world.core.guestNotify(5, txPort);
  front.world.channels.dispatch();
  expect(front.wire.frames.length).toBe(64);
});

it("a frame whose header changes while it is looked at goes out as it was looked at", () => {
  const front = connected();
  const id = front.put(FRAME, { flags: CSUM_BLANK });
  const page = front.queues[0]!.sent.get(id)!;
  front.wire.accepts = () => {
    page.bytes.fill(0, 0, 100);
    return true;
  };
  front.notify();
  expect(front.wire.frames[0]!.bytes.subarray(0, 100)).toEqual(FRAME.subarray(0, 100));
});

// --- any requests, against a second reading of the rules

const PAGES = 6;
const WORLD_BYTES = 4 * 1024 * 1024;
const slotArb = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      page: fc.integer({ min: 0, max: PAGES }),
      offset: fc.oneof(fc.constant(0), fc.nat(4200)),
      flags: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 1, 2, 4, 4) }, { weight: 2, arbitrary: fc.nat(15) }),
      id: fc.nat(65535),
      size: fc.oneof(fc.constantFrom(0, 13, 14, 60, 1514, 2066, 4096), fc.nat(5000), fc.nat(65535)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 5 }) }, { weight: 1, arbitrary: fc.nat(8) }),
      more: fc.boolean(),
      gsoSize: fc.constantFrom(0, 1, 500, 1448, 65535),
      gsoType: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(1, 2) }, { weight: 1, arbitrary: fc.nat(3) }),
      address: fc.nat(70),
    }),
  },
);
type Slot = typeof slotArb extends fc.Arbitrary<infer T> ? T : never;

interface Foretold {
  readonly answers: (readonly [number, number])[];
  /** Lengths of frames that go out. */
  readonly frames: number[];
  closed: boolean;
}

/** What the protocol makes of the slots, read a second time and without a ring; slots as both kinds of bytes. */
function foretell(slots: readonly Uint8Array[], granted: ReadonlyMap<number, Uint8Array>): Foretold {
  const told: Foretold = { answers: [], frames: [], closed: false };
  const word = (slot: Uint8Array, at: number) => slot[at]! + slot[at + 1]! * 256;
  const groups = new Set<number>();
  for (let at = 0; at < slots.length && !told.closed; ) {
    const first = slots[at++]!;
    const extras: Uint8Array[] = [];
    if (word(first, 6) & 8) {
      do {
        if (at === slots.length) return { ...told, closed: true };
        const extra = slots[at++]!;
        extras.push(extra);
        const isBad = extra[0] === 0 || extra[0]! > 5;
        const isBadGso = extra[0] === 1 && (word(extra, 2) === 0 || extra[4]! < 1 || extra[4]! > 2);
        if (isBad || isBadGso) return { ...told, closed: true };
      } while (extras.at(-1)![1]! & 1);
    }
    const answer = (status: number, all: readonly Uint8Array[]) => {
      all.forEach((slot, i) => {
        told.answers.push([word(slot, 8), status]);
        if (i === 0) for (const _ of extras) told.answers.push([0, NULL]);
      });
    };
    const join = extras.filter(([type]) => type === 2).at(-1);
    const leave = extras.filter(([type]) => type === 3).at(-1);
    if (join ?? leave) {
      const isFull = join !== undefined && !groups.has(join[7]!) && groups.size === 64;
      if (join !== undefined && !isFull) groups.add(join[7]!);
      if (leave !== undefined) groups.delete(leave[7]!);
      answer(isFull ? ERROR : OKAY, [first]);
      continue;
    }
    const all = [first];
    while (word(all.at(-1)!, 6) & 4) {
      if (at === slots.length || all.length === 21) return { ...told, closed: true };
      const piece = slots[at++]!;
      all.push(piece);
      if (word(piece, 4) + word(piece, 10) > 4096) return { ...told, closed: true };
    }
    const total = word(first, 10);
    let rest = total;
    let isBad = all.length > 19;
    for (const piece of all.slice(1)) {
      if (word(piece, 10) > rest) isBad = true;
      rest -= word(piece, 10);
    }
    if (!isBad && rest >= 14 && word(first, 4) + rest > 4096) return { ...told, closed: true };
    const bytes: number[] = [];
    all.forEach((slot, i) => {
      const size = i === 0 ? rest : word(slot, 10);
      const page = granted.get(word(slot, 0));
      if (size > 0 && page === undefined) isBad = true;
      if (!isBad && page !== undefined) bytes.push(...page.subarray(word(slot, 4), word(slot, 4) + size));
    });
    const large = extras.filter(([type]) => type === 1).at(-1);
    if (!isBad && rest >= 14 && (word(first, 6) & 1 || large)) {
      const { l4, family, protocol } = headersOf(Uint8Array.from(bytes));
      if (l4 === 0 || (large && (protocol !== 6 || family !== [0, 4, 6][large[4]!]))) isBad = true;
    }
    if (isBad || rest < 14) answer(ERROR, all);
    else {
      answer(OKAY, all);
      told.frames.push(total);
    }
  }
  return told;
}

it("whatever requests come, what is answered and sent is what the protocol says", () => {
  fc.assert(
    fc.property(fc.array(slotArb, { minLength: 1, maxLength: 40 }), (slots: Slot[]) => {
      const world = new World(WORLD_BYTES);
      const front = new VifFront(world);
      front.connect();
      const granted = new Map<number, Uint8Array>();
      const refs = Array.from({ length: PAGES }, (_, i) => {
        const { ref, bytes } = front.shared();
        bytes.set(i % 2 === 0 ? FRAME : build({ family: 6, payload: Array.from({ length: 1400 }, () => i) }));
        granted.set(ref, bytes);
        return ref;
      });
      const raw = slots.map((slot) =>
        "page" in slot
          ? txSlot({ ...slot, ref: refs[slot.page] ?? 4711 })
          : extraSlot({ ...slot, hashType: 0, hash: 0 }),
      );
      const told = foretell(raw, granted);
      front.queues[0]!.tx.pushRequests(raw);
      front.notify();
      expect(front.key("state")).toBe(told.closed ? "5" : "4");
      expect(front.wire.frames.map(({ bytes }) => bytes.length)).toEqual(told.frames);
      if (!told.closed) expect(front.answers()).toEqual(told.answers);
      for (const { gsoSize, partialChecksum, bytes, fragments } of front.wire.frames) {
        expect(fragments).toBeLessThanOrEqual(19);
        if (partialChecksum || gsoSize > 0) expect(headersOf(bytes).l4).toBeGreaterThan(0);
        if (gsoSize > 0) expect([partialChecksum, headersOf(bytes).protocol]).toEqual([true, 6]);
      }
      front.device.close();
      expect(world.core.mappedGrants).toBe(0);
    }),
    { numRuns: 1500 },
  );
}, 120_000);

// --- anything, at any time

it("whatever a front end does, Domain0 stands, foreign pages stay, and who keeps to the protocol is served", () => {
  const featuresArb = fc.record({
    "request-rx-copy": fc.constant("1"),
    "feature-rx-notify": fc.constantFrom("0", "1"),
    "feature-sg": fc.constantFrom("0", "1"),
    "feature-gso-tcpv4": fc.constantFrom("0", "1"),
    "feature-no-csum-offload": fc.constantFrom("0", "1"),
    "request-multicast-control": fc.constantFrom("0", "1"),
  });
  fc.assert(
    fc.property(fc.array(actionArb, { minLength: 1, maxLength: 60 }), featuresArb, (actions, features) => {
      const world = new World(2 * WORLD_BYTES);
      const canary = new VifFront(world, { domid: 6 });
      const canaries = Array.from({ length: 8 }, (_, i) => canary.page().bytes.fill(i + 1));
      const attacker = new Attacker(world, features);
      for (const action of actions) attacker.act(action);
      const { front } = attacker;
      canaries.forEach((bytes, i) => {
        expect(bytes.every((byte) => byte === i + 1)).toBe(true);
      });
      front.backend.resume();
      front.write("state", "6");
      world.serve();
      expect([world.core.mappedGrants, world.timers]).toEqual([0, 0]);
      front.wire.accepts = () => true;
      front.write("state", "1");
      front.connect();
      world.pass(60);
      const before = front.wire.frames.length;
      front.send(FRAME);
      front.world.pass(1000);
      expect([front.key("state"), front.wire.frames.length - before, front.answers().length]).toEqual(["4", 1, 1]);
    }),
    { numRuns: 200 },
  );
}, 300_000);
