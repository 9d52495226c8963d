/** Which of a guest's queues a frame goes to, and which groups it gets. */
import { describe, expect, it } from "vitest";
import { DEFAULT_KEY, Packet } from "../../net/index.js";
import { build, type Frame } from "../../net/testing/frames.js";
import { ControlStatus, ControlType, ExtraType, HashAlgorithm, HashType, NetifStatus, RxFlag } from "./codec.js";
import { MOST_GROUPS } from "./groups.js";
import { type FrontOptions, LINUX_FEATURES, type Received, VifFront } from "./testing/front.js";

const QUEUES = 4;
const { SUCCESS, INVALID_PARAMETER, NOT_SUPPORTED } = ControlStatus;

function connected(options: FrontOptions = {}): VifFront {
  const front = new VifFront(undefined, options);
  front.connect();
  for (let queue = 0; queue < (options.queues ?? 1); queue++) front.post(60, queue);
  return front;
}

function deliver(front: VifFront, bytes: Uint8Array): { readonly queue: number; readonly frame: Received } | null {
  const packet = new Packet(null);
  packet.wrap(bytes);
  front.station.receive(packet);
  front.station.settle();
  for (let queue = 0; queue < front.queues.length; queue++) {
    const [frame] = front.received(queue);
    front.post(1, queue);
    if (frame) return { queue, frame };
  }
  return null;
}

const flow = (port: number, rest: Partial<Frame> = {}): Uint8Array => build({ family: 4, ports: [port, 80], ...rest });

describe("without being told", () => {
  it.each([4, 6] as const)("flows of IPv%i spread over all queues, each always to the same", (family) => {
    const front = connected({ queues: QUEUES });
    const queues = Array.from({ length: 64 }, (_, port) => deliver(front, flow(port, { family }))!.queue);
    expect(new Set(queues).size).toBe(QUEUES);
    expect(
      Array.from({ length: 64 }, (_, port) => deliver(front, flow(port, { family, payload: [1] }))!.queue),
    ).toEqual(queues);
    expect(front.backend.stats()["queue2.rxFrames"]).toBeGreaterThan(0);
  });

  it("what is no flow goes to the first", () => {
    const front = connected({ queues: QUEUES });
    const arp = new Uint8Array(60);
    arp.set([8, 6], 12);
    expect(deliver(front, arp)!.queue).toBe(0);
  });

  it("pieces of a packet stay together", () => {
    const front = connected({ queues: QUEUES });
    const piece = (port: number): Uint8Array => {
      const bytes = flow(port);
      bytes[20] = 0x20;
      return bytes;
    };
    expect(new Set([1, 2, 3, 4, 5, 6].map((port) => deliver(front, piece(port))!.queue)).size).toBe(1);
  });
});

