import { describe, expect, it } from "vitest";
import { type Asker, type Disk, MemoryDisk, type Pending, StorageError, unlessGone } from "../../storage/index.js";
import { unwrap } from "../../util/index.js";
import { abiOf, BlkOp, BlkRequest, BlkStatus, readRequest, writeRequest } from "./codec.js";
import { INITIAL_QUEUE, type QueueEvent, type QueueState, step } from "./machine.js";
import { BlkFront } from "./testing/front.js";

const KIB = 1024;
const disk = (sectors = 2048) => new MemoryDisk(sectors);
const filled = (value: number, count = 4096) => new Uint8Array(count).fill(value);
const ids = (front: BlkFront, queue = 0) => front.responses(queue).map(({ id, status }) => [id, status]);

/** A disk whose requests end when the test says so; notes their order. */
class SlowDisk extends MemoryDisk {
  readonly done: string[] = [];
  readonly waiting: { readonly name: string; end(error?: Error): void }[] = [];

  #slow(name: string, work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        if (error === undefined) work();
        this.done.push(name);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.waiting.push({ name, end });
    });
  }

  override read(sector: number, into: readonly Uint8Array[]): Pending {
    return this.#slow(`read ${sector}`, () => super.read(sector, into));
  }
  override write(sector: number, from: readonly Uint8Array[]): Pending {
    return this.#slow(`write ${sector}`, () => super.write(sector, from));
  }
  override flush(): Pending {
    return this.#slow("flush", () => {});
  }

  end(name: string, error?: Error): void {
    const index = this.waiting.findIndex((entry) => entry.name === name);
    if (index < 0) throw new Error(`${name} is not under way: ${this.waiting.map((entry) => entry.name)}`);
    this.waiting.splice(index, 1)[0]!.end(error);
  }
}

describe("the codec", () => {
  it.each(["x86_64-abi", "x86_32-abi"])("reads what it writes: %s", (protocol) => {
    const abi = abiOf(protocol)!;
    for (const operation of [BlkOp.READ, BlkOp.WRITE, BlkOp.DISCARD, BlkOp.FLUSH, BlkOp.WRITE_BARRIER]) {
      const request = new BlkRequest();
      Object.assign(request, {
        operation,
        idLow: 0x89abcdef,
        idHigh: 0x12345678,
        sector: 0x1_2345_6789,
        isSecure: true,
      });
      if (operation === BlkOp.DISCARD) request.discardSectors = 0x12_3456_789a;
      else if (operation !== BlkOp.FLUSH) request.segments = 11;
      for (let i = 0; i < request.segments; i++) {
        request.refs[i] = 1000 + i;
        request.first[i] = i % 3;
        request.last[i] = 7 - (i % 2);
      }
      const slot = new DataView(new ArrayBuffer(abi.slotBytes));
      writeRequest(abi, slot, request);
      const read = new BlkRequest();
      expect(readRequest(abi, slot, read)).toBeNull();
      if (operation !== BlkOp.DISCARD) request.isSecure = false;
      expect(read).toEqual(request);
    }
  });

  it("lays a 64-bit guest's fields out as Linux does", () => {
    const slot = new DataView(new ArrayBuffer(112));
    slot.setUint8(0, BlkOp.INDIRECT);
    slot.setUint8(1, BlkOp.WRITE);
    slot.setUint16(2, 32, true);
    slot.setUint32(8, 77, true);
    slot.setUint32(16, 4096, true);
    slot.setUint32(28, 900, true);
    const request = new BlkRequest();
    expect(readRequest(abiOf(null)!, slot, request)).toBeNull();
    expect(request).toMatchObject({ operation: BlkOp.WRITE, isIndirect: true, segments: 32, idLow: 77, sector: 4096 });
    expect(request.indirectRefs[0]).toBe(900);
  });

  it.each([
    ["too many segments", [BlkOp.READ, 12]],
    ["too many indirect segments", [BlkOp.INDIRECT, BlkOp.READ, 0x01, 0x01]],
    ["an indirect flush", [BlkOp.INDIRECT, BlkOp.FLUSH, 1]],
  ])("refuses %s", (_, bytes) => {
    const slot = new Uint8Array(112);
    slot.set(bytes);
    expect(readRequest(abiOf(null)!, new DataView(slot.buffer), new BlkRequest())).toMatch(/./);
  });
});

