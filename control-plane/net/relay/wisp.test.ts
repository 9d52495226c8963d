/** Client and server of the relay, over a wire in memory, with a world outside that the test plays. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { OutsideError, StreamEvents } from "../outside/index.js";
import type { MessageListener, MessageSocket } from "./message-socket.js";
import { World } from "./testing/world.js";
import { closePacket, connectPacket, continuePacket, dataPacket, infoPacket, readPacket, StreamType } from "./wisp.js";
import { WispClient } from "./wisp-client.js";
import { WISP_LIMITS, WispServer } from "./wisp-server.js";

const bytes = (...values: number[]) => Uint8Array.from(values);

/** What the client's owner hears. */
class Heard implements StreamEvents {
  isOpen = false;
  readonly got: number[] = [];
  isEnded = false;
  drains = 0;
  end: OutsideError | null | undefined;
  opened(): void {
    this.isOpen = true;
  }
  data(data: Uint8Array): void {
    this.got.push(...data);
  }
  drained(): void {
    this.drains++;
  }
  ended(): void {
    this.isEnded = true;
  }
  closed(error: OutsideError | null): void {
    expect(this.end).toBeUndefined();
    this.end = error;
  }
}

/** Two ends of a WebSocket; messages arrive when the test lets them. */
class Wire {
  readonly world = new World();
  server!: WispServer;
  readonly toClient: Uint8Array[] = [];
  readonly #sent: (() => void)[] = [];
  listener: (MessageListener & { opened(): void }) | null = null;
  opens = 0;
  /** A server that knows nothing of our extension. */
  plain = false;
  /** What the client sends stays on its way until `toServer`. */
  holdToServer = false;
  readonly #onTheWay: Uint8Array[] = [];
  readonly client = new WispClient((listener) => {
    this.opens++;
    this.listener = listener;
    this.server = new WispServer({ send: (m, sent) => this.#toClient(m, sent), close: () => this.cut() }, this.world);
    return { send: (m) => this.#toServer(m), close: () => this.server.closed() };
  });

  /** Everything arrives, both ways, and names are found. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) {
      this.deliver();
      await Promise.resolve();
    }
  }

  /** A stream that is open, and its other end in the world. */
  async openPair(events: StreamEvents) {
    const stream = this.client.openStream("192.0.2.1", 80, events);
    await this.settle();
    const far = this.world.streams[0]!;
    far.events.opened();
    await this.settle();
    return [stream, far] as const;
  }

  deliver(): void {
    while (this.toClient.length > 0) {
      this.#sent.shift()?.();
      this.listener?.message(this.toClient.shift()!);
    }
  }

  cut(): void {
    const { listener } = this;
    this.listener = null;
    this.server.closed();
    listener?.closed();
  }

  #toClient(message: Uint8Array, sent: () => void = () => {}): void {
    if (this.plain && message[0] === 5) {
      sent();
      return;
    }
    this.toClient.push(message.slice());
    this.#sent.push(sent);
  }

  toServer(count: number): void {
    for (const message of this.#onTheWay.splice(0, count)) this.server.message(message);
  }

  #toServer(message: Uint8Array): void {
    if (this.holdToServer) this.#onTheWay.push(message.slice());
    else if (!(this.plain && message[0] === 5)) this.server.message(message.slice());
  }
}

let wire: Wire;
beforeEach(() => {
  wire = new Wire();
});

describe("packets", () => {
  it("are those of the protocol", () => {
    expect([...connectPacket(0x01020304, StreamType.TCP, "ab", 443)]).toEqual([1, 4, 3, 2, 1, 1, 0xbb, 1, 0x61, 0x62]);
    expect([...dataPacket(7, bytes(1, 2))]).toEqual([2, 7, 0, 0, 0, 1, 2]);
    expect([...continuePacket(0, 128)]).toEqual([3, 0, 0, 0, 0, 128, 0, 0, 0]);
    expect([...closePacket(7, 0x44)]).toEqual([4, 7, 0, 0, 0, 0x44]);
    expect([...infoPacket().subarray(0, 12)]).toEqual([5, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0]);
  });

  it("of any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (message) => {
        readPacket(message);
      }),
    );
  });
});

