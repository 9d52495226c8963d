import { describe, expect, it, vi } from "vitest";
import { ManualClock } from "../../util/index.js";
import { parseIp, parseMac } from "../addresses.js";
import { DhcpType } from "./codec/dhcp.js";
import { DhcpServer } from "./dhcp-server.js";
import { Leases } from "./leases.js";

const ip = (text: string): Uint8Array => parseIp(text)!;
const mac = (n: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, n >>> 8, n);
const A = mac(10);
const B = mac(11);

interface Message {
  readonly type: number;
  readonly client?: Uint8Array;
  readonly clientIp?: string;
  readonly requested?: string;
  readonly server?: string;
  readonly options?: readonly number[];
}

/** A client's message, as [RFC 2131] figure 1 lays it out. */
function message({ type, client = A, clientIp = "0.0.0.0", requested, server, options = [] }: Message): Uint8Array {
  const tail = [53, 1, type, ...options];
  if (requested !== undefined) tail.push(50, 4, ...ip(requested));
  if (server !== undefined) tail.push(54, 4, ...ip(server));
  const bytes = new Uint8Array(240 + tail.length + 1);
  bytes.set([1, 1, 6, 0, 1, 2, 3, 4]);
  bytes.set(ip(clientIp), 12);
  bytes.set(client, 28);
  bytes.set([99, 130, 83, 99, ...tail, 255], 236);
  return bytes;
}

function setUp() {
  const clock = new ManualClock();
  const leases = new Leases(clock);
  const network = {
    mask: ip("255.255.255.0"),
    broadcast: ip("10.0.2.255"),
    router: ip("10.0.2.2"),
    dns: ip("10.0.2.3"),
    mtu: 1500,
    domain: "",
    searchDomains: [],
  };
  const server = new DhcpServer(
    leases,
    network,
    () => "name",
    () => true,
  );
  /** The answer's type and address: "ack 10.0.2.15", or "". */
  const ask = (m: Message): string => {
    const answer = server.answer(message(m), m.client ?? A);
    if (answer === null) return "";
    const type = ["", "", "offer", "", "", "ack", "nak"][answer.bytes[242]!];
    return `${type} ${answer.bytes.slice(16, 20).join(".")} to ${answer.destination.join(".")}${answer.isBroadcast ? " all" : ""}`;
  };
  const bind = (client: Uint8Array): string => {
    const offered = ask({ type: DhcpType.DISCOVER, client }).split(" ")[1];
    return offered === undefined ? "" : ask({ type: DhcpType.REQUEST, client, requested: offered, server: "10.0.2.2" });
  };
  return { clock, leases, server, ask, bind };
}

