/** What a guest sends. */
import { describe, expect, it } from "vitest";
import { GsoType } from "../../net/index.js";
import { build, headersOf } from "../../net/testing/frames.js";
import { ExtraType, NetifStatus, TxFlag } from "./codec.js";
import { type FrontOptions, VifFront } from "./testing/front.js";

const data = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 11) & 255);
const tcp = (count: number, family: 4 | 6 = 4): Uint8Array => build({ family, payload: data(count) });
const { CSUM_BLANK, DATA_VALIDATED } = TxFlag;
const { OKAY, NULL } = NetifStatus;

function connected(options: FrontOptions = {}): VifFront {
  const front = new VifFront(undefined, options);
  front.connect();
  return front;
}

describe("a frame that a guest sends", () => {
  it("goes out as it is, and is answered", () => {
    const front = connected();
    const frame = tcp(300);
    const id = front.send(frame, { offset: 100 });
    expect(front.wire.frames).toEqual([
      { bytes: frame, partialChecksum: false, dataValidated: false, gsoSize: 0, gsoType: 0, fragments: 1 },
    ]);
    expect(front.answers()).toEqual([[id, OKAY]]);
    expect(front.backend.stats()).toMatchObject({ txFrames: 1, txBytes: frame.length, txErrors: 0 });
    expect(front.world.core.mappedGrants).toBe(2);
  });

  it.each([{ pieces: [1000, 4096, 1] }, { pieces: Array.from({ length: 18 }, () => 30) }, { pieces: [0, 500, 0] }])(
    "may be in several pieces: $pieces",
    ({ pieces }) => {
      const front = connected();
      const frame = tcp(
        Math.max(
          900,
          pieces.reduce((sum, size) => sum + size, 0),
        ),
      );
      const id = front.send(frame, { pieces });
      expect(front.wire.frames.map(({ bytes }) => bytes)).toEqual([frame]);
      expect(front.answers()).toEqual([id, ...pieces.map((_, i) => id + 1 + i)].map((each) => [each, OKAY]));
    },
  );

  it("may begin with the fewest bytes and end in the sixteenth page", () => {
    const front = connected();
    const frame = tcp(65000);
    front.send(frame, { pieces: [...Array.from({ length: 15 }, () => 4096), frame.length - 15 * 4096 - 14] });
    expect(front.wire.frames.map(({ bytes }) => bytes)).toEqual([frame]);
  });

  it.each([
    [CSUM_BLANK | DATA_VALIDATED, { partialChecksum: true, dataValidated: true }],
    [CSUM_BLANK, { partialChecksum: true, dataValidated: true }],
    [DATA_VALIDATED, { partialChecksum: false, dataValidated: true }],
  ])("says how far its checksum is: flags %i", (flags, expected) => {
    const front = connected();
    front.send(tcp(10), { flags });
    expect(front.wire.frames).toMatchObject([expected]);
  });

  it.each([
    [4, GsoType.TCPV4],
    [6, GsoType.TCPV6],
  ] as const)("may be large: IPv%i", (family, gsoType) => {
    const front = connected();
    const frame = tcp(9000, family);
    const extras = [{ type: ExtraType.GSO, gsoSize: 1448, gsoType }];
    const id = front.send(frame, { flags: CSUM_BLANK, pieces: [4000, 4000], extras });
    expect(front.wire.frames).toMatchObject([{ bytes: frame, gsoSize: 1448, gsoType, partialChecksum: true }]);
    expect(front.answers()).toEqual([
      [id, OKAY],
      [0, NULL],
      [id + 1, OKAY],
      [id + 2, OKAY],
    ]);
    expect(front.backend.stats().txLarge).toBe(1);
  });

  it("that is large is given the partial checksum that its sender forgot", () => {
    const front = connected();
    const right = tcp(3000);
    const wrong = right.slice();
    wrong[headersOf(right).checksum]! ^= 0x55;
    front.send(wrong, { extras: [{ type: ExtraType.GSO, gsoSize: 1448, gsoType: 1 }] });
    expect(front.wire.frames).toMatchObject([{ bytes: right, partialChecksum: true, gsoSize: 1448 }]);
  });

  it("that is large and fits into one segment is a plain one", () => {
    const front = connected();
    front.send(tcp(1448), { flags: CSUM_BLANK, extras: [{ type: ExtraType.GSO, gsoSize: 1448, gsoType: 1 }] });
    expect(front.wire.frames).toMatchObject([{ gsoSize: 0, gsoType: 0, partialChecksum: true }]);
  });

  it("may have other extra information, which changes nothing", () => {
    const front = connected();
    const extras = [{ type: ExtraType.HASH }, { type: ExtraType.XDP }, { type: ExtraType.HASH }];
    const id = front.send(tcp(10), { extras });
    expect(front.answers()).toEqual([
      [id, OKAY],
      [0, NULL],
      [0, NULL],
      [0, NULL],
    ]);
    expect(front.wire.frames.length).toBe(1);
  });
});