describe("a stream", () => {
  it("is opened by name, carries bytes both ways and ends one way after the other", async () => {
    const heard = new Heard();
    const stream = wire.client.openStream("example.org", 80, heard);
    stream.write(bytes(1, 2));
    await wire.settle();
    const [far] = wire.world.streams;
    expect([far!.address, far!.port, heard.isOpen]).toEqual(["192.0.2.7", 80, false]);
    far!.events.opened();
    await wire.settle();
    expect([heard.isOpen, far!.got]).toEqual([true, [1, 2]]);
    stream.end();
    expect(far!.isEnded).toBe(true);
    far!.events.data(bytes(3, 4));
    far!.events.ended();
    await wire.settle();
    expect([heard.got, heard.isEnded, heard.end]).toEqual([[3, 4], true, undefined]);
    far!.events.closed(null);
    await wire.settle();
    expect([heard.end, wire.client.streams, wire.server.streams]).toEqual([null, 0, 0]);
  });

  it.each(["refused", "unreachable", "timed-out", "denied", "reset"] as const)(
    "that fails says how: %s",
    async (error) => {
      const heard = new Heard();
      wire.client.openStream("192.0.2.1", 9, heard);
      await wire.settle();
      wire.world.streams[0]!.events.closed(error);
      await wire.settle();
      expect([heard.isOpen, heard.end]).toEqual([false, error]);
    },
  );

  it("to a name that is not there is unreachable", async () => {
    const heard = new Heard();
    wire.client.openStream("nowhere.example", 80, heard);
    await wire.settle();
    expect(heard.end).toBe("unreachable");
  });

  it("that the client gives up is ended outside", async () => {
    const stream = wire.client.openStream("192.0.2.1", 80, new Heard());
    await wire.settle();
    stream.abort();
    expect([wire.world.streams[0]!.isAborted, wire.client.streams, wire.server.streams]).toEqual([true, 0, 0]);
  });

  it("waits while the world takes no more, and nothing piles up at the relay", async () => {
    const heard = new Heard();
    const [stream, far] = await wire.openPair(heard);
    far.full = true;
    let written = 0;
    while (stream.write(bytes(written & 0xff)) && written < 10_000) written++;
    expect(written).toBe(WISP_LIMITS.window);
    expect(far.got).toHaveLength(WISP_LIMITS.window);
    far.full = false;
    far.events.drained();
    await wire.settle();
    expect([heard.drains, far.got.length]).toEqual([1, WISP_LIMITS.window + 1]);
  });

  it("stops the world when its reader stops, and loses nothing", async () => {
    const heard = new Heard();
    const [stream, far] = await wire.openPair(heard);
    stream.pauseReading();
    let sent = 0;
    for (; far.reads && sent < 10_000; sent++) far.events.data(bytes(sent & 0xff));
    expect(sent).toBe(WISP_LIMITS.window);
    far.events.ended();
    await wire.settle();
    expect([heard.got.length, heard.isEnded]).toEqual([0, false]);
    stream.resumeReading();
    await wire.settle();
    expect([heard.got, heard.isEnded, far.reads]).toEqual([
      Array.from({ length: sent }, (_, n) => n & 0xff),
      true,
      true,
    ]);
  });

  it("that writes as fast as it is given room has never written too much", async () => {
    const [stream, far] = await wire.openPair(new Heard());
    // The relay gives room for half of what it took, while the other half is on its way, and then the world is full.
    wire.holdToServer = true;
    for (let n = 0; n < WISP_LIMITS.window; n++) stream.write(bytes(n));
    wire.toServer(WISP_LIMITS.window / 2);
    far.full = true;
    wire.toServer(WISP_LIMITS.window / 2);
    wire.holdToServer = false;
    wire.deliver();
    for (let n = 0; n < 2 * WISP_LIMITS.window && stream.write(bytes(0)); n++);
    await wire.settle();
    expect([wire.server.streams, far.isAborted, far.got.length]).toEqual([1, false, WISP_LIMITS.window * 1.5]);
  });

  it.each([false, true])(
    "that the world ends reaches a reader that reads later; another's relay: %s",
    async (plain) => {
      wire.plain = plain;
      const heard = new Heard();
      const [stream, far] = await wire.openPair(heard);
      stream.pauseReading();
      for (let n = 0; n < 100; n++) far.events.data(bytes(n));
      far.events.ended();
      far.events.closed(null);
      await wire.settle();
      expect([heard.got.length, heard.end]).toEqual([0, undefined]);
      stream.resumeReading();
      await wire.settle();
      expect([heard.got.length, heard.isEnded, heard.end]).toEqual([100, !plain, null]);
      expect([wire.client.streams, wire.server.streams]).toEqual([0, 0]);
    },
  );

  it("hears nothing of a socket that was given up before its own was opened", async () => {
    const gone = wire.client.openStream("192.0.2.1", 80, new Heard());
    await wire.settle();
    const { listener } = wire;
    listener!.message(bytes(1));
    const heard = new Heard();
    wire.client.openStream("192.0.2.1", 80, heard);
    await wire.settle();
    listener!.closed();
    await wire.settle();
    expect([wire.opens, heard.end, wire.client.streams]).toEqual([2, undefined, 1]);
    gone.abort();
  });

  it("is unreachable where no socket may be opened", async () => {
    const client = new WispClient(() => {
      throw new Error("insecure");
    });
    const heard = new Heard();
    client.openStream("192.0.2.1", 80, heard);
    expect(heard.end).toBeUndefined();
    await Promise.resolve();
    expect([heard.end, client.streams]).toEqual(["unreachable", 0]);
  });

  it("over a relay that is not ours opens at once and ends as a whole", async () => {
    wire.plain = true;
    const heard = new Heard();
    const stream = wire.client.openStream("192.0.2.1", 80, heard);
    await wire.settle();
    expect(heard.isOpen).toBe(true);
    stream.write(bytes(5));
    const far = wire.world.streams[0]!;
    far.events.opened();
    far.events.data(bytes(6));
    far.events.ended();
    await wire.settle();
    expect([far.got, heard.got, heard.end]).toEqual([[5], [6], null]);
  });

  it("is reset when the relay is gone; the next opens another connection", async () => {
    const heard = new Heard();
    wire.client.openStream("192.0.2.1", 80, heard);
    await wire.settle();
    wire.world.streams[0]!.events.opened();
    await wire.settle();
    wire.cut();
    expect([heard.end, wire.world.streams[0]!.isAborted]).toEqual(["reset", true]);
    const other = new Heard();
    wire.client.openStream("192.0.2.1", 80, other);
    await wire.settle();
    expect([wire.opens, wire.world.streams.length]).toEqual([2, 2]);
  });
});

