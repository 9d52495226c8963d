import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../util/index.js";
import { formatMac } from "../addresses.js";
import { type Port, type PortOptions, Switch, type SwitchParts } from "./index.js";
import { arp, BROADCAST, frame, ip, ManualTime, mac, packetOf, TestStation, tcp, udp } from "./testing/lab.js";

function lab(count: number, options: readonly PortOptions[] = [], parts: Partial<SwitchParts> = {}) {
  const time = new ManualTime();
  const sw = new Switch({ name: "xenbr0", clock: time, timer: time.timer, random: new SeededRandom(7), ...parts });
  const stations = Array.from({ length: count }, (_, i) => new TestStation(`s${i}`));
  const ports = stations.map((station, i) => sw.plug(station, options[i] ?? {}));
  const send = (i: number, bytes: Uint8Array): boolean => {
    const taken = ports[i]!.send(packetOf(bytes));
    ports[i]!.settle();
    return taken;
  };
  const got = (): number[] => stations.map((station) => station.take().length);
  return { time, sw, stations, ports, send, got };
}

describe("a switch", () => {
  it("floods what is for an address that it does not know, and learns from who answers", () => {
    const { send, got, sw } = lab(3);
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 1]);
    send(1, frame({ to: mac(0), from: mac(1) }));
    expect(got()).toEqual([1, 0, 0]);
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 0]);
    expect(sw.macs().map((m) => [m.mac, m.port])).toEqual([
      ["00:16:3e:00:00:00", "s0"],
      ["00:16:3e:00:00:01", "s1"],
    ]);
  });

  it("says by whose interface a frame came, whatever address it is from", () => {
    const payers = (options: readonly PortOptions[], late = false): (string | null)[] => {
      const { send, stations, ports, time } = lab(2, options);
      if (late) ports[1]!.impair({ out: { delayMs: 5 } });
      for (const from of [7, 8]) send(0, frame({ to: BROADCAST, from: mac(from) }));
      time.pass(10);
      return stations[1]!.received.map(({ payer }) => (payer === null ? null : formatMac(payer)));
    };
    const own = "00:16:3e:00:00:07";
    expect(payers([{ mac: own }])).toEqual([own, own]);
    expect(payers([{ mac: own }, { trunk: [0] }])).toEqual([own, own]);
    expect(payers([{ mac: own, vlan: 5 }, { trunk: [5] }]), "with a tag put in").toEqual([own, own]);
    expect(payers([{ mac: own }], true), "late").toEqual([own, own]);
    expect(payers([{}]), "many may be behind it").toEqual([null, null]);
  });

  it("forgets an address after 300 seconds of silence", () => {
    const { time, send, got, sw } = lab(3);
    send(1, frame({ to: BROADCAST, from: mac(1) }));
    got();
    time.pass(300_000);
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 0]);
    time.pass(1);
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 1]);
    expect(sw.macs().length).toBe(1);
  });

  it("follows an address that moves, unless it is a station's own", () => {
    const { send, got, sw } = lab(3, [{}, { mac: "00:16:3e:00:00:01" }]);
    send(2, frame({ to: BROADCAST, from: mac(1) }));
    send(2, frame({ to: BROADCAST, from: mac(9) }));
    send(0, frame({ to: BROADCAST, from: mac(9) }));
    got();
    send(2, frame({ to: mac(9), from: mac(2) }));
    expect(got()).toEqual([1, 0, 0]);
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 0]);
    expect(sw.stats().macsRefused).toBe(1);
  });

  it("passes on no frame to bridges, from a group, from nobody, or shorter than a header", () => {
    const { send, got, ports } = lab(2);
    send(0, frame({ to: [0x01, 0x80, 0xc2, 0, 0, 0x0e], from: mac(0) }));
    send(0, frame({ to: mac(1), from: BROADCAST }));
    send(0, frame({ to: mac(1), from: [0, 0, 0, 0, 0, 0] }));
    send(0, frame({ to: mac(1), from: mac(0) }).subarray(0, 13));
    send(0, frame({ to: mac(1), from: mac(0), tag: 0 }).subarray(0, 17));
    send(0, new Uint8Array(0));
    expect(got()).toEqual([0, 0]);
    expect(ports[0]!.counters().dropsIn).toEqual({ reserved: 1, source: 2, runt: 3 });
  });

  it("tells only those who got something that a batch is over, once", () => {
    const { ports, stations } = lab(3);
    for (const i of [0, 1, 2]) ports[i]!.send(packetOf(frame({ to: mac(i), from: mac(i) })));
    ports[0]!.settle();
    for (let n = 0; n < 5; n++) ports[0]!.send(packetOf(frame({ to: mac(1), from: mac(0) })));
    expect(stations.map((s) => s.settled)).toEqual([0, 0, 0]);
    ports[0]!.settle();
    ports[0]!.settle();
    expect(stations.map((s) => s.settled)).toEqual([0, 1, 0]);
  });

  it("lets a station answer from within, and what it sends then is of the same batch", () => {
    const { ports, stations, send } = lab(2);
    stations[1]!.onReceive = () => void ports[1]!.send(packetOf(frame({ to: mac(0), from: mac(1) })));
    stations[0]!.onSettle = () => ports[0]!.settle();
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(stations.map((s) => [s.received.length, s.settled])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it("gives who is promiscuous every frame once", () => {
    const { send, got } = lab(4, [{}, {}, { promiscuous: true }]);
    for (const i of [0, 1, 2]) send(i, frame({ to: mac(i), from: mac(i) }));
    got();
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 1, 0]);
    send(0, frame({ to: mac(2), from: mac(0) }));
    expect(got()).toEqual([0, 0, 1, 0]);
    send(0, frame({ to: BROADCAST, from: mac(0) }));
    expect(got()).toEqual([0, 1, 1, 1]);
  });

  it("drops what comes from and goes to a link that is down, and forgets who was behind it", () => {
    const { send, got, ports } = lab(3);
    send(1, frame({ to: BROADCAST, from: mac(1) }));
    got();
    ports[1]!.setUp(false);
    send(0, frame({ to: mac(1), from: mac(0) }));
    send(1, frame({ to: mac(0), from: mac(1) }));
    expect(got()).toEqual([0, 0, 1]);
    expect(ports[1]!.counters()).toMatchObject({ dropsIn: { down: 1 }, dropsOut: { down: 1 } });
    ports[1]!.setUp(true);
    send(0, frame({ to: mac(1), from: mac(0) }));
    expect(got()).toEqual([0, 1, 1]);
  });

  it("refuses options without sense", () => {
    const wrong: PortOptions[] = [
      { vlan: 0 },
      { vlan: 4095 },
      { trunk: [-1] },
      { vlan: 1, trunk: true },
      { mac: "x" },
      { ip: ["10.0.0"] },
      { checkMac: true },
    ];
    for (const options of wrong) expect(() => lab(1, [options]), JSON.stringify(options)).toThrow(RangeError);
  });
});