describe("the control ring", () => {
  /** A page with these words in it. */
  function granted(front: VifFront, words: readonly number[]): number {
    const { ref, bytes } = front.shared();
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    words.forEach((word, i) => {
      view.setUint32(i * 4, word, true);
    });
    return ref;
  }

  function withKey(front: VifFront, flags: number): void {
    const { ref, bytes } = front.shared();
    bytes.set(DEFAULT_KEY);
    const steps = [
      front.ask(ControlType.SET_HASH_ALGORITHM, HashAlgorithm.TOEPLITZ),
      front.ask(ControlType.SET_HASH_FLAGS, flags),
      front.ask(ControlType.SET_HASH_KEY, ref, 40),
    ];
    expect(steps.map((answer) => answer?.status)).toEqual([SUCCESS, SUCCESS, SUCCESS]);
  }

  it("says what there is", () => {
    const front = connected({ control: true });
    expect(front.ask(ControlType.GET_HASH_FLAGS)).toEqual({ id: 77, type: 1, status: SUCCESS, data: 15 });
    expect(front.ask(ControlType.GET_HASH_MAPPING_SIZE)).toMatchObject({ status: SUCCESS, data: 128 });
    expect(front.ask(99)).toMatchObject({ type: 99, status: NOT_SUPPORTED });
  });

  it("spreads flows by a table, and says each one's hash", () => {
    const front = connected({ control: true, queues: QUEUES });
    withKey(front, 0b1111);
    expect(front.ask(ControlType.SET_HASH_MAPPING_SIZE, 8)).toMatchObject({ status: SUCCESS });
    const table = [3, 2, 1, 0, 3, 2, 1, 0];
    expect(front.ask(ControlType.SET_HASH_MAPPING, granted(front, table), 8, 0)).toMatchObject({ status: SUCCESS });
    // Microsoft's first example, whose hash is published.
    const known = build({ family: 4, source: "66.9.149.187", destination: "161.142.100.80", ports: [2794, 1766] });
    const found = deliver(front, known)!;
    expect(found.frame.extras).toEqual([{ type: ExtraType.HASH, hashType: HashType.IPV4_TCP, hash: 0x51ccc178 }]);
    expect([found.queue, found.frame.flags & RxFlag.EXTRA_INFO]).toEqual([table[0x51ccc178 % 8], RxFlag.EXTRA_INFO]);
    const udp = build({ family: 4, source: "66.9.149.187", destination: "161.142.100.80", protocol: 17 });
    expect(deliver(front, udp)!.frame.extras).toMatchObject([{ hashType: HashType.IPV4, hash: 0x323e8fc2 }]);
    const v6 = {
      family: 6,
      source: "3ffe:2501:200:1fff::7",
      destination: "3ffe:2501:200:3::1",
      ports: [2794, 1766],
    } as const;
    expect(deliver(front, build(v6))!.frame.extras).toMatchObject([{ hashType: HashType.IPV6_TCP, hash: 0x40207d3d }]);
  });

  it("spreads by a table of any size", () => {
    const front = connected({ control: true, queues: QUEUES });
    withKey(front, 0b1111);
    front.ask(ControlType.SET_HASH_MAPPING_SIZE, 3);
    front.ask(ControlType.SET_HASH_MAPPING, granted(front, [1, 2, 3]), 3, 0);
    for (let port = 0; port < 20; port++) {
      const { queue, frame } = deliver(front, flow(port))!;
      expect(queue).toBe(1 + (frame.extras[0]!.hash! % 3));
    }
  });

  it("hashes what its flags say and nothing else", () => {
    const front = connected({ control: true, queues: QUEUES });
    withKey(front, 1 << HashType.IPV6);
    expect(deliver(front, flow(1))).toMatchObject({ queue: 0, frame: { extras: [] } });
    expect(deliver(front, flow(1, { family: 6 }))!.frame.extras).toMatchObject([{ hashType: HashType.IPV6 }]);
    front.ask(ControlType.SET_HASH_ALGORITHM, HashAlgorithm.NONE);
    expect(deliver(front, flow(1, { family: 6 }))!.frame.extras).toEqual([]);
  });

  it("sends large frames with both kinds of extra information", () => {
    const front = connected({ control: true });
    withKey(front, 0b1111);
    const packet = new Packet(null);
    packet.wrap(flow(1, { payload: Array.from({ length: 9000 }, () => 1) }));
    packet.gsoSize = 1448;
    packet.gsoType = 1;
    front.station.receive(packet);
    front.station.settle();
    expect(front.received()[0]!.extras.map(({ type }) => type)).toEqual([ExtraType.GSO, ExtraType.HASH]);
  });

  it("refuses what makes no sense, and what was there stays", () => {
    const front = connected({ control: true, queues: QUEUES });
    const statuses = (...requests: readonly (readonly number[])[]) =>
      requests.map(([type, ...data]) => front.ask(type!, ...data)?.status);
    expect(statuses([ControlType.SET_HASH_FLAGS, 1], [ControlType.SET_HASH_ALGORITHM, 2])).toEqual([2, 2]);
    withKey(front, 0b1111);
    front.ask(ControlType.SET_HASH_MAPPING_SIZE, 4);
    front.ask(ControlType.SET_HASH_MAPPING, granted(front, [1, 1, 1, 1]), 4, 0);
    const page = granted(front, [0, 1, 2, 4]);
    expect(
      statuses(
        [ControlType.SET_HASH_FLAGS, 0x10],
        [ControlType.SET_HASH_KEY, page, 41],
        [ControlType.SET_HASH_KEY, 4711, 40],
        [ControlType.SET_HASH_MAPPING_SIZE, 129],
        [ControlType.SET_HASH_MAPPING, page, 4, 0],
        [ControlType.SET_HASH_MAPPING, page, 2, 3],
        [ControlType.SET_HASH_MAPPING, page, 0xffff_ffff, 1],
        [ControlType.SET_HASH_MAPPING, page, 1, 0xffff_ffff],
        [ControlType.SET_HASH_MAPPING, 4711, 4, 0],
      ),
    ).toEqual(Array.from({ length: 9 }, () => INVALID_PARAMETER));
    expect([1, 2, 3].map((port) => deliver(front, flow(port))!.queue)).toEqual([1, 1, 1]);
    expect(front.world.core.mappedGrants).toBe(2 * QUEUES + 1);
  });

  it("that is broken closes the device", () => {
    const front = connected({ control: true });
    front.control!.ring.pushRequests(Array.from({ length: 300 }, () => new Uint8Array(16)));
    front.world.core.guestNotify(5, front.control!.port);
    front.world.serve();
    expect([front.key("state"), front.key("error")]).toEqual(["5", expect.stringContaining("control ring")]);
  });

  it("keeps what it was told across save and restore", () => {
    const front = connected({ control: true, queues: QUEUES });
    withKey(front, 0b1111);
    front.ask(ControlType.SET_HASH_MAPPING_SIZE, 2);
    front.ask(ControlType.SET_HASH_MAPPING, granted(front, [3, 3]), 2, 0);
    const next = new VifFront(undefined, { control: true, queues: QUEUES });
    next.backend.restore(JSON.parse(JSON.stringify(front.backend.save())));
    next.connect();
    for (let queue = 0; queue < QUEUES; queue++) next.post(5, queue);
    expect(deliver(next, flow(5))).toEqual(deliver(front, flow(5)));
    expect(deliver(next, flow(5))!.queue).toBe(3);
  });
});

