/** Guests that send anything: the network never throws, stays within its bounds, and serves the next guest. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sumBytes } from "../sum.js";
import { putU16 } from "./codec/numbers.js";
import { NAT_LIMITS, type NatLimits } from "./index.js";
import { type Bench, bench, bytesOfHex, hexOf } from "./testing/fakes.js";
import { FRAMES } from "./testing/frames.js";

const NAMES = Object.keys(FRAMES) as (keyof typeof FRAMES)[];
const SMALL: NatLimits = {
  ...NAT_LIMITS,
  guests: 16,
  addressesPerGuest: 4,
  flows: 12,
  flowsPerGuest: 8,
  pings: 8,
  pingsPerGuest: 4,
  fragmentBytes: 4096,
  fragmentBytesPerGuest: 2048,
  datagrams: 8,
  datagramsPerGuest: 4,
  lookups: 8,
  lookupsPerGuest: 4,
  cachedNames: 8,
  heldFrames: 4,
};

type Change = readonly [kind: "set" | "cut" | "grow" | "swap", at: number, value: number];

/** A valid frame with a few bytes changed; the checksums made good again, or the change is all that is looked at. */
function mutate(name: keyof typeof FRAMES, changes: readonly Change[], isRepaired: boolean): Uint8Array {
  let frame = bytesOfHex(FRAMES[name]);
  for (const [kind, at, value] of changes) {
    const i = at % Math.max(1, frame.length);
    if (kind === "set") frame[i] = value;
    else if (kind === "cut") frame = frame.slice(0, i);
    else if (kind === "grow") frame = Uint8Array.of(...frame, ...new Uint8Array(at % 3000).fill(value));
    else [frame[i], frame[value % Math.max(1, frame.length)]] = [frame[value % Math.max(1, frame.length)]!, frame[i]!];
  }
  if (isRepaired && frame.length >= 34 && frame[12] === 8 && frame[13] === 0) {
    const bytes = Math.min(frame.length - 14, (frame[14]! & 15) * 4);
    putU16(frame, 24, 0);
    putU16(frame, 24, ~sumBytes(frame, 14, 14 + bytes) & 0xffff);
  }
  return frame;
}

const change: fc.Arbitrary<Change> = fc.tuple(
  fc.constantFrom("set" as const, "set" as const, "set" as const, "cut" as const, "grow" as const, "swap" as const),
  fc.nat(1700),
  fc.nat(255),
);
const mutant = fc
  .tuple(fc.constantFrom(...NAMES), fc.array(change, { maxLength: 6 }), fc.boolean())
  .map(([name, changes, isRepaired]) => mutate(name, changes, isRepaired));
const noise = fc.uint8Array({ maxLength: 200 });
const frames = fc.array(fc.tuple(fc.oneof({ weight: 5, arbitrary: mutant }, noise), fc.boolean()), { maxLength: 60 });

function expectBounded({ nat, outside, timers }: Bench): void {
  const stats = nat.stats();
  const most: Readonly<Record<string, number>> = {
    guests: SMALL.guests,
    udpFlows: SMALL.flows,
    pings: SMALL.pings,
    fragmentBytes: SMALL.fragmentBytes,
    datagrams: SMALL.datagrams,
    dnsLookups: SMALL.lookups,
    dnsNames: SMALL.cachedNames,
    heldFrames: SMALL.heldFrames,
    leases: 251,
  };
  for (const [name, limit] of Object.entries(most)) expect([name, stats[name]! <= limit]).toEqual([name, true]);
  expect(outside.openSockets).toBe(stats.udpFlows);
  expect(nat.list().every((guest) => guest.addresses.length <= SMALL.addressesPerGuest)).toBe(true);
  expect(timers.pending).toBeLessThanOrEqual(2 + SMALL.lookups);
}

/** A guest that nobody has pretended to be. */
function expectService({ send }: Bench): void {
  const good = Uint8Array.of(2, 0x77, 1, 2, 3, 4);
  const as = (frame: string): Uint8Array => {
    const bytes = bytesOfHex(frame);
    bytes.set(good, 6);
    return bytes;
  };
  const arp = as(FRAMES.arpRequest);
  arp.set(good, 22);
  arp[31] = 99;
  const [reply] = send(arp);
  expect(hexOf(reply!.subarray(0, 14))).toBe(`${hexOf(good)}52550a0002020806`);
  const solicitation = send(as(FRAMES.nsOfDad));
  expect(solicitation.map(hexOf)).toEqual([FRAMES.naOfDad]);
}