describe("many frames", () => {
  it("go around the ring many times, in order, with one batch and one notification a turn", () => {
    const front = connected();
    let sent = 0;
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 20; i++) front.put(build({ family: 4, id: sent++ }), i % 3 === 0 ? { pieces: [10] } : {});
      const before = front.world.notifies;
      front.notify();
      expect(front.world.notifies - before).toBe(1);
      expect(front.answers().every(([, status]) => status === OKAY)).toBe(true);
    }
    const ids = front.wire.frames.map(({ bytes }) => new DataView(bytes.buffer).getUint16(18));
    expect(ids).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    expect(front.wire.events.filter((event) => event === "settle").length).toBe(100);
  });

  it("are sent by turns of 64", () => {
    const front = connected();
    for (let i = 0; i < 100; i++) front.put(tcp(1));
    front.world.core.guestNotify(5, front.queues[0]!.txPort);
    front.world.channels.dispatch();
    expect(front.wire.frames.length).toBe(64);
    front.world.serve();
    expect(front.wire.frames.length).toBe(100);
    expect(front.wire.events.flatMap((event, i) => (event === "settle" ? [i] : []))).toEqual([64, 101]);
  });

  it("do not wake a guest that did not ask for it", () => {
    const front = connected();
    front.send(tcp(1));
    expect(front.isNotified("tx")).toBe(true);
    // It has not taken its answers: its event index stands behind.
    front.send(tcp(1));
    expect(front.isNotified("tx")).toBe(false);
    expect(front.answers().length).toBe(2);
    front.send(tcp(1));
    expect(front.isNotified("tx")).toBe(true);
  });

  it("ask for no notification while they are being sent", () => {
    const front = connected();
    front.put(tcp(1));
    // Pushing says whether the back end wants to hear of it: it was asked last when the ring was empty.
    expect(front.queues[0]!.tx.pushRequests([])).toBe(false);
    front.notify();
    expect(front.wire.frames.length).toBe(1);
  });

  it("of a queue for each processor go over the same wire", () => {
    const front = connected({ queues: 4, split: false });
    for (let queue = 0; queue < 4; queue++) {
      front.send(tcp(queue), {}, queue);
      expect(front.answers(queue).length).toBe(1);
    }
    expect(front.wire.frames.length).toBe(4);
    expect(front.backend.stats()).toMatchObject({ txFrames: 4, "queue3.txFrames": 1 });
  });
});

describe("a wire without room", () => {
  it("keeps frames in the ring until there is some", () => {
    const front = connected();
    let room = 3;
    front.wire.accepts = () => room-- > 0;
    for (let i = 0; i < 5; i++) front.put(build({ family: 4, id: i }), { pieces: [9] });
    front.notify();
    expect([front.wire.frames.length, front.answers().length]).toEqual([3, 6]);
    expect([front.world.core.mappedGrants, front.backend.stats().txHeld]).toEqual([2, 1]);
    front.send(tcp(1));
    expect(front.wire.frames.length).toBe(3);
    room = 100;
    front.station.resume();
    expect([front.wire.frames.length, front.answers().length]).toEqual([6, 5]);
    expect(front.wire.frames.map(({ bytes }) => new DataView(bytes.buffer).getUint16(18))).toEqual([0, 1, 2, 3, 4, 1]);
  });

  it("that has room again while it says no is asked again, and others have their turn", () => {
    const front = connected();
    let refusals = 0;
    front.wire.accepts = () => {
      if (refusals++ > 0) return true;
      front.station.resume();
      return false;
    };
    front.send(tcp(1));
    expect([front.wire.frames.length, refusals, front.answers().length]).toEqual([1, 2, 1]);
    refusals = -1e9;
    front.wire.accepts = () => {
      refusals++;
      front.station.resume();
      return false;
    };
    front.put(tcp(1));
    front.world.core.guestNotify(5, front.queues[0]!.txPort);
    front.world.channels.dispatch();
    expect(refusals + 1e9).toBeLessThan(3);
  });

  it("takes from each queue in its turn", () => {
    const front = connected({ queues: 3 });
    let room = 0;
    front.wire.accepts = () => room-- > 0;
    for (let queue = 0; queue < 3; queue++) {
      for (let i = 0; i < 10; i++) front.put(build({ family: 4, id: queue }), {}, queue);
      front.notify(queue);
    }
    for (let turn = 0; turn < 6; turn++) {
      room = 2;
      front.station.resume();
    }
    const queues = front.wire.frames.map(({ bytes }) => new DataView(bytes.buffer).getUint16(18));
    expect([0, 1, 2].map((queue) => queues.filter((each) => each === queue).length)).toEqual([4, 4, 4]);
  });
});

