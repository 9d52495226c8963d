/** One interface that speaks as many MACs and from many addresses gets no more than one that is honest. */
import { describe, expect, it } from "vitest";
import { parseIp, parseMac } from "../addresses.js";
import { sumBytes } from "../sum.js";
import { putU16 } from "./codec/numbers.js";
import type { NatLimits } from "./index.js";
import { bench, bytesOfHex } from "./testing/fakes.js";
import { FRAMES } from "./testing/frames.js";

const GREEDY = parseMac("02:00:00:00:00:66")!;
const HONEST = parseMac("02:00:00:00:00:0b")!;
const MACS = 20;
const [SOURCE_MAC, IP_HEADER, IP_BYTES, IP_SUM, SOURCE_IP, PORT, UDP_SUM, DHCP_CLIENT] = [
  6, 14, 20, 24, 26, 34, 40, 70,
];

/** The frame as the guest's n-th MAC and address send it; as its own for 0. */
function as(guest: Uint8Array, n: number, frame: string): Uint8Array {
  const out = bytesOfHex(frame);
  out.set(guest, SOURCE_MAC);
  out[SOURCE_MAC + 4] = n;
  out[SOURCE_IP + 3] = (guest === GREEDY ? 100 : 20) + n;
  putU16(out, IP_SUM, 0);
  putU16(out, IP_SUM, ~sumBytes(out, IP_HEADER, IP_HEADER + IP_BYTES) & 0xffff);
  return out;
}

/** The same for UDP, from a port of its own. */
function udpAs(guest: Uint8Array, n: number, frame: string): Uint8Array {
  const out = as(guest, n, frame);
  putU16(out, PORT, 2000 + n);
  putU16(out, UDP_SUM, 0);
  return out;
}

function discoverAs(guest: Uint8Array, n: number): Uint8Array {
  const out = bytesOfHex(FRAMES.dhcpDiscover);
  out.set(guest, SOURCE_MAC);
  out[SOURCE_MAC + 4] = n;
  out.set(out.subarray(SOURCE_MAC, SOURCE_MAC + 6), DHCP_CLIENT);
  putU16(out, UDP_SUM, 0);
  return out;
}

function network(limits: Partial<NatLimits>) {
  const b = bench({ limits });
  b.outside.isAlive = () => new Promise(() => undefined);
  return { ...b, by: (guest: Uint8Array, frame: Uint8Array) => b.send(frame, false, guest) };
}

describe("what is bounded for a guest is bounded for its interface", () => {
  it.each([
    ["echo requests", "pings", FRAMES.echoOut, { pings: 8, pingsPerGuest: 3 }],
    ["fragments", "datagrams", FRAMES.fragment2, { datagrams: 8, datagramsPerGuest: 3 }],
  ])("%s", (_, what, frame, limits) => {
    const { by, nat } = network(limits);
    for (let n = 0; n < MACS; n++) by(GREEDY, as(GREEDY, n, frame));
    expect(nat.stats()[what]).toBe(3);
    by(HONEST, as(HONEST, 0, frame));
    expect(nat.stats()[what]).toBe(4);
  });

  it("sockets, of which an honest guest keeps its own", () => {
    const { by, nat } = network({ flows: 8, flowsPerGuest: 6 });
    for (let n = 0; n < 4; n++) by(HONEST, udpAs(HONEST, n, FRAMES.udp));
    for (let n = 0; n < MACS; n++) by(GREEDY, udpAs(GREEDY, n, FRAMES.udp));
    const flowsOf = (text: string): number =>
      nat.list().reduce((sum, g) => sum + (g.mac.endsWith(text) ? g.udpFlows : 0), 0);
    expect([flowsOf(":0b"), flowsOf(":66")]).toEqual([4, 4]);
  });

  it("names that are looked up", () => {
    const { by } = network({ lookups: 8, lookupsPerGuest: 3 });
    // Those beyond are refused at once.
    const refusals = Array.from({ length: MACS }, (_, n) => by(GREEDY, udpAs(GREEDY, n, FRAMES.dnsA)).length);
    expect(refusals).toEqual(Array.from({ length: MACS }, (_, n) => (n < 3 ? 0 : 1)));
    expect(by(HONEST, udpAs(HONEST, 0, FRAMES.dnsA))).toEqual([]);
  });

  it("addresses that DHCP gives", () => {
    const { by, nat } = network({ leasesPerGuest: 3 });
    const offers = Array.from({ length: MACS }, (_, n) => by(GREEDY, discoverAs(GREEDY, n)).length);
    expect(offers.filter((count) => count > 0).length).toBe(3);
    expect(by(GREEDY, discoverAs(GREEDY, 0)).length, "the same again").toBe(1);
    expect(by(HONEST, discoverAs(HONEST, 0)).length).toBe(1);
    expect(nat.stats().dhcpExhausted).toBe(MACS - 3);
  });

  it("places among the guests", () => {
    const { by, nat } = network({ guests: 8 });
    for (const last of [1, 2, 3]) by(HONEST, as(Uint8Array.of(2, 0, 0, 0, 0, last), 0, FRAMES.echo));
    for (let n = 0; n < MACS; n++) by(GREEDY, as(GREEDY, n, FRAMES.echo));
    const macs = nat.list().map(({ mac }) => mac);
    expect(macs.length).toBe(8);
    for (const last of ["01", "02", "03"]) expect(macs).toContain(`02:00:00:00:00:${last}`);
  });

  it("connections, which one interface pays for as one", () => {
    const { by, tcp } = network({});
    for (const n of [0, 1]) by(GREEDY, as(GREEDY, n, FRAMES.echo));
    by(HONEST, as(HONEST, 0, FRAMES.echo));
    const payer = (address: string): string => tcp.parts.payerOf(parseIp(address)!);
    expect(payer("10.0.2.100")).toBe(payer("10.0.2.101"));
    expect(payer("10.0.2.20")).not.toBe(payer("10.0.2.100"));
    expect(payer("10.0.2.200"), "of whom nobody has heard").toBe("10.0.2.200");
  });
});

it("what comes by a link from elsewhere is told apart by MACs", () => {
  const { send, nat, outside } = bench({ limits: { pings: 8, pingsPerGuest: 3 } });
  outside.isAlive = () => new Promise(() => undefined);
  for (let n = 0; n < 5; n++) send(as(GREEDY, n, FRAMES.echoOut));
  expect(nat.stats().pings).toBe(5);
});