describe("multicast groups", () => {
  const GROUP = 0x0100_5e00_00fb;
  const to = (address: number): Uint8Array => {
    const bytes = flow(1);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, Math.floor(address / 2 ** 32));
    view.setUint32(2, address % 2 ** 32);
    return bytes;
  };
  const gets = (front: VifFront, address: number): boolean => deliver(front, to(address)) !== null;
  const ask = (front: VifFront, type: number, address: number) => {
    front.send(new Uint8Array(14), { extras: [{ type, address }] });
    return front.answers();
  };

  it("are all received by a guest that does not ask to be asked", () => {
    expect(gets(connected(), GROUP)).toBe(true);
  });

  it("are received when they were asked for, once that was wanted, which may change", () => {
    const front = connected({ features: { ...LINUX_FEATURES, "request-multicast-control": "1" } });
    expect([gets(front, GROUP), gets(front, 0xffff_ffff_ffff), gets(front, 0x0016_3e00_0005)]).toEqual([
      false,
      true,
      true,
    ]);
    expect(ask(front, ExtraType.MCAST_ADD, GROUP).map(([, status]) => status)).toEqual([
      NetifStatus.OKAY,
      NetifStatus.NULL,
    ]);
    expect([gets(front, GROUP), gets(front, GROUP + 1)]).toEqual([true, false]);
    front.write("request-multicast-control", "0");
    expect(gets(front, GROUP + 1)).toBe(true);
    front.write("request-multicast-control", "1");
    ask(front, ExtraType.MCAST_DEL, GROUP);
    expect([gets(front, GROUP), front.wire.frames.length, front.backend.stats().rxFiltered]).toEqual([false, 0, 3]);
  });

  it("are no more than there is room for", () => {
    const front = connected({ features: { ...LINUX_FEATURES, "request-multicast-control": "1" } });
    for (let i = 0; i < MOST_GROUPS; i++) expect(ask(front, ExtraType.MCAST_ADD, GROUP + i)[0]![1]).toBe(0);
    expect(ask(front, ExtraType.MCAST_ADD, GROUP)[0]![1]).toBe(0);
    expect(ask(front, ExtraType.MCAST_ADD, GROUP + 1000)[0]![1]).toBe(NetifStatus.ERROR);
    ask(front, ExtraType.MCAST_DEL, GROUP + 3);
    expect(ask(front, ExtraType.MCAST_ADD, GROUP + 1000)[0]![1]).toBe(0);
    expect([gets(front, GROUP + 3), gets(front, GROUP + 63), gets(front, GROUP + 1000)]).toEqual([false, true, true]);
  });
});