describe("an allowance", () => {
  it("lets through what it says, and the guest waits for the rest", () => {
    // 50 frames of 1000 bytes in a window of 50 ms.
    const front = connected({ rateBytesPerSecond: 1_000_000 });
    const frame = tcp(1000 - 66);
    for (let i = 0; i < 120; i++) front.put(frame);
    front.notify();
    expect([front.wire.frames.length, front.backend.stats().txLimited, front.world.timers]).toEqual([50, 1, 1]);
    front.world.pass(49);
    expect(front.wire.frames.length).toBe(50);
    front.world.pass(1);
    expect(front.wire.frames.length).toBe(100);
    front.world.pass(50);
    expect([front.wire.frames.length, front.answers().length, front.world.timers]).toEqual([120, 120, 0]);
  });

  it("is counted over windows as long as they are asked for, after a reconnection too", () => {
    const front = connected({ rateBytesPerSecond: 1_000_000, rateWindowUs: 20_000 });
    const frame = tcp(1000 - 66);
    for (const from of [0, 40]) {
      for (let i = 0; i < 60; i++) front.put(frame);
      front.notify();
      expect(front.wire.frames.length).toBe(from + 20);
      front.world.pass(19);
      expect(front.wire.frames.length).toBe(from + 20);
      front.world.pass(1);
      expect(front.wire.frames.length).toBe(from + 40);
      front.world.pass(20);
      front.write("state", "6");
      front.write("state", "1");
      front.world.serve();
      front.connect();
    }
  });

  it("is not given anew to a front end that connects again and again", () => {
    const front = connected({ rateBytesPerSecond: 1_000_000 });
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 60; i++) front.put(tcp(1000 - 66));
      front.notify();
      expect([front.wire.frames.length, front.world.timers]).toEqual([50, 1]);
      for (const state of ["6", "1"]) front.write("state", state);
      front.world.serve();
      expect(front.world.timers).toBe(0);
      front.connect();
    }
    for (let i = 0; i < 60; i++) front.put(tcp(1000 - 66));
    front.notify();
    front.world.pass(50);
    expect(front.wire.frames.length).toBe(100);
  });

  it("is for all queues together, and holds over time", () => {
    const front = connected({ rateBytesPerSecond: 1_000_000, queues: 2 });
    const frame = tcp(1000 - 66);
    for (let second = 0; second < 20; second++) {
      for (const queue of [0, 1]) {
        for (let i = 0; i < 50; i++) if (front.queues[queue]!.tx.free > 0) front.put(frame, {}, queue);
        front.notify(queue);
        front.answers(queue);
      }
      front.world.pass(50);
      for (const queue of [0, 1]) front.answers(queue);
    }
    // 20 windows and the one that it began with.
    expect(front.wire.frames.length).toBe(21 * 50);
    expect(front.backend.stats()["queue1.txFrames"]).toBeGreaterThan(300);
  });

  it("that is less than a frame lets it through in the end", () => {
    const front = connected({ rateBytesPerSecond: 100_000 });
    front.send(tcp(60_000), { pieces: Array.from({ length: 15 }, () => 3900) });
    expect(front.wire.frames.length).toBe(0);
    front.world.pass(700);
    expect(front.wire.frames.length).toBe(1);
  });

  it("takes nothing for what is refused", () => {
    const front = connected({ rateBytesPerSecond: 100_000 });
    let refusals = 50;
    front.wire.accepts = () => refusals-- <= 0;
    front.send(tcp(4000));
    for (let i = 0; i < 50; i++) front.station.resume();
    expect(front.wire.frames.length).toBe(1);
  });

  it("may be another from one moment to the next, or none", () => {
    const front = connected({ rateBytesPerSecond: 20_000 });
    for (let i = 0; i < 40; i++) front.put(tcp(1000 - 66));
    front.notify();
    expect([front.wire.frames.length, front.world.timers]).toEqual([1, 1]);
    front.backend.limit(200_000);
    front.world.serve();
    expect([front.wire.frames.length, front.world.timers]).toEqual([11, 1]);
    front.backend.limit(null);
    front.world.serve();
    expect([front.wire.frames.length, front.world.timers]).toEqual([40, 0]);
  });

  it("leaves no timer behind", () => {
    const front = connected({ rateBytesPerSecond: 1000 });
    front.send(tcp(4000));
    expect(front.world.timers).toBe(1);
    front.write("state", "6");
    expect(front.world.timers).toBe(0);
  });
});

it("a paused guest's frames stay in the ring", async () => {
  const front = connected();
  await front.backend.pause();
  front.send(tcp(1));
  expect([front.wire.frames.length, front.answers().length]).toEqual([0, 0]);
  front.backend.resume();
  expect([front.wire.frames.length, front.answers().length]).toEqual([1, 1]);
});

it("what a paused guest was waiting with is there for its successor", async () => {
  const front = connected();
  front.send(tcp(1));
  front.wire.accepts = () => false;
  const id = front.send(tcp(5), { pieces: [20] });
  await front.backend.pause();
  front.device.close();
  expect([front.wire.frames.length, front.world.core.mappedGrants, front.answers().length]).toEqual([1, 0, 1]);
  front.wire.accepts = () => true;
  front.start();
  front.write("state", "4");
  front.world.serve();
  expect(front.wire.frames.length).toBe(2);
  expect(front.answers()).toEqual([
    [id, OKAY],
    [id + 1, OKAY],
  ]);
});
