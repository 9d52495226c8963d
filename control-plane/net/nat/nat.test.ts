import { describe, expect, it } from "vitest";
import { parseIp, parseMac } from "../addresses.js";
import { Packet } from "../packet.js";
import { sumBytes } from "../sum.js";
import { bench, bytesOfHex, hexOf } from "./testing/fakes.js";
import { FRAMES } from "./testing/frames.js";

const ip = (text: string): Uint8Array => parseIp(text)!;
const GUEST = parseMac("02:00:00:00:00:0a")!;
const OTHER = parseMac("02:00:00:00:00:0b")!;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** The frame as another guest sends it. */
function from(mac: Uint8Array, frame: string): Uint8Array {
  const changed = bytesOfHex(frame);
  changed.set(mac, 6);
  return changed;
}

describe("answers at once, byte for byte what another implementation makes", () => {
  const SEARCH = { searchDomains: ["example.org"] };
  const cases: readonly (readonly [request: keyof typeof FRAMES, answer: keyof typeof FRAMES | null])[] = [
    ["arpRequest", "arpReply"],
    ["echo", "echoReply"],
    ["udpToDnsOther", "udpToDnsOtherError"],
    ["udpExpiring", "udpExpired"],
    ["udpTooBig", "udpTooBigError"],
    ["sctp", "sctpError"],
    ["dhcpDiscover", "dhcpOffer"],
    ["dhcpRequest", "dhcpAckBroadcast"],
    ["dhcpRequestWrong", "dhcpNak"],
    ["rs", "raToGuest"],
    ["ns", "na"],
    ["nsOfDad", "naOfDad"],
    ["echo6", "echo6Reply"],
    ["udp6Expiring", "udp6Expired"],
    ["udp6TooBig", "udp6TooBigError"],
    ["sctp6", "sctp6Error"],
    ["dhcp6Request", "dhcp6Reply"],
    ["mld", null],
  ];
  for (const [request, answer] of cases) {
    it(`${request}: ${answer ?? "nothing"}`, () => {
      const sent = bench(SEARCH).send(FRAMES[request]);
      expect(sent.map(hexOf)).toEqual(answer === null ? [] : [FRAMES[answer]]);
    });
  }

  it("dhcp6Request for another server: nothing", () => {
    const { send } = bench(SEARCH);
    const asked = (server: readonly number[]): Uint8Array => {
      const option = [0, 2, 0, server.length, ...server];
      const frame = Uint8Array.of(...bytesOfHex(FRAMES.dhcp6Request), ...option);
      // The lengths of IPv6 and UDP; the checksum is vouched for.
      for (const at of [19, 59]) frame[at] = frame[at]! + option.length;
      return frame;
    };
    const own = [0, 3, 0, 1, ...parseMac("52:55:0a:00:02:02")!];
    expect(send(asked(own), true).length).toBe(1);
    expect(send(asked([...own.slice(0, -1), 3]), true)).toEqual([]);
    expect(send(asked([...own, 0]), true)).toEqual([]);
    expect(send(asked([]), true)).toEqual([]);
  });

  it("dhcp6Request by unicast: that it is to be by multicast, and nothing else", () => {
    const frame = bytesOfHex(FRAMES.dhcp6Request);
    frame.set([0x52, 0x55, 10, 0, 2, 2]);
    frame.set(parseIp("fec0::2")!, 38);
    const answer = bench(SEARCH).send(frame, true).map(hexOf)[0]!;
    const many = hexOf(bench(SEARCH).send(FRAMES.dhcp6Request)[0]!);
    // A reply, its transaction and the client's and server's names are as ever.
    const [from, status] = [2 * 62, "000d00020005"];
    expect(answer.slice(from)).toBe(many.slice(from, answer.length - status.length) + status);
  });

  it("a router solicitation without an address: to all, but not within three seconds of the last time", () => {
    const { send, timers, wire } = bench(SEARCH);
    const head = "33330000000202000000000a86dd60000000";
    const ask = `${head}00083aff${"0".repeat(32)}ff02000000000000000000000000000285007bb800000000`;
    expect(send(ask).map(hexOf)).toEqual([FRAMES.raToAll]);
    timers.advance(1000);
    for (let i = 0; i < 100; i++) expect(send(ask)).toEqual([]);
    timers.advance(1999);
    expect(wire.take()).toEqual([]);
    timers.advance(1);
    expect(wire.take().map(hexOf)).toEqual([FRAMES.raToAll]);
    timers.advance(3000);
    expect([wire.take().length, send(ask).length, timers.pending]).toEqual([0, 1, 1]);
    // It would say a MAC, of whom nobody knows the address.
    const withMac = `${head}00103aff${"0".repeat(32)}ff02000000000000000000000000000285007a1a00000000010102000000000a`;
    timers.advance(3000);
    expect([wire.take().length, send(bytesOfHex(withMac), true)]).toEqual([0, []]);
  });

  it("advertises itself to all when it starts, a few times more, and then every few minutes", () => {
    const { wire, timers, nat } = bench(SEARCH);
    timers.advance(0);
    expect(wire.take().map(hexOf)).toEqual([FRAMES.raToAll]);
    timers.advance(32_000);
    expect(wire.take().length).toBe(2);
    timers.advance(190_000);
    expect(wire.take().length).toBe(0);
    timers.advance(3_600_000);
    const hourly = wire.take().length;
    expect(hourly).toBeGreaterThanOrEqual(6);
    expect(hourly).toBeLessThanOrEqual(18);
    nat.close();
    const last = wire.take()[0]!;
    expect([last[60], last[61], wire.isPlugged, timers.pending]).toEqual([0, 0, false, 0]);
  });

  it("leaves IPv6 alone when there is to be none", () => {
    const { send, timers, wire } = bench({ ipv6: false });
    timers.advance(1000);
    expect([...wire.take(), ...send(FRAMES.rs), ...send(FRAMES.echo6)]).toEqual([]);
  });
});

