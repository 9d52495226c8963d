import { beforeEach, describe, expect, it } from "vitest";
import { GsoType, Packet } from "../../net/index.js";
import {
  Message,
  numberMessage,
  offloadMessage,
  PacketFlag,
  PacketMessage,
  readPacket,
  Segmentation,
  suggestionMessage,
} from "./codec.js";
import { fill, tcpFrame, Vif2Front, World } from "./testing/front.js";

const FAR = Uint8Array.of(2, 0, 0, 0, 0, 9);

let world: World;
let front: Vif2Front;

beforeEach(() => {
  world = new World();
  front = new Vif2Front(world);
});

/** The packets that came into a ring, with their bytes. */
function packets(queue = 0): { readonly message: PacketMessage; readonly bytes: Uint8Array }[] {
  return front.rings[queue]!.take().flatMap((bytes) => {
    const message = new PacketMessage();
    if (bytes[0] !== Message.PACKET) return [];
    expect(readPacket(new DataView(bytes.buffer), bytes.length, message)).toBeNull();
    return [{ message, bytes: bytes.subarray(message.prefixAt) }];
  });
}

const finished = (): number[] =>
  front.rings[0]!.take().flatMap((bytes) => (bytes[0] === Message.FINISH_PACKET ? [bytes[4]!] : []));

