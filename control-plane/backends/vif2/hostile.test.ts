/** What a front end may do without anybody but itself coming to harm: nothing throws, nothing stays mapped, others go on. */
import { beforeEach, describe, expect, it } from "vitest";
import { GsoType, Packet } from "../../net/index.js";
import { SeededRandom } from "../../util/index.js";
import { Message, numberMessage, offloadMessage, suggestionMessage } from "./codec.js";
import { fill, tcpFrame, Vif2Front, World } from "./testing/front.js";

const RUNS = 150;

let world: World;
let neighbour: Vif2Front;

beforeEach(() => {
  world = new World();
  neighbour = new Vif2Front(world, { domid: 6 });
  neighbour.start();
});

function hostile(): Vif2Front {
  const front = new Vif2Front(world, { domid: 5 });
  front.start();
  front.rings[0]!.take();
  return front;
}

/** The device is closed for a reason, and the neighbour's is not. */
function expectClosed(front: Vif2Front, why: RegExp): void {
  expect(front.key("error")).toMatch(why);
  expect(front.key("state")).toBe("5");
  expect(neighbour.key("state")).toBe("4");
  const before = world.frames.length;
  neighbour.say(neighbour.packet(tcpFrame(front.macBytes, neighbour.macBytes, 100)));
  expect(world.frames.length).toBe(before + 1);
}

describe("a front end is disconnected when", () => {
  it.each([
    ["its index is beyond the ring", 0, 100_000, /index that cannot be/],
    ["its index is no multiple of a message", 0, 4, /index that cannot be/],
    ["it has consumed what was not there", 68, 100_000, /more consumed/],
  ])("%s", (_, offset, value, why) => {
    const front = hostile();
    const mapped = world.core.mappedGrants;
    front.rings[0]!.set(offset, (front.rings[0]!.get(offset) + value) >>> 0);
    front.notify();
    const packet = front.packet(tcpFrame(neighbour.macBytes, front.macBytes, 3000), 20);
    if (offset !== 0) front.say(packet);
    expectClosed(front, why);
    expect(world.core.mappedGrants).toBeLessThan(mapped);
  });

  it.each([
    ["a message has no size", Uint8Array.of(Message.PACKET, 0, 0, 0, 0, 0, 0, 0)],
    ["a message is longer than what there is", Uint8Array.of(Message.PAD, 0, 0, 80, 0, 0, 0, 0)],
    ["a message is of no known kind", Uint8Array.of(77, 0, 8, 0, 0, 0, 0, 0)],
    ["it finishes a packet that it need not", numberMessage(Message.FINISH_PACKET, 1)],
    ["a packet has no head", Uint8Array.of(Message.PACKET, 0, 8, 0, 0, 0, 0, 0)],
  ])("%s", (_, message) => {
    const front = hostile();
    front.say(message);
    expectClosed(front, /./);
  });

  it.each([
    ["a fragment leaves its page", (bytes: DataView) => bytes.setUint16(22, 4000, true)],
    ["a fragment is empty", (bytes: DataView) => bytes.setUint16(20, 0, true)],
    ["the prefix is longer than the message", (bytes: DataView) => bytes.setUint16(12, 60_000, true)],
    ["the prefix and the fragments do not make up the message", (bytes: DataView) => bytes.setUint16(12, 19, true)],
    ["a packet with fragments says that it has none", (bytes: DataView) => bytes.setUint8(8, 4)],
    ["a packet is of no known kind", (bytes: DataView) => bytes.setUint8(8, 3)],
  ])("%s", (_, change) => {
    const front = hostile();
    const message = front.packet(tcpFrame(neighbour.macBytes, front.macBytes, 3000), 20);
    change(new DataView(message.buffer));
    front.say(message);
    expectClosed(front, /./);
  });

  it("it takes no answers", () => {
    const front = hostile();
    const packet = front.packet(tcpFrame(neighbour.macBytes, front.macBytes, 100), 20);
    for (let index = 0; index < 40_000 && front.key("state") === "4"; index++) front.say(packet);
    expectClosed(front, /more packets than it may send/);
  }, 60_000);
});

