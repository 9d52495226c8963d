/** A front end that does anything at any time, for tests. */
import fc from "fast-check";
import { Packet } from "../../../net/index.js";
import { build } from "../../../net/testing/frames.js";
import { CONTROL_SLOT_BYTES, ExtraType, RX_SLOT_BYTES, TX_SLOT_BYTES } from "../codec.js";
import { VifFront, type World } from "./front.js";

const SLOT_BYTES = { tx: TX_SLOT_BYTES, rx: RX_SLOT_BYTES, control: CONTROL_SLOT_BYTES };
const ringArb = fc.constantFrom("tx" as const, "rx" as const, "control" as const);
export const actionArb = fc.oneof(
  fc.record({
    do: fc.constant("push" as const),
    ring: ringArb,
    slots: fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 12 }),
  }),
  fc.record({
    do: fc.constant("send" as const),
    bytes: fc.nat(3500),
    cut: fc.nat(2),
    flags: fc.constantFrom(0, 1, 2, 3),
    large: fc.boolean(),
  }),
  fc.record({ do: fc.constant("receive" as const), bytes: fc.nat(9000), large: fc.boolean(), partial: fc.boolean() }),
  fc.record({ do: fc.constant("post" as const), count: fc.nat(30) }),
  fc.record({
    do: fc.constant("index" as const),
    ring: ringArb,
    word: fc.nat(3),
    value: fc.oneof(fc.nat(300), fc.integer()),
  }),
  fc.record({ do: fc.constant("take" as const) }),
  fc.record({ do: fc.constant("state" as const), value: fc.nat(8) }),
  fc.record({ do: fc.constant("refuse" as const), every: fc.nat(3) }),
  fc.record({ do: fc.constant("pause" as const), on: fc.boolean() }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 50, 10_001) }),
);
export type Action = typeof actionArb extends fc.Arbitrary<infer T> ? T : never;

/** A front end that does what it is told, and comes back when it was thrown out. */
export class Attacker {
  readonly front: VifFront;
  #rings: number[] = [];
  #refs: number[] = [];

  constructor(world: World, features: Record<string, string>) {
    const rateBytesPerSecond = 400_000;
    this.front = new VifFront(world, { queues: 2, control: true, mtu: 9000, features, rateBytesPerSecond });
    this.#connect();
    this.#refs = Array.from({ length: 4 }, () => this.front.shared().ref);
  }

  act(action: Action): void {
    const { front } = this;
    const { world } = front;
    switch (action.do) {
      case "push":
        this.#push(action);
        break;
      case "send":
        this.#send(action);
        break;
      case "receive":
        this.#receive(action);
        break;
      case "post":
        if (front.queues[1]!.rx.free >= action.count) front.post(action.count, 1);
        break;
      case "index":
        world.core.memory.store32(
          this.#rings[["tx", "rx", "control"].indexOf(action.ring)]! + 4 * action.word,
          action.value,
        );
        break;
      case "take":
        for (const queue of [0, 1]) front.queues[queue]!.tx.finalCheck();
        front.wire.station?.resume();
        break;
      case "state":
        front.write("state", String(action.value));
        break;
      case "refuse": {
        let count = 0;
        front.wire.accepts = () => count++ % (action.every + 1) !== 1;
        break;
      }
      case "pause":
        if (action.on) void front.backend.pause();
        else front.backend.resume();
        break;
      case "wait":
        world.pass(action.ms);
    }
    for (const queue of [0, 1]) world.core.guestNotify(front.domid, front.queues[queue]!.txPort);
    for (const queue of [0, 1]) world.core.guestNotify(front.domid, front.queues[queue]!.rxPort);
    world.core.guestNotify(front.domid, front.control!.port);
    world.serve();
    if (front.key("state") !== "4") this.#comeBack();
  }

  #push({ ring: name, slots }: Action & { do: "push" }): void {
    const ring = name === "control" ? this.front.control!.ring : this.front.queues[0]![name];
    for (const slot of slots) {
      // Half of them are grants that there are.
      const at = name === "tx" ? 0 : 4;
      if (slot[0]! & 1) new DataView(slot.buffer, slot.byteOffset).setUint32(at, this.#refs[slot[1]! & 3]!, true);
    }
    ring.pushRequests(slots.map((slot) => slot.slice(0, SLOT_BYTES[name])));
  }

  #send({ bytes, cut, flags, large }: Action & { do: "send" }): void {
    const payload = new Array(1000 * cut + bytes).fill(7);
    const extras = large ? [{ type: ExtraType.GSO, gsoSize: 700, gsoType: 2 }] : [];
    this.front.put(build({ family: large ? 6 : 4, payload }), { flags, pieces: new Array(cut).fill(1000), extras }, 1);
  }

  #receive({ bytes, large, partial }: Action & { do: "receive" }): void {
    const packet = new Packet(null);
    packet.wrap(build({ family: 4, payload: new Array(bytes).fill(3) }));
    packet.partialChecksum = partial;
    if (large) Object.assign(packet, { gsoSize: 500, gsoType: 1, partialChecksum: true });
    this.front.wire.station?.receive(packet);
    this.front.wire.station?.settle();
  }

  #comeBack(): void {
    this.front.write("state", "6");
    this.front.world.serve();
    this.front.write("state", "1");
    this.#connect();
  }

  #connect(): void {
    const before = new Set(this.front.world.core.grants.values());
    this.front.connect();
    const made = [...this.front.world.core.grants.values()].filter((gfn) => !before.has(gfn));
    this.#rings = [made[0]!, made[1]!, made.at(-1)!].map((gfn) =>
      this.front.world.core.calls.domainPage(this.front.domid, gfn),
    );
  }
}