describe("a DHCP client", () => {
  it("gets the first address, and the same again", () => {
    const { ask, bind } = setUp();
    expect(ask({ type: DhcpType.DISCOVER })).toBe("offer 10.0.2.15 to 10.0.2.15");
    expect(ask({ type: DhcpType.DISCOVER })).toBe("offer 10.0.2.15 to 10.0.2.15");
    expect(bind(A)).toBe("ack 10.0.2.15 to 10.0.2.15");
    expect(bind(B)).toBe("ack 10.0.2.16 to 10.0.2.16");
    expect(bind(A)).toBe("ack 10.0.2.15 to 10.0.2.15");
  });

  it("is offered what it wishes, when that is free", () => {
    const { ask } = setUp();
    expect(ask({ type: DhcpType.DISCOVER, requested: "10.0.2.40" })).toContain("offer 10.0.2.40");
    expect(ask({ type: DhcpType.DISCOVER, requested: "10.0.2.40", client: B })).toContain("offer 10.0.2.15");
    expect(ask({ type: DhcpType.DISCOVER, requested: "10.0.2.3", client: mac(12) })).toContain("offer 10.0.2.16");
  });

  it("that chose another server is left alone", () => {
    const { ask } = setUp();
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", server: "10.0.2.9" })).toBe("");
  });

  it("keeps its lease by renewing, and loses it when it does not", () => {
    const { ask, bind, clock, leases } = setUp();
    bind(A);
    clock.advance(80_000e9);
    expect(ask({ type: DhcpType.REQUEST, clientIp: "10.0.2.15" })).toBe("ack 10.0.2.15 to 10.0.2.15");
    clock.advance(80_000e9);
    expect(leases.addressOf(A)).toEqual(ip("10.0.2.15"));
    clock.advance(80_000e9);
    expect(leases.addressOf(A)).toBeNull();
    expect(ask({ type: DhcpType.REQUEST, clientIp: "10.0.2.15" })).toContain("ack 10.0.2.15");
  });

  it("that comes back after a reboot is confirmed, or refused when the address is another's or of another network", () => {
    const { ask, bind } = setUp();
    bind(A);
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.15" })).toContain("ack 10.0.2.15");
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", client: B })).toBe(
      "nak 0.0.0.0 to 255.255.255.255 all",
    );
    expect(ask({ type: DhcpType.REQUEST, requested: "192.168.0.5", client: B })).toContain("nak");
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.2", client: B })).toContain("nak");
    expect(ask({ type: DhcpType.REQUEST, client: B })).toBe("");
  });

  it("releases its address, which is kept for it as long as there are others", () => {
    const { ask, bind, leases } = setUp();
    bind(A);
    ask({ type: DhcpType.RELEASE, clientIp: "10.0.2.15", server: "10.0.2.2" });
    expect(leases.addressOf(A)).toBeNull();
    expect(bind(B)).toContain("10.0.2.16");
    expect(bind(A)).toContain("10.0.2.15");
  });

  it("that finds its address in use gets another, and so does everybody for a while", () => {
    const { ask, bind, clock } = setUp();
    bind(A);
    ask({ type: DhcpType.DECLINE, requested: "10.0.2.15", server: "10.0.2.2" });
    expect(bind(A)).toContain("10.0.2.16");
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", client: B })).toContain("nak");
    clock.advance(601e9);
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", client: B })).toContain("ack");
  });

  it("cannot decline away more than a few addresses", () => {
    const { ask, bind } = setUp();
    for (let i = 0; i < 50; i++) {
      const address = bind(A).split(" ")[1]!;
      ask({ type: DhcpType.DECLINE, requested: address, server: "10.0.2.2" });
    }
    const left = Array.from({ length: 300 }, (_, i) => bind(mac(100 + i))).filter((answer) => answer !== "");
    expect(left.length).toBeGreaterThanOrEqual(236);
  });

  it("that has an address of its own is told the rest", () => {
    const { ask, leases } = setUp();
    expect(ask({ type: DhcpType.INFORM, clientIp: "10.0.2.77" })).toBe("ack 0.0.0.0 to 10.0.2.77");
    expect(leases.list()).toEqual([]);
  });

  it("must use the MAC of its frames, and no relay", () => {
    const { server } = setUp();
    expect(server.answer(message({ type: DhcpType.DISCOVER }), B)).toBeNull();
    const relayed = message({ type: DhcpType.DISCOVER });
    relayed[27] = 1;
    expect(server.answer(relayed, A)).toBeNull();
  });

  it("names itself in lists with nothing but a name", () => {
    const { ask, leases } = setUp();
    const name = (text: string): number[] => [12, text.length, ...Array.from(text, (c) => c.charCodeAt(0))];
    ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", options: name("guest-1") });
    expect(leases.of(A)!.hostname).toBe("guest-1");
    ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", options: name("<b>x</b>") });
    expect(leases.of(A)!.hostname).toBe("");
  });
});

