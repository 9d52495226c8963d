/**
 * Front ends that lie: each request is read once and refused or carried out, a ring that cannot be is closed with the reason
 * in the log and in the error key, nothing outside of the disk and the granted pages changes, and nothing stays mapped.
 */
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../storage/index.js";
import { SeededRandom } from "../../util/index.js";
import { BlkOp, type BlkRequest, BlkStatus, writeRequest } from "./codec.js";
import { BlkFront, type FrontOptions } from "./testing/front.js";
import { Clone } from "./testing/live.js";

const SECTORS = 512;

function connected(options: FrontOptions = {}): BlkFront {
  const front = new BlkFront(new MemoryDisk(SECTORS), options);
  front.connect();
  return front;
}

type Refused = readonly [what: string, spoil: (front: BlkFront, request: BlkRequest) => void, status?: number];

const statuses = (front: BlkFront) => front.responses().map(({ status }) => status);

describe("a request is refused", () => {
  const refused: readonly Refused[] = [
    ["with a grant that there is not", (_, request) => request.refs.fill(4711)],
    [
      "with another domain's grant",
      (front, request) => {
        front.core.grants.set("6:77", 20);
        request.refs[0] = 77;
      },
    ],
    ["with sectors beyond a page", (_, request) => request.last.fill(8)],
    ["with sectors back to front", (_, request) => request.first.fill(7) && request.last.fill(3)],
    ["with no segments", (_, request) => Object.assign(request, { segments: 0 })],
    ["with sectors beyond the end", (_, request) => Object.assign(request, { sector: SECTORS - 7 })],
    ["with a sector that no disk has", (_, request) => Object.assign(request, { sector: 2 ** 63 })],
    ["of an unknown operation", (_, request) => Object.assign(request, { operation: 200 }), BlkStatus.UNSUPPORTED],
    ["with indirect segments in no page", (_, request) => Object.assign(request, { isIndirect: true, segments: 20 })],
    [
      "with more indirect segments than allowed",
      (_, request) => Object.assign(request, { isIndirect: true, segments: 257 }),
    ],
    [
      "to discard beyond the end",
      (_, request) => Object.assign(request, { operation: BlkOp.DISCARD, sector: 500, discardSectors: 13 }),
    ],
  ];

  it.each(refused.map(([what, spoil, status = BlkStatus.ERROR]) => ({ what, spoil, status })))(
    "$what",
    ({ spoil, status }) => {
      const front = connected();
      const { ref, bytes } = front.shared();
      const request = front.request(BlkOp.READ, 0, [ref, ref]);
      bytes.fill(0xaa);
      spoil(front, request);
      front.send([request, front.request(BlkOp.READ, 0, [ref], 2)]);
      expect(statuses(front)).toEqual([status, BlkStatus.OKAY]);
      expect([front.key("state"), front.core.mappedGrants]).toEqual(["4", 1]);
      expect(front.log.text()).toMatch(/d5 xvda: request \d+ at sector/);
    },
  );
});

describe("a device is closed", () => {
  it("when the producer is beyond the ring", async () => {
    const front = connected();
    const { ring } = front.queues[0]!;
    ring.pushRequests(Array.from({ length: 33 }, () => new Uint8Array(112)));
    front.core.guestNotify(5, front.queues[0]!.port);
    front.serve();
    await front.settle();
    expect(front.key("state")).toBe("5");
    expect(front.key("error")).toBe("the request index is beyond the ring");
    expect(front.log.text()).toContain("the request index is beyond the ring");
    expect(front.core.mappedGrants).toBe(0);
  });

  const keys: readonly (readonly [string, string, RegExp])[] = [
    ["ring-ref", "4711", /grant 4711/],
    ["ring-ref", "a lot", /ring-ref: "a lot"/],
    ["ring-page-order", "5", /ring-page-order/],
    ["multi-queue-num-queues", "17", /multi-queue-num-queues/],
    ["event-channel", "999", /event channel 999/],
    ["protocol", "alpha-abi", /protocol: "alpha-abi"/],
    ["protocol", "x".repeat(4000), /protocol: "x{40}\.\.\." is not known$/],
    ["ring-ref", "-1", /ring-ref: "-1"/],
    ["ring-ref", "4294967296", /ring-ref: "4294967296"/],
    ["ring-ref", "1\n".repeat(2000), /ring-ref: "(1\\n){20}\.\.\." where a number/],
  ];

  it.each(keys)("when its key %s is %s", (key, value, reason) => {
    const front = new BlkFront(new MemoryDisk(SECTORS));
    const { ref } = front.shared();
    front.write("ring-ref", String(ref));
    front.write("event-channel", String(front.core.calls.evtchnAllocUnbound(5, 0)));
    front.write(key, value);
    front.write("state", "3");
    expect(front.key("state")).toBe("5");
    expect(front.key("error")).toMatch(reason);
    expect(front.core.mappedGrants).toBe(0);
  });

  it("when its ring's indices contradict each other", () => {
    const front = new BlkFront(new MemoryDisk(SECTORS));
    const ring = front.shared();
    new DataView(ring.bytes.buffer, ring.address).setUint32(0, 4711, true);
    front.write("ring-ref", String(ring.ref));
    front.write("event-channel", String(front.core.calls.evtchnAllocUnbound(5, 0)));
    front.write("state", "3");
    expect([front.key("state"), front.key("error")]).toEqual(["5", expect.stringContaining("indices")]);
  });
});