const settings = {
  numRuns: Number(process.env.RUNS ?? 300),
  ...(process.env.SEED && { seed: Number(process.env.SEED) }),
};

describe("a hostile guest", () => {
  it("cannot make the network throw, grow or stop by any frames", () => {
    fc.assert(
      fc.property(frames, fc.nat(100_000), (list, ms) => {
        const b = bench({ limits: SMALL, searchDomains: ["example.org"] });
        b.outside.resolution = () => new Promise(() => undefined);
        b.outside.isAlive = () => new Promise(() => undefined);
        for (const [frame, isVouched] of list) {
          b.send(frame, isVouched);
          expectBounded(b);
        }
        b.timers.advance(ms);
        expectBounded(b);
        expectService(b);
        b.nat.close();
        expect([b.timers.pending, b.outside.openSockets]).toEqual([0, 0]);
      }),
      settings,
    );
  });

  it("cannot do so by each frame cut at each byte, or with any one byte another", () => {
    for (const name of NAMES) {
      const b = bench({ limits: SMALL });
      const frame = bytesOfHex(FRAMES[name]).subarray(0, 400);
      for (let i = 0; i < frame.length; i++) {
        b.send(frame.slice(0, i));
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const changed = frame.slice();
          changed[i] = value;
          b.send(changed, true);
        }
      }
      expectBounded(b);
      expectService(b);
    }
  });

  it.each([1448, 65_400, 65_512, 65_528])("cannot by a packet of IPv6 in fragments with %i bytes", async (bytes) => {
    for (const [name, protocol] of [
      ["udp6", 17],
      ["echo6", 58],
    ] as const) {
      const b = bench();
      const head = bytesOfHex(FRAMES[name]).subarray(0, 54);
      const payload = new Uint8Array(bytes);
      payload.set(bytesOfHex(FRAMES[name]).subarray(54, 62));
      if (protocol === 17) putU16(payload, 4, bytes);
      for (let at = 0; at < bytes; at += 1448) {
        const piece = payload.subarray(at, at + 1448);
        const frame = new Uint8Array(62 + piece.length);
        frame.set(head);
        putU16(frame, 18, 8 + piece.length);
        frame[20] = 44;
        frame.set([protocol, 0, 0, 0, 1, 2, 3, 4], 54);
        putU16(frame, 56, at | (at + 1448 < bytes ? 1 : 0));
        frame.set(piece, 62);
        b.send(frame);
      }
      await b.later();
      expect([name, b.nat.stats().reassembled]).toEqual([name, 1]);
      expectService(b);
    }
  });

  it.each([65_491, 65_492, 65_507])("cannot by an answer of %i bytes over IPv6 that it is sent", async (bytes) => {
    const b = bench();
    b.send(FRAMES.udp6);
    const { events, sent } = b.outside.sockets[0]!;
    events.data(sent[0]![0], sent[0]![1], new Uint8Array(bytes));
    expect((await b.later()).length).toBe(Math.ceil((bytes + 8) / 1448));
    expectService(b);
  });

  it("cannot by a flood of ARP, of addresses and of MACs", () => {
    const b = bench({ limits: SMALL });
    const arp = bytesOfHex(FRAMES.arpRequest);
    for (let i = 0; i < 5000; i++) {
      const frame = arp.slice();
      frame[31] = i;
      if (i % 2 === 1) {
        frame.set([i >>> 8, i & 255], 10);
        frame.set([i >>> 8, i & 255], 26);
      }
      b.send(frame);
    }
    expectBounded(b);
    expectService(b);
  });

  it("cannot keep another from its lease or its port by pretending to be it", () => {
    const b = bench({ limits: SMALL });
    b.send(FRAMES.dhcpRequest);
    b.send(FRAMES.udp);
    const socket = b.outside.sockets[0]!;
    for (let i = 0; i < 2000; i++) {
      const discover = bytesOfHex(FRAMES.dhcpDiscover);
      const mac = Uint8Array.of(2, 9, 9, 9, i >>> 8, i);
      discover.set(mac, 6);
      discover.set(mac, 42 + 28);
      b.send(discover, true);
      const udp = bytesOfHex(FRAMES.udp);
      udp.set(mac, 6);
      b.send(udp);
    }
    expect([socket.isOpen, socket.sent.length]).toEqual([true, 1]);
    b.send(FRAMES.udp);
    expect(socket.sent.length).toBe(2);
    expect(b.send(FRAMES.dhcpRequest).map((f) => hexOf(f).slice(0, 12))).toEqual(["ffffffffffff"]);
    expectBounded(b);
  });
});
