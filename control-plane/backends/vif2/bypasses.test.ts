import { beforeEach, describe, expect, it } from "vitest";
import { Bypasses, type BypassMember } from "./bypasses.js";
import { frontendReadyMessage, Message, numberMessage, suggestionMessage } from "./codec.js";
import { ASKED, type BypassEvent, type BypassState, step } from "./machine.js";
import { tcpFrame, Vif2Front, World } from "./testing/front.js";

const REFS = Array.from({ length: 32 }, (_, index) => 100 + index);
const RING = { port: 11, controlRef: 99, refs: REFS };

let world: World;
let a: Vif2Front;
let b: Vif2Front;

beforeEach(() => {
  world = new World();
  a = new Vif2Front(world, { domid: 5 });
  b = new Vif2Front(world, { domid: 6 });
});

/** What Domain0 has said of bypasses: type, and the handle. */
function told(
  front: Vif2Front,
  queue = 0,
): { readonly type: number; readonly handle: number; readonly bytes: Uint8Array }[] {
  return front.rings[queue]!.take()
    .filter((bytes) => bytes[0]! >= Message.BYPASS_FRONTEND && bytes[0]! < Message.PAD)
    .map((bytes) => {
      const view = new DataView(bytes.buffer);
      return { type: bytes[0]!, handle: view.getUint32(bytes.length > 8 ? 12 : 4, true), bytes };
    });
}

const types = (front: Vif2Front, queue = 0): number[] => told(front, queue).map(({ type }) => type);

function talk(from: Vif2Front, to: Vif2Front, count = 4): void {
  for (let index = 0; index < count; index++) from.say(from.packet(tcpFrame(to.macBytes, from.macBytes, 100)));
}

/** Makes a bypass; its handle. */
function make(): number {
  talk(a, b);
  const [asked] = told(a);
  a.say(frontendReadyMessage(asked!.handle, RING));
  told(b);
  b.say(numberMessage(Message.BYPASS_READY, asked!.handle));
  return asked!.handle;
}

describe("guests with one queue", () => {
  beforeEach(() => {
    a.start();
    b.start();
    told(a);
    told(b);
  });

  it("get another when they are allowed again before the last one has ended", () => {
    const handle = make();
    world.bypasses.allowed = false;
    world.bypasses.allowed = true;
    for (const front of [a, b]) front.say(numberMessage(Message.BYPASS_DISABLED, handle));
    for (const front of [b, a]) front.say(numberMessage(Message.BYPASS_DETACHED, handle));
    told(a);
    talk(a, b);
    expect(types(a)).toEqual([Message.BYPASS_FRONTEND]);
  });
});

/** One without a device, that keeps what it is told. */
function member(domid: number, mostBypasses = 5): BypassMember & { readonly said: number[] } {
  const said: number[] = [];
  const mac = Uint8Array.of(0, 0x16, 0x3e, 0, 0, domid);
  const say = (_: number, message: Uint8Array) => void said.push(message[0]!);
  return { said, domid, mac, queues: 1, mostBypasses, say, made: () => {} };
}

it("who comes again is not held to what its former connection left unfinished", () => {
  const bypasses = new Bypasses({ log: world.log });
  const [one, other] = [member(5), member(6)];
  const answer = (from: BypassMember, message: Uint8Array) => bypasses.answer(from, 0, message[0]!, message);
  bypasses.join(one);
  bypasses.join(other);
  answer(one, suggestionMessage(other.mac));
  bypasses.leave(other);
  answer(one, numberMessage(Message.BYPASS_DISABLED, 16));
  answer(one, numberMessage(Message.BYPASS_DETACHED, 16));
  bypasses.join(other);
  one.said.length = 0;
  answer(one, suggestionMessage(other.mac));
  expect(one.said).toEqual([Message.BYPASS_FRONTEND]);
});