/** A disk that is slow, so that a front end can vanish in the middle. */
class HeldDisk extends MemoryDisk {
  release: () => void = () => {};
  override read(sector: number, into: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve) => {
      this.release = () => {
        void super.read(sector, into);
        resolve();
      };
    });
  }
}

/** A disk whose reads end when the test says so. */
class SlowReads extends MemoryDisk {
  readonly ends: (() => void)[] = [];
  override read(): Promise<void> {
    return new Promise((resolve) => this.ends.push(resolve));
  }
}

it("a front end that vanishes in the middle has its pages let go when they are no longer in use", async () => {
  const disk = new HeldDisk(SECTORS);
  const front = new BlkFront(disk);
  front.connect();
  const { ref } = front.shared();
  front.send([front.request(BlkOp.READ, 0, [ref])]);
  front.store.local.remove("/local/domain/5/device/vbd/51712");
  await front.settle();
  expect([front.key("state"), front.core.mappedGrants]).toEqual(["6", 1]);
  let quiet = false;
  void front.backend.pause().then(() => {
    quiet = true;
  });
  await front.settle();
  expect(quiet).toBe(false);
  disk.release();
  await front.settle();
  expect([quiet, front.core.mappedGrants]).toEqual([true, 0]);
});

it("one that connects again and again has no more requests under way than one connection has", async () => {
  const disk = new SlowReads(SECTORS);
  const front = new BlkFront(disk);
  for (let round = 0; round < 5; round++) {
    front.connect();
    const { ref } = front.shared();
    front.send([1, 2, 3].map((id) => front.request(BlkOp.READ, 0, [ref], id)));
    await front.settle();
    expect(disk.ends.length).toBe(3);
    if (round === 4) break;
    for (const state of ["5", "6", "1"]) front.write("state", state);
  }
  expect(front.responses()).toEqual([]);
  for (const end of disk.ends.splice(0)) end();
  await front.settle();
  expect(disk.ends.length).toBe(3);
  for (const end of disk.ends.splice(0)) end();
  await front.settle();
  expect(front.responses().map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(front.core.mappedGrants).toBe(1);
});

it("one that asks without end lets others have their turn", () => {
  const front = connected();
  const { ref } = front.shared();
  const { ring, port } = front.queues[0]!;
  const bytes = Array.from({ length: 32 }, () => new Uint8Array(112));
  let refills = 0;
  // The guest's other processor fills the ring whenever it is read from.
  const { memory } = front.core;
  const original = memory.store32.bind(memory);
  memory.store32 = (address, value) => {
    original(address, value);
    front.responses();
    if (refills++ < 5000 && ring.free > 0) ring.pushRequests(bytes.slice(0, ring.free));
  };
  ring.pushRequests(bytes);
  front.core.guestNotify(5, port);
  front.channels.dispatch();
  expect(refills).toBeLessThan(100);
  expect(ref).toBeGreaterThan(0);
});

it("one that discards all of a large disk again and again lets others have their turn", () => {
  let discards = 0;
  class LargeDisk extends MemoryDisk {
    override discard(): void {
      discards++;
    }
  }
  const front = new BlkFront(new LargeDisk(2 ** 32));
  front.connect();
  const { ring, port } = front.queues[0]!;
  const request = front.request(BlkOp.DISCARD, 0, []);
  request.discardSectors = 2 ** 32;
  const slot = new Uint8Array(front.abi.slotBytes);
  writeRequest(front.abi, new DataView(slot.buffer), request);
  ring.pushRequests(Array.from({ length: 20 }, () => slot));
  front.core.guestNotify(5, port);
  front.channels.dispatch();
  expect(discards).toBe(1);
  front.runLater();
  expect([discards, front.responses().length]).toEqual([20, 20]);
});

// --- fuzzing

const below = (random: SeededRandom, most: number): number => random.u32() % most;
const once = (random: SeededRandom, times: number): boolean => below(random, times) === 0;

function spoilRequest(random: SeededRandom, front: BlkFront, refs: readonly number[]): BlkRequest {
  const segments = once(random, 4) ? 1 + below(random, 64) : 1 + below(random, 11);
  const chosen = Array.from({ length: segments }, () => refs[below(random, refs.length)]!);
  const operation = once(random, 10) ? below(random, 256) : [0, 1, 1, 2, 3, 5][below(random, 6)]!;
  const request = front.request(operation, below(random, SECTORS), chosen, below(random, 1000));
  if (once(random, 8)) request.refs[below(random, segments)] = random.u32();
  if (once(random, 8)) request.last[below(random, segments)] = below(random, 256);
  if (once(random, 8)) request.first[below(random, segments)] = below(random, 10);
  if (once(random, 10)) request.segments = below(random, 65_536);
  if (once(random, 10)) request.sector = random.u32() * 2 ** below(random, 32);
  if (once(random, 10)) request.indirectRefs[0] = once(random, 2) ? random.u32() : refs[0]!;
  if (operation === BlkOp.DISCARD)
    request.discardSectors = once(random, 3) ? random.u32() * 2 ** below(random, 32) : below(random, SECTORS);
  return request;
}

async function attack(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const clone = await Clone.create(SECTORS, seed);
  const options: FrontOptions = {
    protocol: once(random, 2) ? "x86_64-abi" : "x86_32-abi",
    order: once(random, 2) ? null : below(random, 3),
    queues: 1 + below(random, 3),
    persistent: once(random, 2),
    persistentGrants: once(random, 2),
  };
  const front = new BlkFront(clone.disk, options);
  const canaries = Array.from({ length: 40 }, () => front.page());
  for (const [index, { bytes }] of canaries.entries()) bytes.fill(index + 1);
  const shared = Array.from({ length: 20 }, () => front.shared());
  const refs = shared.map(({ ref }) => ref);
  front.connect();
  for (let round = 0; round < 60; round++) {
    const queue = below(random, front.queues.length);
    const { ring, port } = front.queues[queue]!;
    const count = Math.min(ring.free, below(random, 20));
    front.send(
      Array.from({ length: count }, () => spoilRequest(random, front, refs)),
      queue,
    );
    front.responses(queue);
    if (once(random, 20)) {
      const page = front.core.memory.bytes(front.core.calls.domainPage(5, 16 + below(random, 400)), 64);
      if (!canaries.some(({ address }) => address === page.byteOffset)) page[below(random, 16)] = random.u32();
      front.core.guestNotify(5, port);
      front.serve();
    }
    if (once(random, 15)) front.write("state", String(below(random, 9)));
    await front.settle();
    if (front.key("state") === "4") continue;
    // Gone or thrown out: it comes back with fresh rings.
    front.write("state", "6");
    await front.settle();
    front.write("state", "1");
    front.connect();
  }
  front.write("state", "6");
  await front.settle();
  await front.backend.pause();
  expect(front.core.mappedGrants).toBe(0);
  front.backend.resume();
  for (const [index, { bytes }] of canaries.entries()) expect(bytes.every((byte) => byte === index + 1)).toBe(true);
  front.write("state", "1");
  front.connect();
  const { ref, bytes } = shared[0]!;
  bytes.fill(seed & 255);
  front.send([front.request(BlkOp.WRITE, 8, [ref]), front.request(BlkOp.READ, 8, [ref], 2)]);
  await front.settle();
  expect(statuses(front)).toEqual([0, 0]);
  front.backend.disconnect();
  await front.backend.pause();
  expect(await clone.wrong()).toEqual([]);
}

it("whatever stands in rings and keys, Domain0 stands, images and foreign pages are whole, and who keeps to the protocol is served", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    await attack(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${(error as Error).stack}`);
    });
  }
}, 300_000);