describe("the way of random frames", () => {
  const KINDS: readonly PortOptions[] = [
    {},
    { vlan: 5 },
    { vlan: 6 },
    { trunk: true },
    { trunk: [0, 5] },
    { trunk: [6] },
  ];
  const GROUP = [0x33, 0x33, 0, 0, 0, 1];
  const addresses = [mac(1), mac(2), mac(3), mac(4), [...BROADCAST], GROUP];
  const tags = [undefined, 0xe000, 5, 0x6005, 6, 7, 4095];
  interface Step {
    readonly kind: "send" | "age" | "link";
    readonly port: number;
    readonly from: number;
    readonly to: number;
    readonly tag: number;
  }
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("send", "send", "send", "send", "send", "send", "age", "link"),
    port: fc.nat(9),
    from: fc.nat(addresses.length - 1),
    to: fc.nat(addresses.length - 1),
    tag: fc.nat(tags.length - 1),
  });

  /** A switch in the plainest words: text keys, one port after the other. */
  class Model {
    readonly known = new Map<string, { port: number; seen: number }>();
    readonly up: boolean[];
    now = 0;

    constructor(readonly kinds: readonly PortOptions[]) {
      this.up = kinds.map(() => true);
    }

    carries(port: number, vlan: number): boolean {
      const { trunk, vlan: own } = this.kinds[port]!;
      if (trunk === true) return vlan <= 4094;
      return trunk === undefined ? vlan === (own ?? 0) : trunk.includes(vlan);
    }

    /** What each port gets: index and tag. */
    send(
      port: number,
      from: number[],
      to: number[],
      tag: number | undefined,
    ): [port: number, tag: number | undefined][] {
      const { trunk, vlan: own = 0 } = this.kinds[port]!;
      const vid = (tag ?? 0) & 0xfff;
      const isData = vid !== 0 && trunk === undefined;
      if (!this.up[port] || (from[0]! & 1) === 1 || (isData && own !== 0)) return [];
      const vlan = vid !== 0 && trunk !== undefined ? vid : own;
      if (!this.carries(port, vlan)) return [];
      this.known.set(`${vlan} ${from}`, { port, seen: this.now });
      const entry = this.known.get(`${vlan} ${to}`);
      const isKnown = entry !== undefined && this.now - entry.seen <= 300;
      const ports = isKnown ? [entry.port] : this.kinds.map((_, i) => i);
      return ports
        .filter((i) => i !== port && this.up[i] && this.carries(i, vlan))
        .filter((i) => !isData || this.kinds[i]!.trunk === undefined)
        .map((i) => [i, this.tagAt(i, vlan, tag, isData)]);
    }

    tagAt(port: number, vlan: number, tag: number | undefined, isData: boolean): number | undefined {
      if (isData || vlan === 0) return tag;
      const priority = (tag ?? 0) & 0xf000;
      if (this.kinds[port]!.trunk !== undefined) return priority | vlan;
      return tag !== undefined && (tag & 0xfff) === 0 ? tag : undefined;
    }

    link(port: number): boolean {
      this.up[port] = !this.up[port];
      for (const [key, entry] of this.known) if (entry.port === port) this.known.delete(key);
      return this.up[port]!;
    }
  }

  it("is the model's: the right ports, the right tags, no other VLAN, nothing back, and the counters add up", () => {
    const kinds = fc.array(fc.constantFrom(...KINDS), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(kinds, fc.array(step, { maxLength: 60 }), (options, steps) => {
        const { time, send, stations, ports } = lab(options.length, options);
        const model = new Model(options);
        const sums = options.map(() => ({ framesIn: 0, bytesIn: 0, framesOut: 0, bytesOut: 0 }));
        steps.forEach((s, n) => {
          const i = s.port % options.length;
          if (s.kind === "age") {
            const seconds = [1, 150, 301][s.from % 3]!;
            time.pass(seconds * 1000);
            model.now += seconds;
          } else if (s.kind === "link") {
            ports[i]!.setUp(model.link(i));
          } else {
            const [from, to, tag] = [addresses[s.from]!, addresses[s.to]!, tags[s.tag]];
            const fields = { to, from, payload: [n, 1, 2, 3] };
            const made = (t: number | undefined) => frame(t === undefined ? fields : { ...fields, tag: t });
            expect(send(i, made(tag))).toBe(true);
            sums[i]!.framesIn++;
            sums[i]!.bytesIn += made(tag).length;
            const expected = options.map((): Uint8Array[] => []);
            for (const [port, t] of model.send(i, from, to, tag)) {
              expected[port]!.push(made(t));
              sums[port]!.framesOut++;
              sums[port]!.bytesOut += made(t).length;
            }
            expect(stations.map((station) => station.take())).toEqual(expected);
          }
        });
        ports.forEach((port, i) => {
          expect(port.counters()).toMatchObject(sums[i]!);
        });
      }),
      { numRuns: 400 },
    );
  });
});