describe("echo to the world", () => {
  it("is answered when the host is there", async () => {
    const { send, later } = bench();
    expect(send(FRAMES.echoOut)).toEqual([]);
    expect((await later()).map(hexOf)).toEqual([FRAMES.echoOutReply]);
  });

  it("is not answered when the host is silent, and prohibited when it cannot be found out", async () => {
    const { send, later, outside, nat } = bench();
    outside.isAlive = () => Promise.resolve(false);
    send(FRAMES.echoOut);
    expect(await later()).toEqual([]);
    outside.isAlive = () => Promise.reject(new Error("no"));
    send(FRAMES.echoOut);
    expect(await later()).toEqual([]);
    outside.isAlive = () => Promise.resolve(null);
    send(FRAMES.echoOut);
    expect((await later()).map(hexOf)).toEqual([FRAMES.echoOutProhibited]);
    expect(nat.stats().pings).toBe(0);
  });

  it("waits for a bounded number", () => {
    const { send, outside, nat } = bench({ limits: { pingsPerGuest: 3 } });
    let asked = 0;
    outside.isAlive = () => {
      asked++;
      return new Promise(() => undefined);
    };
    for (let i = 0; i < 10; i++) send(FRAMES.echoOut);
    expect([asked, nat.stats().pings]).toEqual([3, 3]);
  });
});

