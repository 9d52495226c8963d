import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MachineMemory } from "../core-link/index.js";
import { BackRing, FrontRing, slotCount } from "./index.js";

const PAGE = 4096;

function makeEnds(slotBytes = 112) {
  const memory = new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 1 });
  const geometry = { memory, address: PAGE, bytes: 4096, slotBytes };
  const front = new FrontRing(geometry);
  front.initialise();
  return { memory, front, back: new BackRing(geometry) };
}

const slot = (value: number): Uint8Array => new Uint8Array(112).fill(value);

describe("the shared ring", () => {
  it("has the slot counts that Linux computes", () => {
    expect([slotCount(4096, 112), slotCount(4096, 12), slotCount(4096, 8), slotCount(4096, 5000)]).toEqual([
      32, 256, 256, 0,
    ]);
  });

  it("moves requests and responses in order, for any interleaving", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }), (batches) => {
        const { front, back } = makeEnds();
        let [sent, received] = [0, 0];
        for (const batch of batches) {
          const requests = Array.from({ length: Math.min(batch, front.free) }, () => slot(sent++ % 256));
          front.pushRequests(requests);
          const taken: Uint8Array[] = [];
          for (let request = back.takeRequest(); request; request = back.takeRequest()) taken.push(request);
          back.pushResponses(taken);
          for (let response = front.takeResponse(); response; response = front.takeResponse()) {
            expect(response[0]).toBe(received++ % 256);
          }
        }
        expect(received).toBe(sent);
      }),
    );
  });

  it("asks for a notification only when the other side sleeps", () => {
    const { front, back } = makeEnds();
    expect(front.pushRequests([slot(1)])).toBe(true);
    expect(front.pushRequests([slot(2)])).toBe(false);
    back.takeRequest();
    back.takeRequest();
    expect(back.finalCheck()).toBe(false);
    expect(front.pushRequests([slot(3)])).toBe(true);
    expect(back.finalCheck()).toBe(true);
  });

  it("never works on more requests than there are slots, and refuses impossible indices", () => {
    const { memory, back } = makeEnds();
    memory.store32(PAGE, 32);
    for (let count = 0; count < 32; count++) expect(back.takeRequest()).toBeInstanceOf(Uint8Array);
    memory.store32(PAGE, 64);
    expect(back.takeRequest()).toBeUndefined();
    memory.store32(PAGE, 4711);
    expect(back.takeRequest()).toBeNull();
  });

  it("gives back what was taken and has no response, and says how many are waiting", () => {
    const { memory, front, back } = makeEnds();
    front.pushRequests([slot(1), slot(2), slot(3)]);
    const request = new Uint8Array(112);
    expect(back.waiting()).toBe(3);
    for (const value of [1, 2]) {
      back.take(request);
      expect(request).toEqual(slot(value));
    }
    back.untake(1);
    expect(back.waiting()).toBe(2);
    back.take(request);
    expect([request[0], back.waiting()]).toEqual([2, 1]);
    memory.store32(PAGE, 32);
    expect(back.waiting()).toBe(30);
    memory.store32(PAGE, 2 + 33);
    expect(back.waiting()).toBe(-1);
  });

  it("is woken when there are as many as are needed, and not before", () => {
    const { front, back } = makeEnds();
    front.pushRequests([slot(1)]);
    expect(back.wakeAt(3)).toBe(false);
    expect(front.pushRequests([slot(2)])).toBe(false);
    expect(front.pushRequests([slot(3), slot(4)])).toBe(true);
    expect(back.wakeAt(3)).toBe(true);
  });
});