describe("hostile stations", () => {
  it("cannot grow the table, push out others, or stop them from being learned", () => {
    const { send, sw, got } = lab(4, [{ mac: "00:16:3e:00:00:00" }], {
      macLimits: { entries: 64, entriesPerPort: 48 },
    });
    send(1, frame({ to: BROADCAST, from: mac(1) }));
    for (let n = 0; n < 5000; n++) send(2, frame({ to: mac(0), from: [2, 0, 0, 0, n >> 8, n & 255] }));
    expect(sw.stats().macs).toBe(50);
    expect(sw.stats().macsRefused).toBe(5000 - 48);
    for (let n = 0; n < 40; n++) send(3, frame({ to: mac(0), from: [6, 0, 0, 0, n >> 8, n & 255] }));
    // The table is full: the port with fewer takes from the one with most, down to the same number.
    expect(sw.list().map((port) => port.macs)).toEqual([0, 1, 31, 31]);
    expect(sw.stats()).toMatchObject({ macs: 64, macsEvicted: 17 });
    got();
    send(3, frame({ to: mac(1), from: [6, 0, 0, 0, 0, 0] }));
    send(3, frame({ to: mac(0), from: [6, 0, 0, 0, 0, 0] }));
    expect(got()).toEqual([1, 1, 0, 0]);
  });

  it("leave a port that is full of old addresses able to learn new ones", () => {
    const { time, send, sw } = lab(2, [], { macLimits: { entries: 64, entriesPerPort: 4 } });
    for (let n = 0; n < 9; n++) send(0, frame({ to: mac(1), from: mac(20 + n) }));
    time.pass(301_000);
    send(0, frame({ to: mac(1), from: mac(50) }));
    expect(sw.macs().map((m) => m.mac)).toEqual(["00:16:3e:00:00:32"]);
  });

  it("cannot do harm with any bytes", () => {
    const { sw, ports, stations } = lab(3, [{ ip: ["10.0.0.1", "fec0::1"] }, { trunk: true }, { vlan: 5 }], {
      flows: 8,
    });
    const types = fc.constantFrom([0x08, 0], [0x86, 0xdd], [0x08, 6], [0x81, 0], [0x88, 0xa8], [0, 46]);
    const bytes = fc
      .tuple(
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        fc.array(types, { maxLength: 3 }),
        fc.uint8Array({ maxLength: 200 }),
      )
      .map(([head, tags, rest]) => {
        head[6]! &= 0xfe;
        return Uint8Array.from([...head, ...tags.flatMap((t, i) => (i === 0 ? t : [0, 5, ...t])), ...rest]);
      });
    let sent = 0;
    fc.assert(
      fc.property(fc.nat(2), bytes, (port, b) => {
        sent++;
        expect(ports[port]!.send(packetOf(b))).toBe(true);
        ports[port]!.settle();
      }),
      { numRuns: 3000 },
    );
    expect(ports.reduce((sum, port) => sum + port.counters().framesIn, 0)).toBe(sent);
    expect(ports.map((p) => p.counters().framesOut)).toEqual(stations.map((s) => s.received.length));
    expect(sw.flows().length).toBeLessThanOrEqual(8);
  });
});