describe("UDP", () => {
  it("goes out from one socket a port, and answers come back", () => {
    const { send, outside, wire } = bench();
    expect(send(FRAMES.udp)).toEqual([]);
    send(FRAMES.udp);
    expect(outside.sockets.length).toBe(1);
    expect(outside.sockets[0]!.sent).toEqual([
      ["192.0.2.1", 5000, "hello"],
      ["192.0.2.1", 5000, "hello"],
    ]);
    outside.sockets[0]!.events.data("192.0.2.1", 5000, bytes("world!"));
    expect(wire.take().map(hexOf)).toEqual([FRAMES.udpAnswer]);
    outside.sockets[0]!.events.failed("192.0.2.1", 5000, "refused");
    expect(wire.take().map(hexOf)).toEqual([FRAMES.udpRefused]);
  });

  it("does so over IPv6", () => {
    const { send, outside, wire } = bench();
    expect(send(FRAMES.udp6)).toEqual([]);
    send(FRAMES.udp6WithOptions);
    const socket = outside.sockets[0]!;
    expect([outside.sockets.length, socket.family, socket.sent]).toEqual([
      1,
      6,
      [
        ["2001:db8::1", 5000, "hello"],
        ["2001:db8::1", 5000, "hello"],
      ],
    ]);
    socket.events.data("2001:db8::1", 5000, bytes("world!"));
    expect(wire.take().map(hexOf)).toEqual([FRAMES.udp6Answer]);
    socket.events.failed("2001:db8::1", 5000, "refused");
    expect(wire.take().map(hexOf)).toEqual([FRAMES.udp6Refused]);
  });

  it("reaches the host's loopback at the gateway's address, unless that is off", () => {
    const on = bench();
    on.send(FRAMES.udpToHost);
    expect(on.outside.sockets[0]!.sent).toEqual([["127.0.0.1", 5000, "hello"]]);
    on.outside.sockets[0]!.events.data("127.0.0.1", 5000, bytes("world!"));
    expect(on.wire.take().map(hexOf)).toEqual([FRAMES.udpFromHost]);
    const off = bench({ hostLoopback: false });
    const [error] = off.send(FRAMES.udpToHost);
    expect([off.outside.sockets.length, error![34], error![35]]).toEqual([0, 3, 3]);
    expect(off.tcp.parts.outsideAddress(ip("10.0.2.2"))).toBeNull();
  });

  it("skips the options of IPv4, drops a wrong checksum unless the sender vouches for it", () => {
    const { send, outside, nat } = bench();
    send(FRAMES.udpWithOptions);
    expect(outside.sockets[0]!.sent.length).toBe(1);
    const wrong = bytesOfHex(FRAMES.udp);
    wrong[wrong.length - 1]! ^= 1;
    send(wrong);
    expect([outside.sockets[0]!.sent.length, nat.stats().badChecksum]).toEqual([1, 1]);
    send(wrong, true);
    expect(outside.sockets[0]!.sent.length).toBe(2);
    const unchecked = bytesOfHex(FRAMES.udp);
    unchecked.fill(0, 40, 42);
    send(unchecked);
    expect(outside.sockets[0]!.sent.length).toBe(3);
  });

  it("answers larger than the MTU come in fragments", () => {
    for (const [frame, header] of [
      [FRAMES.udp, 34],
      [FRAMES.udp6, 62],
    ] as const) {
      const { send, outside, wire } = bench();
      send(frame);
      const payload = Uint8Array.from({ length: 4000 }, (_, i) => i);
      outside.sockets[0]!.events.data(header === 34 ? "192.0.2.1" : "2001:db8::1", 5000, payload);
      const fragments = wire.take();
      expect(fragments.length).toBe(3);
      expect(fragments.every((f) => f.length <= 1514)).toBe(true);
      const whole = Uint8Array.from(fragments.flatMap((f) => [...f.subarray(header)]));
      expect(whole.subarray(8)).toEqual(payload);
    }
  });

  it("closes idle ports: after ten seconds those that only asked name servers, after four minutes others", () => {
    const { send, outside, timers, nat } = bench();
    send(FRAMES.udp);
    const dns = bytesOfHex(FRAMES.udp);
    dns.set([0x10, 0, 0, 53, 0, 13, 0, 0], 34);
    send(dns);
    expect(nat.stats().udpFlows).toBe(2);
    timers.advance(15_000);
    expect(outside.sockets.map((s) => s.isOpen)).toEqual([true, false]);
    timers.advance(250_000);
    expect([outside.openSockets, nat.stats().udpFlows, timers.pending]).toEqual([0, 0, 1]);
  });

  it("has a bounded number of ports, of one guest and in all", () => {
    const { send, outside, nat } = bench({ limits: { flows: 6, flowsPerGuest: 4 } });
    const port = (mac: Uint8Array, last: number, number: number): Uint8Array => {
      const frame = from(mac, FRAMES.udp);
      frame[29] = last;
      frame.fill(0, 24, 26);
      const sum = [14, 16, 18, 20, 22, 26, 28, 30, 32].reduce((s, i) => s + (frame[i]! << 8) + frame[i + 1]!, 0);
      const folded = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
      frame.set([folded >>> 8, folded & 255], 24);
      frame.set([number >>> 8, number & 255], 34);
      frame.fill(0, 40, 42);
      return frame;
    };
    for (let i = 0; i < 10; i++) send(port(GUEST, 15, 2000 + i));
    expect([nat.stats().udpFlows, outside.openSockets]).toEqual([4, 4]);
    for (let i = 0; i < 3; i++) send(port(OTHER, 16, 2000 + i));
    expect([nat.stats().udpFlows, outside.openSockets]).toEqual([6, 6]);
    expect(nat.list().map((g) => g.udpFlows)).toEqual([3, 3]);
  });

  it("without datagrams outside is prohibited", () => {
    const { send, outside } = bench();
    outside.hasDatagrams = false;
    const [error] = send(FRAMES.udp);
    expect([error![34], error![35]]).toEqual([3, 13]);
  });
});