describe("datagrams", () => {
  it("go to one host and come from it alone", async () => {
    const got: number[][] = [];
    const sender = wire.client.openDatagrams("example.org", 53, {
      data: (_a, _p, d) => got.push([...d]),
      failed: () => {},
    });
    sender.send("", 0, bytes(1));
    await wire.settle();
    await wire.settle();
    const [socket] = wire.world.datagrams;
    expect(socket!.sent).toEqual([["192.0.2.7", 53, [1]]]);
    socket!.events.data("192.0.2.7", 53, bytes(2));
    socket!.events.data("192.0.2.8", 53, bytes(3));
    await wire.settle();
    expect(got).toEqual([[2]]);
    sender.close();
    expect([socket!.open, wire.server.streams]).toEqual([false, 0]);
  });
});

describe("a client that does not keep to the protocol", () => {
  class Raw implements MessageSocket {
    readonly got: Uint8Array[] = [];
    isClosed = false;
    readonly world = new World();
    readonly server = new WispServer(this, this.world, { ...WISP_LIMITS, streams: 2 });
    send(message: Uint8Array, sent?: () => void): void {
      this.got.push(message);
      sent?.();
    }
    close(): void {
      this.isClosed = true;
    }
  }

  it.each([
    ["a packet that ends early", [bytes(1, 1)]],
    ["stream 0", [connectPacket(0, 1, "192.0.2.1", 80)]],
    ["a stream that is open already", [connectPacket(1, 1, "192.0.2.1", 80), connectPacket(1, 1, "192.0.2.1", 80)]],
    [
      "more than there is room for",
      [connectPacket(1, 1, "192.0.2.1", 80), ...Array(129).fill(dataPacket(1, bytes(1)))],
    ],
  ])("is cut off: %s", async (_, messages) => {
    const raw = new Raw();
    for (const message of messages) raw.server.message(message);
    await Promise.resolve();
    expect([raw.isClosed, raw.server.streams]).toEqual([true, 0]);
  });

  describe("that sends much or reads nothing", () => {
    const KIB = new Uint8Array(1024);
    /** Its socket takes what it is sent only when the test says so. */
    class Small implements MessageSocket {
      readonly got: Uint8Array[] = [];
      readonly waiting: (() => void)[] = [];
      isClosed = false;
      readonly world = new World();
      readonly server = new WispServer(this, this.world, { ...WISP_LIMITS, unsentBytes: 2048, heldBytes: 4096 });
      send(message: Uint8Array, sent: () => void = () => {}): void {
        this.got.push(message);
        this.waiting.push(sent);
      }
      close(): void {
        this.isClosed = true;
      }
      /** TCP streams that the world has opened. */
      async open(...ids: number[]): Promise<void> {
        for (const id of ids) this.server.message(connectPacket(id, StreamType.TCP, "192.0.2.1", 80));
        await Promise.resolve();
        await Promise.resolve();
        for (const stream of this.world.streams) stream.events.opened();
      }
      fill(id: number, kib: number): void {
        for (let n = 0; n < kib; n++) this.server.message(dataPacket(id, KIB));
      }
      get last(): number[] {
        return [...this.got.at(-1)!];
      }
    }

    it("loses the stream whose bytes the world does not take, not one that it does", async () => {
      const small = new Small();
      await small.open(1, 2, 3);
      small.world.streams[0]!.full = true;
      small.world.streams[1]!.full = true;
      small.fill(1, 3);
      small.fill(3, 20);
      small.fill(2, 2);
      expect([small.server.streams, small.last]).toEqual([2, [...closePacket(2, 0x49)]]);
      expect(small.world.streams.map(({ isAborted }) => isAborted)).toEqual([false, true, false]);
      // What was taken does not count any more.
      small.world.streams[0]!.events.drained();
      small.fill(1, 4);
      expect(small.server.streams).toBe(2);
    });

    it("loses the stream that has brought too much before it was open, and the datagrams", async () => {
      const small = new Small();
      for (const id of [1, 2]) small.server.message(connectPacket(id, StreamType.TCP, "192.0.2.1", 80));
      small.server.message(connectPacket(3, StreamType.UDP, "192.0.2.1", 80));
      small.fill(1, 3);
      small.fill(3, 5);
      small.fill(2, 2);
      expect([small.server.streams, small.last]).toEqual([2, [...closePacket(2, 0x49)]]);
      await Promise.resolve();
      await Promise.resolve();
      expect(small.world.datagrams[0]!.sent.length).toBe(1);
      small.world.streams[0]!.events.opened();
      small.world.streams[0]!.full = true;
      small.fill(1, 4);
      expect(small.server.streams).toBe(2);
    });

    it("has all of the world wait as soon as one stream has filled what it does not read", async () => {
      const small = new Small();
      await small.open(1, 2);
      small.world.streams[0]!.events.data(KIB);
      expect(small.world.streams.map(({ reads }) => reads)).toEqual([true, true]);
      small.world.streams[0]!.events.data(KIB);
      expect(small.world.streams.map(({ reads }) => reads)).toEqual([false, false]);
      await small.open(3);
      expect(small.world.streams[2]!.reads).toBe(false);
      for (const sent of small.waiting.splice(0)) sent();
      expect(small.world.streams.map(({ reads }) => reads)).toEqual([true, true, true]);
    });

    it("is cut off when it goes on asking", () => {
      const small = new Small();
      for (let n = 0; n < 1_000_000 && !small.isClosed; n++)
        small.server.message(connectPacket(1, StreamType.TCP, "x", 0));
      expect([small.isClosed, small.server.streams]).toEqual([true, 0]);
      expect(small.got.length).toBeLessThan(200_000);
    });
  });

  it("gets no more streams than there are", () => {
    const raw = new Raw();
    for (let id = 1; id <= 3; id++) raw.server.message(connectPacket(id, 1, "192.0.2.1", 80));
    expect([...raw.got.at(-1)!]).toEqual([...closePacket(3, 0x49)]);
  });

  it("of any bytes does no harm", () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.constantFrom(1, 2, 3, 4, 5), fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 20 }))
        .map(([type, id, rest]) => bytes(type, id, 0, 0, 0, ...rest)),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
        const raw = new Raw();
        for (const each of messages) raw.server.message(each);
        expect(raw.server.streams).toBeLessThanOrEqual(2);
      }),
    );
  });
});