describe("options in pieces", () => {
  it("are joined, and a client's identifier goes back in pieces that say their length", () => {
    const { server } = setUp();
    const id = Array.from({ length: 400 }, (_, n) => n & 255);
    const options = [61, 200, ...id.slice(0, 200), 61, 200, ...id.slice(200)];
    const { bytes } = server.answer(message({ type: DhcpType.DISCOVER, options }), A)!;
    const got: number[] = [];
    let at = 240;
    for (; at < bytes.length && bytes[at] !== 255; at += 2 + bytes[at + 1]!)
      if (bytes[at] === 61) got.push(...bytes.subarray(at + 2, at + 2 + bytes[at + 1]!));
    expect([got, bytes.length]).toEqual([id, at + 1]);
  });

  it("cost no more the more there are", () => {
    const { server } = setUp();
    const options = Array.from({ length: 2000 }, () => [61, 1, 7]).flat();
    const request = message({ type: DhcpType.DISCOVER, options });
    let copied = 0;
    const count = vi.spyOn(Uint8Array, "of").mockImplementation((...values) => {
      copied += values.length;
      return Uint8Array.from(values);
    });
    expect(server.answer(request, A)).not.toBeNull();
    count.mockRestore();
    expect(copied).toBeLessThan(request.length);
  });
});

describe("reserved addresses", () => {
  it("go to their guest alone, also from below the pool", () => {
    const { leases, bind, ask } = setUp();
    expect(leases.reserve(A, ip("10.0.2.15"))).toBeNull();
    expect(bind(B)).toContain("ack 10.0.2.16");
    expect(ask({ type: DhcpType.REQUEST, requested: "10.0.2.15", client: B })).toContain("nak");
    expect(bind(A)).toContain("ack 10.0.2.15");
    expect(leases.reserve(mac(12), ip("10.0.2.5"))).toBeNull();
    expect(bind(mac(12))).toContain("ack 10.0.2.5");
  });

  it("are the guest's before it asks, and move it when it has another", () => {
    const { leases, bind, ask } = setUp();
    bind(A);
    leases.reserve(A, ip("10.0.2.50"));
    expect(leases.addressOf(A)).toEqual(ip("10.0.2.50"));
    expect(ask({ type: DhcpType.REQUEST, clientIp: "10.0.2.15" })).toContain("nak");
    expect(bind(A)).toContain("10.0.2.50");
    leases.unreserve(A);
    expect(leases.holder(ip("10.0.2.50"))).toEqual(A);
  });

  it("are not taken from who has them by lease, as long as that lasts", () => {
    const { leases, bind, clock } = setUp();
    bind(B);
    expect(leases.reserve(A, ip("10.0.2.15"))).toBe("10.0.2.15 was given to 02:00:00:00:00:0b by DHCP");
    expect(leases.holder(ip("10.0.2.15"))).toEqual(B);
    expect(bind(A)).toContain("ack 10.0.2.16");
    clock.advance(86_401e9);
    expect(leases.reserve(A, ip("10.0.2.15"))).toBeNull();
    expect(leases.holder(ip("10.0.2.15"))).toEqual(A);
  });

  it("must be addresses for guests, and nobody else's", () => {
    const { leases } = setUp();
    expect(leases.reserve(A, ip("10.0.2.3"))).toContain("10.0.2.4 to 10.0.2.254");
    expect(leases.reserve(A, ip("192.168.0.1"))).toContain("no address for a guest");
    expect(leases.reserve(A, ip("10.0.2.20"))).toBeNull();
    expect(leases.reserve(B, ip("10.0.2.20"))).toContain("another interface's");
    expect(leases.reserve(A, ip("10.0.2.21"))).toBeNull();
    expect(leases.reserve(B, ip("10.0.2.20"))).toBeNull();
  });
});

describe("a guest that takes every address", () => {
  it("takes no lease from another, and leaves room when its offers are over", () => {
    const { bind, ask, leases, clock, server } = setUp();
    bind(A);
    for (let i = 0; i < 1000; i++) ask({ type: DhcpType.DISCOVER, client: mac(1000 + i) });
    expect(leases.list().length).toBe(240);
    expect(server.counters.exhausted).toBe(1000 - 239);
    expect(ask({ type: DhcpType.REQUEST, clientIp: "10.0.2.15" })).toContain("ack 10.0.2.15");
    expect(bind(B)).toBe("");
    clock.advance(61e9);
    expect(bind(B)).toContain("ack");
    expect(parseMac("02:00:00:00:00:0a")).toEqual(A);
  });
});