it("who only says that it lends, and does not, takes nobody's place for a bypass", () => {
  const bypasses = new Bypasses({ log: world.log });
  const wanted = member(5, 2);
  const others = [6, 7, 8, 9].map((domid) => member(domid));
  for (const each of [wanted, ...others]) bypasses.join(each);
  const answer = (from: BypassMember, message: Uint8Array) => bypasses.answer(from, 0, message[0]!, message);
  for (const each of others) answer(each, suggestionMessage(wanted.mac));
  expect(others.map(({ said }) => said)).toEqual(others.map(() => [Message.BYPASS_FRONTEND]));
  // The last ones lend first, and there are no more than it may have.
  for (const n of [3, 2, 1]) answer(others[n]!, frontendReadyMessage(16 * (n + 1), RING));
  expect(wanted.said).toEqual([Message.BYPASS_BACKEND, Message.BYPASS_BACKEND]);
  expect(others.map(({ said }) => said.slice(1))).toEqual([[], [Message.BYPASS_DISABLE], [], []]);
  const late = others[1]!;
  for (const type of [Message.BYPASS_DISABLED, Message.BYPASS_DETACHED]) answer(late, numberMessage(type, 32));
  bypasses.leave(others[3]!);
  for (const type of [Message.BYPASS_DISABLED, Message.BYPASS_DETACHED]) answer(wanted, numberMessage(type, 64));
  late.said.length = 0;
  answer(late, suggestionMessage(wanted.mac));
  expect(late.said).toEqual([Message.BYPASS_FRONTEND]);
});

describe("guests that talk much", () => {
  beforeEach(() => {
    a.start(2);
    b.start(2);
    told(a);
    told(b);
  });

  it("are introduced, queue by queue: one lends a ring, the other is told of it", () => {
    talk(a, b, 3);
    expect(types(a)).toEqual([]);
    talk(a, b, 1);
    const [asked] = told(a);
    expect(types(a, 1)).toEqual([Message.BYPASS_FRONTEND]);
    expect([asked!.type, asked!.bytes.length]).toEqual([Message.BYPASS_FRONTEND, 32]);
    expect(asked!.bytes.subarray(16, 22)).toEqual(b.macBytes);
    expect(new DataView(asked!.bytes.buffer).getUint16(10, true)).toBe(6);
    expect(types(b)).toEqual([]);
    a.say(frontendReadyMessage(asked!.handle, RING));
    const [offered] = told(b);
    const view = new DataView(offered!.bytes.buffer);
    expect([offered!.type, offered!.handle, view.getUint16(8, true)]).toEqual([
      Message.BYPASS_BACKEND,
      asked!.handle,
      5,
    ]);
    expect([view.getUint32(4, true), view.getUint32(24, true)]).toEqual([11, 99]);
    expect(REFS.map((_, index) => view.getUint32(32 + 4 * index, true))).toEqual(REFS);
    expect(world.bypasses.live).toBe(0);
    b.say(numberMessage(Message.BYPASS_READY, asked!.handle));
    expect(world.bypasses.live).toBe(1);
    expect(a.backend.stats()).toMatchObject({ bypasses: 1 });
  });

  it("are introduced when one of them asks", () => {
    a.say(suggestionMessage(b.macBytes));
    expect(types(a)).toEqual([Message.BYPASS_FRONTEND]);
    a.say(
      suggestionMessage(b.macBytes),
      suggestionMessage(a.macBytes),
      suggestionMessage(Uint8Array.of(1, 2, 3, 4, 5, 6)),
    );
    expect(types(a)).toEqual([]);
  });

  it("are not introduced for what everybody hears", () => {
    for (let index = 0; index < 8; index++) {
      a.say(a.packet(tcpFrame(new Uint8Array(6).fill(255), a.macBytes, 100)));
    }
    expect(types(a)).toEqual([]);
  });

  it("are taken apart, the borrower first, when bypasses are not allowed any more", () => {
    const handle = make();
    world.bypasses.allowed = false;
    expect([types(a), types(b)]).toEqual([[Message.BYPASS_DISABLE], [Message.BYPASS_DISABLE]]);
    a.say(numberMessage(Message.BYPASS_DISABLED, handle));
    expect(types(a)).toEqual([]);
    b.say(numberMessage(Message.BYPASS_DISABLED, handle));
    expect(types(b)).toEqual([Message.BYPASS_DETACH]);
    b.say(numberMessage(Message.BYPASS_DETACHED, handle));
    expect(types(a)).toEqual([Message.BYPASS_DETACH]);
    talk(a, b, 8);
    expect(types(a)).toEqual([]);
    expect(world.bypasses.live).toBe(0);
  });

  it("lose it when one of them goes away, and find each other again", () => {
    const handle = make();
    a.write("state", "5");
    a.write("state", "6");
    expect(types(b)).toEqual([Message.BYPASS_DISABLE]);
    b.say(numberMessage(Message.BYPASS_DISABLED, handle));
    expect(types(b)).toEqual([Message.BYPASS_DETACH]);
    b.say(numberMessage(Message.BYPASS_DETACHED, handle));
    a.write("state", "1");
    a.start(2);
    talk(b, a);
    expect(types(b)).toEqual([Message.BYPASS_FRONTEND]);
  });

  it("are left alone once one of them has had enough of the other", () => {
    const [handle, other] = [make(), 0];
    b.say(numberMessage(Message.BYPASS_DISABLED, handle));
    expect([types(a), types(b)]).toEqual([[Message.BYPASS_DISABLE], [Message.BYPASS_DETACH]]);
    b.say(numberMessage(Message.BYPASS_DETACHED, handle));
    a.say(numberMessage(Message.BYPASS_DISABLED, handle));
    expect(types(a)).toEqual([Message.BYPASS_DETACH]);
    a.say(numberMessage(Message.BYPASS_DETACHED, handle));
    talk(a, b, 8);
    expect(types(a)).toEqual([]);
    expect(world.bypasses.live).toBe(other);
  });

  it("believe no third guest", () => {
    const c = new Vif2Front(world, { domid: 7 });
    c.start(2);
    const handle = make();
    c.say(numberMessage(Message.BYPASS_DISABLED, handle), frontendReadyMessage(handle, RING));
    expect([types(a), types(b), world.bypasses.live]).toEqual([[], [], 1]);
  });

  it("that lend no whole ring are not offered to others", () => {
    talk(a, b);
    const [asked] = told(a);
    a.say(frontendReadyMessage(asked!.handle, { ...RING, refs: REFS.slice(1) }));
    expect(types(b)).toEqual([]);
  });

  it("have no more than they may", () => {
    const others = [7, 8, 9].map((domid) => new Vif2Front(world, { domid, mostBypasses: 1 }));
    for (const other of others) other.start();
    talk(others[0]!, others[1]!);
    talk(others[2]!, others[0]!);
    told(others[0]!);
    expect([types(others[2]!), types(others[1]!)]).toEqual([[], []]);
  });
});

