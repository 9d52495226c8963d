import { describe, expect, it } from "vitest";
import { MachineMemory } from "../core-link/index.js";
import { ByteRing } from "../ring/index.js";
import { MessageParser, writeMessage, type XsMessage, XsType } from "./codec.js";
import { XenstoreRing, XenstoreRingError } from "./ring.js";
import { XenstoreServer } from "./server.js";

const PAGE = 4096;

/** A guest's side of the page. */
class Guest {
  readonly memory = new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 1 });
  readonly server = new XenstoreServer();
  readonly requests = new ByteRing(this.memory, PAGE, { data: 0, size: 1024, cons: 2048, prod: 2052 });
  readonly replies = new ByteRing(this.memory, PAGE, { data: 1024, size: 1024, cons: 2056, prod: 2060 });
  readonly parser = new MessageParser();
  notified = 0;
  readonly lines: string[] = [];
  readonly ring: XenstoreRing;

  constructor() {
    this.server.local.write("/local/domain/3/name", "guest");
    this.server.local.setPermissions("/local/domain/3/name", [{ domid: 3, access: "n" }]);
    const io = {
      memory: this.memory,
      page: PAGE,
      notify: () => void this.notified++,
      log: (line: string) => void this.lines.push(line),
    };
    this.ring = new XenstoreRing(io, this.server, 3);
  }

  receive(): XsMessage[] {
    return this.parser.push(this.replies.read(1024)!);
  }

  word(offset: number): number {
    return this.memory.load32(PAGE + offset);
  }
}

const read = (requestId: number): Uint8Array =>
  writeMessage({ type: XsType.READ, requestId, txId: 0, payload: "name\0" });

describe("a guest's xenstore ring", () => {
  it("answers a request and notifies", () => {
    const guest = new Guest();
    guest.requests.write(read(1));
    guest.ring.serve();
    expect(guest.receive()).toEqual([{ type: XsType.READ, requestId: 1, txId: 0, payload: "guest" }]);
    expect(guest.notified).toBe(1);
    expect(guest.word(2064)).toBe(3);
  });

  it("takes requests in pieces and across the end of the ring", () => {
    const guest = new Guest();
    for (let id = 0; id < 200; id++) {
      const bytes = read(id);
      guest.requests.write(bytes.subarray(0, 7));
      guest.ring.serve();
      guest.requests.write(bytes.subarray(7));
      guest.ring.serve();
      expect(guest.receive().map(({ requestId }) => requestId)).toEqual([id]);
    }
  });

  it("keeps replies that have no room until the guest makes some", () => {
    const guest = new Guest();
    guest.server.local.write("/local/domain/3/name", "x".repeat(2000));
    guest.requests.write(read(1));
    guest.ring.serve();
    const parts = [];
    for (let turn = 0; turn < 4; turn++) {
      parts.push(...guest.receive());
      guest.ring.serve();
    }
    expect(parts.map(({ payload }) => payload.length)).toEqual([2000]);
  });

  it("breaks on impossible indices, and only for that guest", () => {
    const guest = new Guest();
    guest.memory.store32(PAGE + 2052, 5000);
    guest.ring.serve();
    expect(guest.ring.broken).toBe(true);
    expect(guest.word(2072)).toBe(XenstoreRingError.RING_INDEX);
    expect(guest.lines).toHaveLength(1);
    expect(guest.server.local.read("/local/domain/3/name")).toBe("guest");
  });

  it("breaks on an oversized request and comes back when the guest reconnects", () => {
    const guest = new Guest();
    const bytes = read(1);
    new DataView(bytes.buffer).setUint32(12, 0xffffffff, true);
    guest.requests.write(bytes);
    guest.ring.serve();
    expect(guest.word(2072)).toBe(XenstoreRingError.PROTOCOL);
    guest.memory.store32(PAGE + 2068, 1);
    guest.ring.serve();
    expect([guest.word(2068), guest.word(2072)]).toEqual([0, 0]);
    guest.requests.write(read(2));
    guest.ring.serve();
    expect(guest.receive()[0]?.requestId).toBe(2);
  });

  it("sends watch events on its own", () => {
    const guest = new Guest();
    guest.requests.write(writeMessage({ type: XsType.WATCH, requestId: 1, txId: 0, payload: "name\0t\0" }));
    guest.ring.serve();
    expect(guest.receive().map(({ type }) => type)).toEqual([XsType.WATCH, XsType.WATCH_EVENT]);
    guest.server.local.write("/local/domain/3/name", "new");
    expect(guest.receive().map(({ payload }) => payload)).toEqual(["name\0t\0"]);
  });

  it("drops events, not replies, for a guest that does not read", () => {
    const guest = new Guest();
    guest.requests.write(writeMessage({ type: XsType.WATCH, requestId: 1, txId: 0, payload: "name\0t\0" }));
    guest.ring.serve();
    for (let count = 0; count < 12000; count++) guest.server.local.write("/local/domain/3/name", String(count));
    expect(guest.ring.droppedEvents).toBeGreaterThan(0);
    expect(guest.ring.broken).toBe(false);
  });
});