describe("fragments", () => {
  const V4 = [FRAMES.fragment0, FRAMES.fragment1, FRAMES.fragment2];
  const V6 = [FRAMES.fragment6_0, FRAMES.fragment6_1, FRAMES.fragment6_2];
  const TEXT = Array.from({ length: 60 }, (_, i) => String.fromCharCode(48 + i)).join("");

  for (const fragments of [V4, V6]) {
    const family = fragments === V4 ? "IPv4" : "IPv6";
    it(`of ${family} are put together in any order`, () => {
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 2, 1, 0],
      ]) {
        const { send, outside, nat } = bench();
        for (const i of order) send(fragments[i]!);
        expect(outside.sockets[0]!.sent.map((s) => s[2])).toEqual([TEXT]);
        expect([nat.stats().datagrams, nat.stats().fragmentBytes]).toEqual([0, 0]);
      }
    });
  }

  it("that overlap spoil their datagram, and incomplete ones are forgotten", () => {
    const { send, outside, nat, timers } = bench();
    send(V6[0]!);
    const overlapping = bytesOfHex(V6[1]!);
    overlapping[14 + 40 + 3] = (3 << 3) | 1;
    send(overlapping);
    for (const f of V6) send(f);
    expect(outside.sockets.length).toBe(0);
    expect(nat.stats().datagrams).toBe(1);
    send(V4[0]!);
    timers.advance(40_000);
    expect([nat.stats().datagrams, nat.stats().fragmentBytes]).toEqual([0, 0]);
    for (const f of V6) send(f);
    expect(outside.sockets.length).toBe(1);
  });

  it("occupy a bounded place", () => {
    const { send, nat, outside } = bench({ limits: { datagramsPerGuest: 4, fragmentBytesPerGuest: 100 } });
    for (let id = 0; id < 1000; id++) {
      const frame = bytesOfHex(V6[0]!);
      frame.set([id >>> 8, id & 255], 14 + 40 + 6);
      send(frame);
      expect(nat.stats().fragmentBytes).toBeLessThanOrEqual(100);
    }
    expect(nat.stats().datagrams).toBeLessThanOrEqual(4);
    for (const f of V6) send(f);
    expect(outside.sockets.length).toBe(1);
  });
});

describe("TCP", () => {
  it("gets segments with good or vouched checksums, and sends large ones uncut", () => {
    const { send, tcp, wire } = bench();
    send(FRAMES.tcpSyn);
    expect(tcp.segments).toEqual([`10.0.2.15 192.0.2.1 ${FRAMES.tcpSyn.slice(68)}`]);
    const wrong = bytesOfHex(FRAMES.tcpSyn);
    wrong[wrong.length - 1]! ^= 1;
    send(wrong);
    expect(tcp.segments.length).toBe(1);
    send(wrong, true);
    expect(tcp.segments.length).toBe(2);
    const header = bytesOfHex(FRAMES.tcpHeader);
    header.fill(0, 16, 18);
    expect(tcp.parts.send(ip("192.0.2.1"), ip("10.0.2.15"), header, bytes("data"), 1460)).toBe(true);
    expect([wire.sent.map(hexOf), wire.gsoSizes.at(-1)]).toEqual([[FRAMES.tcpSegment], 0]);
    expect(tcp.parts.send(ip("192.0.2.1"), ip("10.0.2.15"), header, new Uint8Array(60_000), 1460)).toBe(true);
    expect([wire.sent[1]!.length, wire.gsoSizes.at(-1)]).toEqual([60_054, 1460]);
  });

  it("knows where destinations are outside, and which are nowhere", () => {
    const { outsideAddress } = bench().tcp.parts;
    const outside: Readonly<Record<string, string | null>> = {
      "10.0.2.2": "127.0.0.1",
      "10.0.2.3": "10.0.2.3",
      "fec0::2": "::1",
      "192.0.2.1": "192.0.2.1",
      "2001:db8::1": "2001:db8::1",
      "10.0.2.15": null,
      "127.0.0.1": null,
      "169.254.169.254": null,
      "224.0.0.1": null,
      "255.255.255.255": null,
      "::1": null,
      "::ffff:127.0.0.1": null,
      "fe80::1": null,
      "ff02::1": null,
      "fec0::f": null,
    };
    for (const [inside, expected] of Object.entries(outside))
      expect([inside, outsideAddress(ip(inside))]).toEqual([inside, expected]);
  });

  it("is told when there is no room, and when there is again", () => {
    const { tcp, wire, nat, send } = bench();
    send(FRAMES.arpRequest);
    wire.isFull = true;
    expect(tcp.parts.send(ip("192.0.2.1"), ip("10.0.2.15"), new Uint8Array(20), null, 0)).toBe(false);
    send(FRAMES.echo);
    expect(nat.stats().dropped).toBe(1);
    wire.isFull = false;
    nat.resume();
    expect(tcp.resumed).toBe(1);
  });

  it("hears when a guest says that nobody is at its end, of its own connections alone", () => {
    const { send, tcp } = bench();
    // What a guest's ICMP quotes is the segment that it got, behind the frame's header.
    const segment = bytesOfHex(FRAMES.tcpSegment).subarray(14);
    const error = (quoted: Uint8Array): Uint8Array => {
      const frame = Uint8Array.of(...bytesOfHex(FRAMES.echo).subarray(0, 34), 3, 3, 0, 0, 0, 0, 0, 0, ...quoted);
      frame.set([0, frame.length - 14], 16);
      frame.fill(0, 24, 26);
      const sum = ~sumBytes(frame, 14, 34) & 0xffff;
      frame.set([sum >>> 8, sum & 255], 24);
      return frame;
    };
    send(error(segment), true);
    expect(tcp.forgotten).toEqual(["10.0.2.15 1000 192.0.2.1 80"]);
    const foreign = segment.slice();
    foreign[19] = 16;
    send(error(foreign), true);
    send(error(segment.subarray(0, 22)), true);
    expect(tcp.forgotten.length).toBe(1);
  });

  it("asks for a MAC that it does not know", () => {
    const { tcp, wire } = bench();
    expect(tcp.parts.send(ip("192.0.2.1"), ip("10.0.2.15"), new Uint8Array(20), null, 0)).toBe(true);
    expect(wire.take().map(hexOf)).toEqual([FRAMES.arpRequestByRouter]);
  });
});