describe("the order of a ring", () => {
  const at = (phase: QueueState["phase"], inFlight: number, paused = false): QueueState => ({
    phase,
    inFlight,
    paused,
  });

  it.each([
    ["a request begins", INITIAL_QUEUE, "began", at("running", 1), []],
    ["and ends", at("running", 1), "ended", at("running", 0), ["idle"]],
    ["one of several ends", at("running", 2), "ended", at("running", 1), []],
    ["a barrier with nothing under way", at("running", 0), "barrier", at("barrier", 1), ["run-barrier"]],
    ["a barrier waits for what is under way", at("running", 2), "barrier", at("draining", 2), []],
    ["the last but one ends", at("draining", 2), "ended", at("draining", 1), []],
    ["the last one ends", at("draining", 1), "ended", at("barrier", 1), ["run-barrier"]],
    ["the barrier ends", at("barrier", 1), "ended", at("running", 0), ["idle", "look"]],
    ["the barrier ends while paused", at("barrier", 1, true), "ended", at("running", 0, true), ["idle"]],
    ["paused with nothing to do", at("running", 0), "pause", at("running", 0, true), ["idle"]],
    ["paused in the middle", at("running", 3), "pause", at("running", 3, true), []],
    ["goes on", at("running", 0, true), "resume", at("running", 0), ["look"]],
    ["goes on in a barrier", at("barrier", 1, true), "resume", at("barrier", 1), []],
    ["stopped in the middle", at("draining", 2), "stop", at("stopped", 2), []],
    ["the last one of a stopped ring ends", at("stopped", 1), "ended", at("stopped", 0), ["idle"]],
  ] as const)("%s", (_, state, kind, next, effects) => {
    expect(step(state, { kind } as QueueEvent)).toEqual([next, effects]);
  });
});