describe("the states of a bypass", () => {
  const EVENTS: readonly BypassEvent[] = [
    { kind: "lent" },
    { kind: "refused" },
    { kind: "borrowed" },
    { kind: "end" },
    ...(["disabled", "detached", "gone"] as const).flatMap((kind) =>
      (["lender", "borrower"] as const).map((who) => ({ kind, who })),
    ),
  ];

  it("are sound whatever comes: all that was begun can be over, and the lender's memory waits for the borrower", () => {
    const seen = new Map<string, BypassState>([[JSON.stringify(ASKED), ASKED]]);
    for (const state of seen.values()) {
      for (const event of EVENTS) {
        const [next, effects] = step(state, event);
        for (const effect of effects) {
          if (effect.kind === "detach" && effect.who === "lender") expect(next.borrower).toBe("out");
          if (effect.kind === "offer") expect(next).toMatchObject({ lender: "in", borrower: "in" });
          if (effect.kind === "over") expect(next).toMatchObject({ lender: "out", borrower: "out" });
        }
        seen.set(JSON.stringify(next), next);
      }
    }
    for (const state of seen.values()) {
      const [left] = step(state, { kind: "gone", who: "lender" });
      const [alone] = step(left, { kind: "gone", who: "borrower" });
      expect(alone.phase).toBe("over");
      expect(EVENTS.flatMap((event) => step(alone, event)[1])).toEqual([]);
    }
  });
});
