import { describe, expect, it } from "vitest";
import { parseIp, parseMac } from "../addresses.js";
import { bench, FakeStream, hexOf } from "./testing/fakes.js";
import { FRAMES } from "./testing/frames.js";

const ip = (text: string): Uint8Array => parseIp(text)!;
const GUEST = parseMac("02:00:00:00:00:0a")!;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("forwards", () => {
  const SPEC = { hostPort: 8080, guestPort: 80 };

  it("of TCP open a connection to the guest from the gateway, or drop it while there is no guest", async () => {
    const { nat, outside, tcp, send } = bench();
    const guest = (): Uint8Array | null => nat.addressOf(GUEST);
    expect((await nat.forward({ protocol: "tcp", ...SPEC }, guest)).port).toBe(8080);
    const early = new FakeStream();
    outside.accepted!(early, { address: "127.0.0.1", port: 5555 });
    expect([early.isAborted, tcp.opened]).toEqual([true, []]);
    send(FRAMES.dhcpRequest);
    const events = outside.accepted!(new FakeStream(), { address: "127.0.0.1", port: 5555 });
    outside.accepted!(new FakeStream(), { address: "192.0.2.9", port: 5555 });
    expect(tcp.opened[0]).toBe("10.0.2.2:5555 10.0.2.15:80");
    expect(tcp.opened[1]).toMatch(/^10\.0\.2\.2:(?!5555)\d+ 10\.0\.2\.15:80$/);
    events.closed(null);
    outside.accepted!(new FakeStream(), { address: "127.0.0.1", port: 5555 });
    expect(tcp.opened[2]).toBe("10.0.2.2:5555 10.0.2.15:80");
  });

  it("of TCP end with a guest that has its address and was never heard to use it", async () => {
    const { nat, outside, tcp, send } = bench();
    await nat.forward({ protocol: "tcp", ...SPEC }, () => nat.addressOf(GUEST));
    send(FRAMES.dhcpRequest);
    outside.accepted!(new FakeStream(), { address: "127.0.0.1", port: 5555 });
    nat.forget(GUEST);
    expect([tcp.opened, tcp.forgotten]).toEqual([["10.0.2.2:5555 10.0.2.15:80"], ["10.0.2.15"]]);
    // Nor was one heard at all that has it by reservation.
    nat.reserve(GUEST, ip("10.0.2.9"));
    nat.forget(GUEST);
    expect(tcp.forgotten).toEqual(["10.0.2.15", "10.0.2.9"]);
  });

  it("of UDP lead to the guest and its answers back to each sender", async () => {
    const { nat, outside, send, wire } = bench();
    const listener = await nat.forward({ protocol: "udp", hostPort: 53, guestPort: 4000 }, () => nat.addressOf(GUEST));
    send(FRAMES.dhcpRequest);
    outside.forward!.events.data("127.0.0.1", 5000, bytes("world!"));
    expect(wire.take().map(hexOf)).toEqual([FRAMES.udpFromHost]);
    send(FRAMES.udpToHost);
    expect([outside.forward!.sent, outside.sockets.length]).toEqual([[["127.0.0.1", 5000, "hello"]], 0]);
    listener.close();
    expect(outside.forward!.isOpen).toBe(false);
    send(FRAMES.udpToHost);
    expect(outside.sockets.length).toBe(1);
  });

  it("of UDP ask for a guest's MAC and hold the datagram meanwhile", async () => {
    const { nat, outside, wire, send } = bench();
    await nat.forward({ protocol: "udp", hostPort: 53, guestPort: 4000 }, () => ip("10.0.2.15"));
    outside.forward!.events.data("127.0.0.1", 5000, bytes("world!"));
    expect(wire.take().map(hexOf)).toEqual([FRAMES.arpRequestByRouter]);
    expect(send(FRAMES.arpRequest).map(hexOf)).toEqual([FRAMES.udpFromHost, FRAMES.arpReply]);
  });

  it("of UDP remember a bounded number of senders, for a while", async () => {
    const { nat, outside, send, timers } = bench({ limits: { forwardPeers: 5 } });
    await nat.forward({ protocol: "udp", hostPort: 53, guestPort: 4000 }, () => nat.addressOf(GUEST));
    send(FRAMES.dhcpRequest);
    for (let i = 1; i < 100; i++) outside.forward!.events.data("127.0.0.1", i, bytes("x"));
    expect(nat.stats().forwardPeers).toBe(5);
    timers.advance(250_000);
    expect(nat.stats().forwardPeers).toBe(0);
  });
});