describe("a port with the address that it may use", () => {
  const FEC0 = (last: number) => [0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
  const NONE6 = FEC0(0).fill(0);
  const LINK_LOCAL = [0xfe, 0x80, ...FEC0(7).slice(2)];
  const icmp6 = [135, 0, 0, 0];
  const passes = (
    options: PortOptions,
    fields: { type?: number; payload?: number[]; tag?: number; from?: number[] },
  ) => {
    const { send, got } = lab(2, [options]);
    send(0, frame({ to: mac(1), from: mac(0), ...fields }));
    return got()[1] === 1;
  };
  const v4 = { ip: ["10.0.2.15"] };
  const both = { ip: ["10.0.2.15", "fec0::15"] };
  const host = [10, 0, 2, 2];
  const from4 = (source: number[], payload = tcp(40000, 80), protocol = 6) =>
    ip({ source, destination: host, protocol, payload });
  const from6 = (source: number[], payload = tcp(40000, 80), protocol = 6) =>
    ip({ source, destination: FEC0(2), protocol, payload });

  it.each([
    ["its IPv4 address", v4, from4([10, 0, 2, 15]), true],
    ["another IPv4 address", v4, from4([10, 0, 2, 16]), false],
    ["another one behind a tag", v4, { ...from4([10, 0, 2, 16]), tag: 9 }, false],
    [
      "another one behind two tags",
      v4,
      { type: 0x8100, payload: [0, 1, 8, 0, ...from4([10, 0, 2, 16]).payload], tag: 9 },
      false,
    ],
    [
      "anything behind three tags",
      v4,
      { type: 0x8100, payload: [0, 1, 0x88, 0xa8, 0, 1, 8, 0, ...from4([10, 0, 2, 15]).payload], tag: 9 },
      false,
    ],
    ["no address, to a DHCP server", v4, from4([0, 0, 0, 0], udp(68, 67), 17), true],
    ["no address, to anyone else", v4, from4([0, 0, 0, 0], udp(68, 53), 17), false],
    ["half an IPv4 header", v4, { type: 0x0800, payload: from4([10, 0, 2, 15]).payload.slice(0, 19) }, false],
    ["ARP of its own", v4, { type: 0x0806, payload: arp(mac(0), [10, 0, 2, 15], host) }, true],
    ["an ARP probe", v4, { type: 0x0806, payload: arp(mac(0), [0, 0, 0, 0], host) }, true],
    ["ARP of another IP address", v4, { type: 0x0806, payload: arp(mac(0), host, host) }, false],
    ["ARP of another MAC address", v4, { type: 0x0806, payload: arp(mac(1), [10, 0, 2, 15], host) }, false],
    ["IPv6, of which none is listed", v4, from6(LINK_LOCAL, icmp6, 58), false],
    ["its IPv6 address", both, from6(FEC0(0x15)), true],
    ["another IPv6 address", both, from6(FEC0(0x16)), false],
    ["a link-local neighbour", both, from6(LINK_LOCAL, icmp6, 58), true],
    ["duplicate address detection", both, from6(NONE6, icmp6, 58), true],
    ["TCP from a link-local address", both, from6(LINK_LOCAL), false],
    ["what is no IP", v4, { type: 0x88b5 }, true],
    ["another MAC address, where it is checked", { mac: "00:16:3e:00:00:00", checkMac: true }, { from: mac(5) }, false],
    ["its MAC address, where it is checked", { mac: "00:16:3e:00:00:00", checkMac: true }, {}, true],
  ])("sends from %s", (_, options, fields, expected) => {
    expect(passes(options, fields)).toBe(expected);
  });
});

describe("who talks to whom", () => {
  const A = [10, 0, 2, 15];
  const B = [10, 0, 2, 2];
  const segment = (from: number, to: number, source: number[], destination: number[], payload: number[]) =>
    frame({ to: mac(to), from: mac(from), ...ip({ source, destination, protocol: 6, payload }) });

  it("is told by service, with both directions and rates", () => {
    const { time, send, sw } = lab(2);
    send(1, segment(1, 0, B, A, tcp(80, 40000)));
    for (let s = 0; s < 3; s++) {
      for (let n = 0; n < 10; n++) send(0, segment(0, 1, A, B, tcp(40000, 80, [1, 2])));
      time.pass(1000);
    }
    send(0, segment(0, 1, A, B, tcp(40001, 443)));
    const flows = sw.flows();
    expect(flows.map((f) => `${f.client} > ${f.server} ${f.protocol}/${f.service}`)).toEqual([
      "10.0.2.15 > 10.0.2.2 tcp/443",
      "10.0.2.15 > 10.0.2.2 tcp/80",
    ]);
    expect(flows[1]!.sent).toEqual({ frames: 30, bytes: 30 * 56, bytesPerSecond: 10 * 56 });
    expect(flows[1]!.received).toEqual({ frames: 1, bytes: 54, bytesPerSecond: 54 / 3 });
    expect(flows[1]!.lastSeenNs).toBe(2e9);
    time.pass(4000);
    expect(sw.flows()[1]!.sent.bytesPerSecond).toBe(0);
  });

  it("names the rest by MAC address, and is of one VLAN", () => {
    const { send, sw } = lab(2, [{ vlan: 5 }, { vlan: 5 }]);
    send(0, frame({ to: BROADCAST, from: mac(0), type: 0x0806, payload: arp(mac(0), A, B) }));
    send(0, frame({ to: mac(1), from: mac(0), type: 60 }));
    const icmp = ip({ source: A, destination: B, protocol: 1, payload: [8, 0, 0, 0] });
    send(0, frame({ to: mac(1), from: mac(0), tag: 0xe000, ...icmp }));
    expect(
      sw.flows().map(({ client, server, protocol, service, vlan }) => [client, server, protocol, service, vlan]),
    ).toEqual([
      ["10.0.2.15", "10.0.2.2", "icmp", null, 5],
      ["00:16:3e:00:00:00", "00:16:3e:00:00:01", "ethernet", null, 5],
      ["00:16:3e:00:00:00", "ff:ff:ff:ff:ff:ff", "arp", 0x806, 5],
    ]);
  });

  it("tells what it can of fragments and of IPv6 with extension headers", () => {
    const { send, sw } = lab(2);
    const FEC0 = (last: number) => [0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    const v6 = (protocol: number, payload: number[]) =>
      send(0, frame({ to: mac(1), from: mac(0), ...ip({ source: FEC0(1), destination: FEC0(2), protocol, payload }) }));
    v6(0, [43, 0, 0, 0, 0, 0, 0, 0, 6, 1, ...new Array<number>(14).fill(0), ...tcp(40000, 22)]);
    v6(44, [17, 0, 0, 1, 0, 0, 0, 9, ...udp(40000, 53)]);
    v6(44, [17, 0, 0, 8, 0, 0, 0, 9, ...udp(40000, 53)]);
    v6(0, [0, 255, 0, 0]);
    expect(sw.flows().map((f) => [f.protocol, f.service, f.sent.frames])).toEqual([
      ["ip", null, 1],
      ["udp", null, 2],
      ["tcp", 22, 1],
    ]);
  });

  it("is bounded: the flow that was quiet longest makes room", () => {
    const { send, sw } = lab(2, [], { flows: 16 });
    for (let n = 0; n < 100; n++) {
      send(0, segment(0, 1, A, B, tcp(40000, 80)));
      send(0, segment(0, 1, A, B, tcp(40000, 1000 + n)));
    }
    expect(sw.flows().length).toBe(16);
    expect(sw.flows()[1]).toMatchObject({ service: 80, sent: { frames: 100 } });
    expect(sw.stats().flowsForgotten).toBe(101 - 16);
  });

  it("counts a frame that was refused only when it is sent", () => {
    const { send, sw, stations } = lab(2, [{}, { mac: "00:16:3e:00:00:01" }]);
    stations[1]!.space = 0;
    expect(send(0, segment(0, 1, A, B, tcp(40000, 80)))).toBe(false);
    expect(sw.flows()[0]!.sent.frames).toBe(0);
  });
});

describe("unplugging", () => {
  it("leaves nothing behind, also from within a frame's way", () => {
    const { sw, ports, stations, send, got, time } = lab(4, [{}, { mac: "00:16:3e:00:00:01" }]);
    stations[1]!.onReceive = () => {
      for (const port of [ports[1]!, ports[2]!] as Port[]) port.unplug();
    };
    send(0, frame({ to: BROADCAST, from: mac(0) }));
    expect(got()).toEqual([0, 1, 0, 1]);
    expect(sw.list().map((port) => port.name)).toEqual(["s0", "s3"]);
    expect(send(1, frame({ to: mac(0), from: mac(1) }))).toBe(true);
    ports[1]!.unplug();
    expect(got()).toEqual([0, 0, 0, 0]);
    expect(sw.macs().map((m) => m.port)).toEqual(["s0"]);
    expect(time.timers).toBe(0);
  });
});