describe.each(["x86_64-abi", "x86_32-abi"] as const)("a disk for a %s guest", (protocol) => {
  it("is described to its front end", () => {
    const front = new BlkFront(disk(4096), { protocol });
    expect([front.key("state"), front.key("feature-flush-cache"), front.key("feature-discard")]).toEqual([
      "2",
      "1",
      "1",
    ]);
    front.connect();
    expect(["state", "sectors", "sector-size", "info"].map((key) => front.key(key))).toEqual(["4", "4096", "512", "0"]);
  });

  it.each([null, 0, 1, 2, 4])("reads and writes through rings of order %s, many times around", async (order) => {
    const store = disk();
    const front = new BlkFront(store, { protocol, order });
    front.connect();
    const { bytes, ref } = front.shared();
    for (let round = 0; round < 700; round++) {
      bytes.fill(round & 255);
      front.send([front.request(BlkOp.WRITE, (round % 200) * 8, [ref], round)]);
      bytes.fill(0);
      front.send([front.request(BlkOp.READ, (round % 200) * 8, [ref], round + 10_000)]);
      expect(bytes.every((byte) => byte === (round & 255))).toBe(true);
      expect(ids(front)).toEqual([
        [round, 0],
        [round + 10_000, 0],
      ]);
    }
    expect(front.core.mappedGrants).toBe(2 ** (order ?? 0));
  });

  it("moves indirect requests of a mebibyte", () => {
    const front = new BlkFront(disk(), { protocol });
    front.connect();
    const pages = Array.from({ length: 256 }, () => front.shared());
    for (const [index, { bytes }] of pages.entries()) bytes.fill(index);
    const refs = pages.map(({ ref }) => ref);
    front.send([front.request(BlkOp.WRITE, 0, refs)]);
    for (const { bytes } of pages) bytes.fill(0);
    front.send([front.request(BlkOp.READ, 0, refs, 2)]);
    expect(pages.map(({ bytes }) => bytes[4095])).toEqual(pages.map((_, index) => index));
    expect(ids(front)).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it("uses parts of pages by their sectors", () => {
    const front = new BlkFront(disk(), { protocol });
    front.connect();
    const { bytes, ref } = front.shared();
    bytes.forEach((_, at) => {
      bytes[at] = at >> 9;
    });
    const write = front.request(BlkOp.WRITE, 100, [ref, ref]);
    write.first.set([2, 5]);
    write.last.set([3, 5]);
    front.send([write]);
    const target = front.shared();
    const read = front.request(BlkOp.READ, 100, [target.ref]);
    read.last[0] = 2;
    front.send([read]);
    expect([0, 511, 512, 1024, 1535, 1536].map((at) => target.bytes[at])).toEqual([2, 2, 3, 5, 5, 0]);
  });

  it("has several rings, each with its channel", () => {
    const front = new BlkFront(disk(), { protocol, queues: 4, order: 1 });
    front.connect();
    const pages = front.queues.map(() => front.shared());
    pages.forEach(({ bytes, ref }, queue) => {
      bytes.fill(queue + 1);
      front.send([front.request(BlkOp.WRITE, queue * 8, [ref], queue)], queue);
    });
    expect(pages.map((_, queue) => ids(front, queue))).toEqual(pages.map((_, queue) => [[queue, 0]]));
    const all = front.shared();
    front.send([front.request(BlkOp.READ, 16, [all.ref])], 3);
    expect(all.bytes[0]).toBe(3);
    expect(front.backend.stats()).toMatchObject({ queues: 4, reads: 1, writes: 4 });
  });
});

describe("requests", () => {
  it("end in any order, several under way at once", async () => {
    const slow = new SlowDisk(2048);
    const front = new BlkFront(slow);
    front.connect();
    const { ref } = front.shared();
    front.send([1, 2, 3].map((id) => front.request(BlkOp.READ, id * 8, [ref], id)));
    expect(slow.waiting.map(({ name }) => name)).toEqual(["read 8", "read 16", "read 24"]);
    slow.end("read 24");
    slow.end("read 8");
    await front.settle();
    expect(ids(front)).toEqual([
      [3, 0],
      [1, 0],
    ]);
    slow.end("read 16", new StorageError("network", "the server is gone"));
    await front.settle();
    expect(ids(front)).toEqual([[2, BlkStatus.ERROR]]);
    expect(front.core.mappedGrants).toBe(1);
  });

  it("are told of when the guest sleeps, and not before each other", () => {
    const front = new BlkFront(disk());
    front.connect();
    const { port, ring } = front.queues[0]!;
    const { ref } = front.shared();
    front.send([1, 2, 3, 4].map((id) => front.request(BlkOp.READ, 0, [ref], id)));
    expect(front.core.guestTakePending(5, port)).toBe(true);
    // It has not looked yet: no second interrupt for what it will see anyway.
    front.send([front.request(BlkOp.READ, 0, [ref], 5)]);
    expect(front.core.guestTakePending(5, port)).toBe(false);
    expect(front.responses()).toHaveLength(5);
    ring.finalCheck();
    front.send([front.request(BlkOp.READ, 0, [ref], 6)]);
    expect(front.core.guestTakePending(5, port)).toBe(true);
  });

  it("of a barrier come after all before it, and before all after it", async () => {
    const slow = new SlowDisk(2048);
    const front = new BlkFront(slow);
    front.connect();
    const { ref } = front.shared();
    front.send([
      front.request(BlkOp.WRITE, 0, [ref], 1),
      front.request(BlkOp.WRITE, 8, [ref], 2),
      front.request(BlkOp.WRITE_BARRIER, 16, [ref], 3),
      front.request(BlkOp.WRITE, 24, [ref], 4),
    ]);
    const underWay = () => slow.waiting.map(({ name }) => name);
    expect(underWay()).toEqual(["write 0", "write 8"]);
    slow.end("write 8");
    await front.settle();
    expect(underWay()).toEqual(["write 0"]);
    for (const next of ["write 0", "flush", "write 16", "flush"]) {
      slow.end(next);
      await front.settle();
      if (next !== "flush") expect(underWay()).toEqual(["flush"]);
    }
    expect(underWay()).toEqual(["write 24"]);
    expect(ids(front)).toEqual([
      [2, 0],
      [1, 0],
      [3, 0],
    ]);
  });

  it("of a flush are answered when it is durable", async () => {
    const slow = new SlowDisk(2048);
    const front = new BlkFront(slow);
    front.connect();
    front.send([BlkFront.flush(9)]);
    await front.settle();
    expect(ids(front)).toEqual([]);
    slow.end("flush");
    await front.settle();
    expect(ids(front)).toEqual([[9, 0]]);
  });
});

describe("persistent grants", () => {
  it("are mapped once, and let go with the device", async () => {
    const front = new BlkFront(disk(), { persistentGrants: true, persistent: true });
    front.connect();
    const pages = Array.from({ length: 20 }, () => front.shared());
    for (let round = 0; round < 5; round++) {
      for (const { ref } of pages) front.send([front.request(BlkOp.WRITE, 0, [ref])]);
      front.responses();
      expect(front.core.mappedGrants).toBe(21);
    }
    front.write("state", "6");
    await front.settle();
    expect(front.core.mappedGrants).toBe(0);
  });

  it("are limited in number: what is beyond is mapped for its request", () => {
    const front = new BlkFront(disk(), { persistentGrants: true, persistent: true });
    front.connect();
    const { gfn } = front.page();
    for (let page = 0; page < 1500; page++) {
      front.send([front.request(BlkOp.READ, 0, [front.grant(gfn)])]);
      front.responses();
    }
    expect(front.core.mappedGrants).toBe(1057);
  });
});

describe("a disk that may only be read", () => {
  it.each([
    ["the image", new MemoryDisk(64, { readOnly: true }), {}],
    ["the configuration", new MemoryDisk(64), { readOnly: true }],
  ] as const)("by %s refuses writes and says so", (_, readOnly, options) => {
    const front = new BlkFront(readOnly as Disk, options);
    front.connect();
    expect([front.key("info"), front.key("feature-discard")]).toEqual(["4", "0"]);
    const { ref } = front.shared();
    front.send([front.request(BlkOp.WRITE, 0, [ref], 1), front.request(BlkOp.READ, 0, [ref], 2), BlkFront.flush(3)]);
    expect(ids(front)).toEqual([
      [1, BlkStatus.ERROR],
      [2, 0],
      [3, 0],
    ]);
  });
});

/** A disk of a server that never answers. */
class SilentDisk extends MemoryDisk {
  override read(_sector: number, _into: readonly Uint8Array[], asker?: Asker): Pending {
    return unlessGone(new Promise(() => {}), asker);
  }
}

describe("a medium", () => {
  it("is taken out also when its server does not answer", async () => {
    const front = new BlkFront(new SilentDisk(128, { readOnly: true }), { cdrom: true, readOnly: true });
    front.connect();
    const { ref, bytes } = front.shared();
    front.send([front.request(BlkOp.READ, 0, [ref])]);
    let isOut = false;
    const changed = front.backend.changeDisk(MemoryDisk.of(filled(9, 8 * KIB), { readOnly: true })).then(() => {
      isOut = true;
    });
    await front.settle();
    expect(isOut).toBe(true);
    await changed;
    front.send([front.request(BlkOp.READ, 0, [ref], 2)]);
    expect([bytes[0], ids(front)]).toEqual([
      9,
      [
        [1, BlkStatus.ERROR],
        [2, 0],
      ],
    ]);
    // And a guest that is gone while another medium is put in reads that one no more.
    const again = front.backend.changeDisk(new SilentDisk(128, { readOnly: true }));
    front.backend.abandon();
    await again;
    front.runLater();
    front.send([front.request(BlkOp.READ, 0, [ref], 3)]);
    await front.settle();
    expect(ids(front)).toEqual([[3, BlkStatus.ERROR]]);
  });

  it("is changed while the guest runs", async () => {
    const first = MemoryDisk.of(filled(1, 64 * KIB), { readOnly: true });
    const front = new BlkFront(first, { cdrom: true, readOnly: true });
    front.connect();
    expect(["info", "sectors"].map((key) => front.key(key))).toEqual(["7", "128"]);
    const { ref, bytes } = front.shared();
    front.send([front.request(BlkOp.READ, 0, [ref])]);
    expect(bytes[0]).toBe(1);
    let announced = 0;
    front.store.local.watch("/local/domain/0/backend/vbd/5/51712/state", () => announced++);
    expect(await front.backend.changeDisk(new MemoryDisk(0, { readOnly: true }))).toBe(first);
    expect([front.key("sectors"), announced]).toEqual(["0", 2]);
    front.runLater();
    front.send([front.request(BlkOp.READ, 0, [ref], 2)]);
    await front.backend.changeDisk(MemoryDisk.of(filled(9, 8 * KIB), { readOnly: true }));
    front.runLater();
    front.send([front.request(BlkOp.READ, 0, [ref], 3)]);
    expect([front.key("sectors"), bytes[0]]).toEqual(["16", 9]);
    expect(ids(front)).toEqual([
      [1, 0],
      [2, BlkStatus.ERROR],
      [3, 0],
    ]);
  });
});

describe("a guest that is no more", () => {
  /** A disk across a network that does not answer. */
  class SilentDisk extends MemoryDisk {
    override read(_sector: number, _into: readonly Uint8Array[], asker?: Asker): Pending {
      return new Promise((_, reject) => {
        asker?.onLeave(() => reject(new StorageError("closed", "nobody waits")));
      });
    }
  }

  it.each([true, false])("waits for nothing that it read: over a view that is only read: %s", async (readOnly) => {
    const front = new BlkFront(new SilentDisk(64), { readOnly });
    front.connect();
    const { ref } = front.shared();
    front.send(Array.from({ length: 20 }, (_, id) => front.request(BlkOp.READ, 0, [ref], id)));
    expect(front.backend.stats().inFlight).toBe(20);
    front.backend.disconnect();
    front.backend.abandon();
    await front.backend.pause();
    expect(ids(front)).toEqual([]);
  });
});

describe("pausing", () => {
  it("waits for what is under way, holds what comes, and goes on", async () => {
    const slow = new SlowDisk(64);
    const front = new BlkFront(slow);
    front.connect();
    const { ref } = front.shared();
    front.send([front.request(BlkOp.READ, 0, [ref], 1)]);
    let paused = false;
    const pausing = front.backend.pause().then(() => {
      paused = true;
    });
    await front.settle();
    expect(paused).toBe(false);
    front.send([front.request(BlkOp.READ, 8, [ref], 2)]);
    slow.end("read 0");
    await pausing;
    expect(slow.waiting).toEqual([]);
    const saved = front.backend.save();
    front.backend.resume();
    front.runLater();
    slow.end("read 8");
    await front.settle();
    expect(ids(front)).toEqual([
      [1, 0],
      [2, 0],
    ]);
    const other = new BlkFront(disk());
    unwrap(other.backend.restore(saved));
    expect(other.backend.stats()).toMatchObject({ reads: 1 });
    expect(other.backend.restore({ ...saved, version: 99 }).ok).toBe(false);
  });
});