/** The Internet checksum's sum, folded. [RFC 1071] */
function onesSum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts)
    for (let index = 0; index < part.length; index++) sum += part[index]! << (index % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

function wrapped(frame: Uint8Array): Packet {
  const packet = new Packet(null);
  packet.wrap(frame);
  return packet;
}

describe("a ring that is full", () => {
  it("has room for what answers the guest's packets, whatever else is to be said", () => {
    const other = new Vif2Front(world, { domid: 6 });
    front.start();
    other.start();
    const [station] = world.stations;
    fill(station!);
    front.say(suggestionMessage(other.macBytes));
    const packet = front.packet(tcpFrame(FAR, front.macBytes, 100), 60);
    for (let sent = 0; sent < 256; sent += 64) front.say(...new Array<Uint8Array>(64).fill(packet));
    expect([front.key("state"), front.key("error")]).toEqual(["4", null]);
    const types = front.rings[0]!.take().map((bytes) => bytes[0]);
    expect(types.filter((type) => type === Message.FINISH_PACKET)).toHaveLength(256);
    front.notify();
    expect(front.rings[0]!.take().map((bytes) => bytes[0])).toEqual([Message.BYPASS_FRONTEND]);
  });
});

it("a message that waited for room is shown though the cable has none for the guest's packets", () => {
  const other = new Vif2Front(world, { domid: 6 });
  front.start();
  other.start();
  const [station] = world.stations;
  fill(station!);
  front.say(suggestionMessage(other.macBytes));
  world.hasRoom = false;
  front.say(front.packet(tcpFrame(FAR, front.macBytes, 100)));
  front.rings[0]!.take();
  front.notify();
  expect(front.rings[0]!.take().map((bytes) => bytes[0])).toEqual([Message.BYPASS_FRONTEND]);
});

describe("the handshake", () => {
  it("says what there is, takes the rings and greets", () => {
    expect([front.key("multi-queue-max-queues"), front.key("max-bypasses"), front.key("state")]).toEqual([
      "16",
      "5",
      "2",
    ]);
    front.connect(2);
    expect(front.key("state")).toBe("4");
    const types = front.rings.map((ring) => ring.take().map((message) => message[0]));
    const greeting = [Message.SET_MAX_PACKETS, Message.SET_MAX_FRAGMENTS, Message.SET_OFFLOAD];
    expect(types).toEqual([greeting, greeting]);
  });

  it.each([
    ["queue-0/prod-order", "9"],
    ["queue-0/cons-order", "2"],
    ["queue-0/cons-gref-63", "x"],
    ["queue-0/control-gref", "999999"],
    ["queue-0/event-channel", "77"],
    ["multi-queue-num-queues", "17"],
  ])("refuses %s of %s, and leaves nothing mapped", (key, value) => {
    front.connect(1, () => front.write(key, value));
    expect(front.key("state")).toBe("5");
    expect(front.key("error")).toMatch(/./);
    expect(world.core.mappedGrants).toBe(0);
    expect(world.stations).toEqual([]);
  });

  it("lets everything go when the front end closes, and begins anew", () => {
    front.start();
    front.write("state", "5");
    front.write("state", "6");
    expect(world.core.mappedGrants).toBe(0);
    expect(world.stations).toEqual([]);
    front.write("state", "1");
    front.start();
    front.say(front.packet(tcpFrame(FAR, front.macBytes, 80)));
    expect(world.frames.length).toBe(1);
  });
});

describe("packets of the guest", () => {
  beforeEach(() => front.start());

  it("go out whole, inline ones without an answer", () => {
    const frame = tcpFrame(FAR, front.macBytes, 200);
    front.say(front.packet(frame), front.packet(frame.subarray(0, 61)));
    expect(world.frames.map(({ bytes }) => bytes)).toEqual([frame, frame.subarray(0, 61)]);
    expect(finished()).toEqual([]);
  });

  it("go out from the guest's pages, which are given back", () => {
    const mapped = world.core.mappedGrants;
    const frame = tcpFrame(FAR, front.macBytes, 65_000);
    front.say(
      front.packet(frame, 66, (message) => {
        message.flags = PacketFlag.CSUM_BLANK;
        message.segmentation = Segmentation.TCPV4;
        message.mss = 1448;
      }),
    );
    expect(world.frames).toEqual([{ bytes: frame, partialChecksum: true, gsoSize: 1448, gsoType: GsoType.TCPV4 }]);
    expect(finished()).toEqual([7]);
    expect(world.core.mappedGrants).toBe(mapped);
  });

  it("go round the ring in order, also over its end", () => {
    const frames = Array.from({ length: 300 }, (_, index) => tcpFrame(FAR, front.macBytes, 60 + (index % 190)));
    for (const frame of frames) front.say(front.packet(frame));
    expect(world.frames.map(({ bytes }) => bytes)).toEqual(frames);
  });

  it("wait while the cable has no room", () => {
    world.hasRoom = false;
    const frames = [1, 2, 3].map((index) => tcpFrame(FAR, front.macBytes, 100 + index));
    front.say(...frames.map((frame) => front.packet(frame, 20)));
    expect([world.frames.length, finished()]).toEqual([0, []]);
    world.hasRoom = true;
    world.stations[0]!.resume();
    expect(world.frames.map(({ bytes }) => bytes)).toEqual(frames);
    expect(finished()).toEqual([7, 7, 7]);
  });

  it("are dropped, but answered, when their pages cannot be had", () => {
    const frame = tcpFrame(FAR, front.macBytes, 9000);
    const mapped = world.core.mappedGrants;
    front.say(
      front.packet(frame, 20, (message) => {
        message.refs[1] = 123_456;
      }),
    );
    expect([world.frames.length, finished(), world.core.mappedGrants]).toEqual([0, [7], mapped]);
    expect(front.backend.stats()).toMatchObject({ txErrors: 1, txPackets: 0 });
    expect(front.key("state")).toBe("4");
  });

  it("and messages for the guest wait as well, and its memory stays as it is", async () => {
    const other = new Vif2Front(world, { domid: 6 });
    other.start();
    const { inPages, control } = front.rings[0]!;
    const memory = () => [control, ...inPages].map((page) => world.core.memory.copy(page, 4096));
    await front.backend.pause();
    const before = memory();
    const [station] = world.stations;
    expect(station!.receive(wrapped(tcpFrame(front.macBytes, FAR, 100)))).toBe(false);
    station!.settle();
    for (let index = 0; index < 8; index++) other.say(other.packet(tcpFrame(front.macBytes, other.macBytes, 100)));
    front.notify();
    expect(memory()).toEqual(before);
    const { rooms } = world;
    front.backend.resume();
    expect(world.rooms).toBe(rooms + 1);
    expect(station!.receive(wrapped(tcpFrame(front.macBytes, FAR, 100)))).toBe(true);
  });

  it("wait while the back end is paused", async () => {
    await front.backend.pause();
    front.say(front.packet(tcpFrame(FAR, front.macBytes, 80)));
    expect(world.frames.length).toBe(0);
    front.backend.resume();
    expect(world.frames.length).toBe(1);
  });
});

it("an address that is not the guest's own is dropped where that is asked for", () => {
  const strict = new Vif2Front(world, { domid: 6, filterMac: true });
  strict.start();
  strict.say(strict.packet(tcpFrame(FAR, front.macBytes, 80)), strict.packet(tcpFrame(FAR, strict.macBytes, 81)));
  expect(world.frames.map(({ bytes }) => bytes.length)).toEqual([81]);
});

describe("packets for the guest", () => {
  it("are dropped before it says what it takes", () => {
    front.connect();
    expect(world.stations[0]!.receive(wrapped(tcpFrame(front.macBytes, FAR, 100)))).toBe(true);
    expect(packets()).toEqual([]);
    expect(front.backend.stats()).toMatchObject({ rxDropped: 1 });
  });

  it("come whole, with the place of a blank checksum and the size of segments", () => {
    front.start();
    const frame = tcpFrame(front.macBytes, FAR, 60_000);
    const packet = wrapped(frame);
    packet.partialChecksum = true;
    packet.gsoType = GsoType.TCPV4;
    packet.gsoSize = 1400;
    expect(world.stations[0]!.receive(packet)).toBe(true);
    world.stations[0]!.settle();
    const [got] = packets();
    expect(got!.bytes).toEqual(frame);
    expect(got!.message).toMatchObject({ csumStart: 34, csumOffset: 16, mss: 1400, segmentation: 1, flags: 3 });
  });

  it("are cut and summed for a guest that takes neither large ones nor blank checksums", () => {
    front.start();
    front.say(offloadMessage({ csum: false, tcpv4: false, tcpv6: false }));
    const packet = wrapped(tcpFrame(front.macBytes, FAR, 54 + 3000));
    packet.partialChecksum = true;
    packet.gsoType = GsoType.TCPV4;
    packet.gsoSize = 1400;
    expect(world.stations[0]!.receive(packet)).toBe(true);
    world.stations[0]!.settle();
    const got = packets();
    expect(got.map(({ bytes, message }) => [bytes.length, message.flags, message.mss])).toEqual([
      [1454, 0, 0],
      [1454, 0, 0],
      [254, 0, 0],
    ]);
    for (const { bytes } of got) {
      const pseudo = Uint8Array.of(
        ...bytes.subarray(26, 34),
        0,
        6,
        (bytes.length - 34) >> 8,
        (bytes.length - 34) & 255,
      );
      expect(onesSum(bytes.subarray(34), pseudo)).toBe(0xffff);
    }
    expect(got.flatMap(({ bytes }) => [...bytes.subarray(54)])).toEqual([
      ...tcpFrame(front.macBytes, FAR, 3054).subarray(54),
    ]);
  });

  it("that fit into no message are cut even for a guest that takes large ones", () => {
    front.start();
    const packet = wrapped(tcpFrame(front.macBytes, FAR, 65_549));
    packet.partialChecksum = true;
    packet.gsoType = GsoType.TCPV4;
    packet.gsoSize = 1448;
    expect(world.stations[0]!.receive(packet)).toBe(true);
    world.stations[0]!.settle();
    expect(packets().reduce((sum, { bytes }) => sum + bytes.length - 54, 0)).toBe(65_549 - 54);
  });

  it("of one flow come by one queue, and many flows by all", () => {
    front.start(4);
    const [station] = world.stations;
    for (let port = 0; port < 64; port++) {
      for (let again = 0; again < 2; again++) station!.receive(wrapped(tcpFrame(front.macBytes, FAR, 100, port)));
    }
    station!.settle();
    const counts = [0, 1, 2, 3].map((queue) => {
      const ports = packets(queue).map(({ bytes }) => bytes[35]!);
      expect(ports.length).toBe(2 * new Set(ports).size);
      return ports.length;
    });
    expect(counts.reduce((sum, count) => sum + count)).toBe(128);
    expect(Math.min(...counts)).toBeGreaterThan(8);
  });

  it("are refused while the ring is full, and the sender is told when it no longer is", () => {
    front.start();
    const [station] = world.stations;
    const frame = tcpFrame(front.macBytes, FAR, 50_000);
    let sent = 0;
    while (station!.receive(wrapped(frame))) sent++;
    expect(sent).toBe(5);
    station!.settle();
    expect(world.rooms).toBe(0);
    expect(packets().length).toBe(sent);
    front.notify();
    expect(world.rooms).toBe(1);
    expect(station!.receive(wrapped(frame))).toBe(true);
  });

  it("go round the ring in order", () => {
    front.start();
    const [station] = world.stations;
    for (let index = 0; index < 200; index++) {
      const frame = tcpFrame(front.macBytes, FAR, 60 + ((index * 977) % 20_000));
      expect(station!.receive(wrapped(frame))).toBe(true);
      station!.settle();
      expect(packets().map(({ bytes }) => bytes)).toEqual([frame]);
    }
  });

  it("raise no event while the guest is at work", () => {
    front.start();
    const { port } = front.rings[0]!;
    const send = (): void => {
      world.stations[0]!.receive(wrapped(tcpFrame(front.macBytes, FAR, 100)));
      world.stations[0]!.settle();
    };
    packets();
    world.core.guestTakePending(front.domid, port);
    send();
    expect(world.core.guestTakePending(front.domid, port)).toBe(true);
    send();
    expect(world.core.guestTakePending(front.domid, port)).toBe(false);
  });
});

it("counters travel with a saved device", () => {
  front.start();
  front.say(front.packet(tcpFrame(FAR, front.macBytes, 80)));
  const other = new Vif2Front(world, { domid: 6 });
  expect(other.backend.restore(front.backend.save())).toMatchObject({ ok: true });
  expect(other.backend.stats()).toMatchObject({ txPackets: 1, txBytes: 80 });
  expect(other.backend.restore({ ...front.backend.save(), version: 2 })).toMatchObject({ ok: false });
});

it("a front end that asks for nothing is not called", () => {
  front.start();
  const { port } = front.rings[0]!;
  front.rings[0]!.take();
  world.core.guestTakePending(front.domid, port);
  front.say(numberMessage(Message.SET_MAX_FRAGMENTS, 4));
  expect(world.core.guestTakePending(front.domid, port)).toBe(false);
});