describe("guests", () => {
  it("cannot use the address of another", () => {
    const { send, outside, nat } = bench();
    send(FRAMES.dhcpRequest);
    send(from(OTHER, FRAMES.udp));
    expect([outside.sockets.length, nat.stats().spoofed]).toEqual([0, 1]);
    send(from(OTHER, FRAMES.udp6));
    send(FRAMES.udp6);
    expect([outside.sockets.length, nat.stats().spoofed]).toEqual([1, 2]);
  });

  it("are found again when they have a new MAC, after a while", () => {
    const { send, outside, timers } = bench();
    send(FRAMES.udp);
    send(from(OTHER, FRAMES.udp));
    expect(outside.sockets[0]!.sent.length).toBe(1);
    timers.advance(61_000);
    send(from(OTHER, FRAMES.udp));
    expect(outside.sockets[1]!.sent.length).toBe(1);
  });

  it("are forgotten with what they have open", () => {
    const { send, outside, nat, tcp } = bench();
    send(FRAMES.dhcpRequest);
    send(FRAMES.udp);
    send(FRAMES.fragment0);
    expect(nat.list()).toEqual([
      { mac: "02:00:00:00:00:0a", addresses: ["10.0.2.15"], lease: "10.0.2.15", hostname: "", udpFlows: 1 },
    ]);
    nat.forget(GUEST);
    expect([outside.openSockets, tcp.forgotten, nat.list(), nat.addressOf(GUEST), nat.stats().datagrams]).toEqual([
      0,
      ["10.0.2.15"],
      [],
      null,
      0,
    ]);
  });

  it("are a bounded number, of which those with leases stay", () => {
    const { send, nat } = bench({ limits: { guests: 8 } });
    send(FRAMES.dhcpRequest);
    for (let i = 0; i < 100; i++) send(from(Uint8Array.of(2, 1, 1, 1, 1, i), FRAMES.arpRequest));
    expect(nat.stats().guests).toBe(8);
    expect(nat.list().map((g) => g.mac)).toContain("02:00:00:00:00:0a");
  });
});

it("sends a batch's end after what it sends by itself", async () => {
  const { send, wire, later, outside } = bench();
  send(FRAMES.udp);
  outside.sockets[0]!.events.data("192.0.2.1", 5000, bytes("a"));
  outside.sockets[0]!.events.data("192.0.2.1", 5000, bytes("b"));
  expect(wire.settled).toBe(0);
  await later();
  expect(wire.settled).toBe(1);
});

it("takes nothing and tells nothing when it is closed", () => {
  const { nat, wire } = bench();
  nat.close();
  wire.take();
  const packet = new Packet(null);
  packet.wrap(bytesOfHex(FRAMES.echo));
  expect([nat.receive(packet), wire.take()]).toEqual([true, []]);
  nat.close();
});