describe("one that breaks its ring in the middle of our work", () => {
  /** Where the control page says how much we have written, and how much of it the guest has consumed. */
  const WRITTEN = 64;
  const CONSUMED = 68;

  /** It lies about what it has consumed from the nth look on; answers how often it was looked at since. */
  function lieFrom(front: Vif2Front, nth: number): () => number {
    const { memory } = world.core;
    const { control } = front.rings[0]!;
    const load = memory.load32.bind(memory);
    let looks = 0;
    memory.load32 = (address) => {
      if (address !== control + CONSUMED || ++looks < nth) return load(address);
      return (load(control + WRITTEN) + 100_000) >>> 0;
    };
    return () => looks - nth;
  }

  it("is closed also when that is while it is greeted", () => {
    const front = new Vif2Front(world, { domid: 5 });
    const connect = front.backend.connect.bind(front.backend);
    front.backend.connect = (io) => {
      lieFrom(front, 2);
      return connect(io);
    };
    const mapped = world.core.mappedGrants;
    front.connect();
    expectClosed(front, /more consumed/);
    expect(world.core.mappedGrants).toBe(mapped);
  });

  it("is given no more of what has begun", () => {
    const front = hostile();
    front.say(offloadMessage({ csum: false, tcpv4: false, tcpv6: false }));
    const [, station] = world.stations;
    const packet = new Packet(null);
    packet.wrap(tcpFrame(front.macBytes, neighbour.macBytes, 5000));
    packet.partialChecksum = true;
    packet.gsoSize = 1000;
    packet.gsoType = GsoType.TCPV4;
    const looksSince = lieFrom(front, 3);
    expect([station!.receive(packet), looksSince()]).toEqual([true, 0]);
    world.serve();
    expectClosed(front, /more consumed/);
  });

  it("holds up nobody when that is while its ring is full", () => {
    const front = hostile();
    const [, station] = world.stations;
    const packet = new Packet(null);
    packet.wrap(new Uint8Array(60_000));
    while (station!.receive(packet));
    lieFrom(front, 2);
    expect(station!.receive(packet)).toBe(true);
    world.serve();
    expectClosed(front, /more consumed/);
  });

  it("leaves its neighbours their bypasses", () => {
    neighbour.write("state", "6");
    neighbour.write("state", "1");
    neighbour.start(2);
    const front = new Vif2Front(world, { domid: 5 });
    for (let round = 0; round < 6; round++) {
      front.start(2);
      front.rings[0]!.set(CONSUMED, 100_000);
      front.say(suggestionMessage(neighbour.macBytes));
      for (const state of ["6", "1"]) front.write("state", state);
    }
    const friend = new Vif2Front(world, { domid: 7 });
    friend.start(2);
    friend.say(suggestionMessage(neighbour.macBytes));
    expect(friend.rings[0]!.take().map((bytes) => bytes[0])).toEqual([Message.BYPASS_FRONTEND]);
  });
});

it("one that answers what it is told of bypasses, and reads nothing of it, is closed", () => {
  const front = hostile();
  const [, station] = world.stations;
  fill(station!);
  let handle = 0;
  for (let round = 0; round < 60; round++) {
    front.say(suggestionMessage(neighbour.macBytes));
    handle += 16;
    for (const state of ["6", "1"]) neighbour.write("state", state);
    front.say(numberMessage(Message.BYPASS_DISABLED, handle), numberMessage(Message.BYPASS_DETACHED, handle));
    neighbour.start();
  }
  expectClosed(front, /does not read/);
});

it("a frame that is too short is dropped", () => {
  const front = hostile();
  front.say(front.packet(new Uint8Array(13)), front.packet(new Uint8Array(0)));
  expect(front.backend.stats()).toMatchObject({ txErrors: 2, txPackets: 0 });
  expect(world.frames.length).toBe(0);
});

it("segments of no size, or with a whole checksum, are plain frames", () => {
  const front = hostile();
  const frame = tcpFrame(neighbour.macBytes, front.macBytes, 100);
  for (const [flags, mss] of [
    [1, 0],
    [0, 100],
  ] as const) {
    front.say(
      front.packet(frame, 100, (message) => {
        message.segmentation = 1;
        message.flags = flags;
        message.mss = mss;
      }),
    );
  }
  expect(world.frames.map(({ gsoSize, gsoType }) => [gsoSize, gsoType])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

it("random bytes in rings, indices and messages about bypasses do no harm", () => {
  const random = new SeededRandom(7);
  const below = (limit: number): number => random.u32() % limit;
  for (let run = 0; run < RUNS; run++) {
    const domid = 10 + run;
    const front = new Vif2Front(world, { domid, mac: "00:16:3e:00:01:01" });
    front.start();
    for (let message = 0; message < 20 && front.key("state") === "4"; message++) {
      const bytes = Uint8Array.from({ length: 8 + 8 * below(30) }, () => below(256));
      bytes[0] = [2, 2, 11, 12, 14, 16, 17, below(256)][below(8)]!;
      if (below(8) > 0) new DataView(bytes.buffer).setUint16(2, bytes.length, true);
      if (below(40) === 0) front.rings[0]!.set(4 * below(32), random.u32());
      front.say(bytes);
    }
    front.write("state", "5");
    front.write("state", "6");
  }
  expect(neighbour.key("state")).toBe("4");
  neighbour.write("state", "6");
  expect(world.core.mappedGrants).toBe(0);
});
