/** Networks in words, where their parts stand, and the watch over them. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type {
  HostApi,
  JoinedLink,
  LinkId,
  NetworkFlow,
  NetworkInfo,
  NetworkPort,
  ServedLink,
} from "../../control-plane/api/index.js";
import { describeLinkState, describePeer, joinProblem } from "./network-joins.js";
import {
  cableWidth,
  describeNetwork,
  formatRate,
  formatService,
  layOutPorts,
  orderFlows,
  PICTURE_WIDTH,
} from "./network-text.js";
import { NetworkWatch, portKey } from "./network-watch.js";

const direction = (bytesPerSecond: number) => ({ frames: 1, bytes: 100, bytesPerSecond });
const flow = (changes: Partial<NetworkFlow> = {}): NetworkFlow => ({
  client: "10.0.2.15",
  server: "10.0.2.2",
  protocol: "tcp",
  service: 80,
  vlan: 0,
  sent: direction(0),
  received: direction(0),
  ageSeconds: 1,
  idleSeconds: 1,
  ...changes,
});
const port = (name: string, bytes = 0): NetworkPort => ({
  name,
  linkUp: true,
  counters: { rxBytes: bytes, txBytes: bytes },
});
const network = (ports: readonly NetworkPort[], flows: readonly NetworkFlow[] = []): NetworkInfo => ({
  name: "lab",
  ports,
  links: [],
  counters: {},
  macs: [],
  flows,
});

describe("in words", () => {
  it("services have names where they are known", () => {
    expect(formatService(flow())).toBe("http (tcp 80)");
    expect(formatService(flow({ service: 7001 }))).toBe("tcp 7001");
    expect(formatService(flow({ protocol: "icmp", service: null }))).toBe("icmp");
  });

  it("rest has no rate", () => {
    expect([formatRate(0), formatRate(1536)]).toEqual(["", "1.5 KiB/s"]);
  });

  it("who moves most comes first, then who moved last", () => {
    const flows = [
      flow({ client: "idle", idleSeconds: 9 }),
      flow({ client: "late", idleSeconds: 2 }),
      flow({ client: "busy", idleSeconds: 3, received: direction(10) }),
    ];
    expect(orderFlows(flows).map(({ client }) => client)).toEqual(["busy", "late", "idle"]);
  });

  it("a network is one sentence", () => {
    const busy = network([port("vif1.0"), port("nat")], [flow(), flow({ sent: direction(1024) })]);
    expect(describeNetwork(busy)).toBe("Network lab: vif1.0, nat; 2 known conversations, 1 of them move 1 KiB/s.");
  });
});

describe("links in words", () => {
  const id = 1 as LinkId;
  const joined: JoinedLink = {
    ...{ kind: "joined", id, url: "ws://x/lab", port: "link1", counters: {} },
    ...{ state: "up", peer: "a switch", error: null, connects: 1 },
  };
  const served: ServedLink = {
    ...{ kind: "served", id, url: "ws://127.0.0.1:1/" },
    peers: ["a", "b"].map((name) => ({ name, address: "127.0.0.1", port: "link1.0", counters: {} })),
  };

  it("tell who is there and how it goes", () => {
    const away: JoinedLink = { ...joined, peer: null, state: "waiting", error: "it cannot be reached" };
    expect([joined, away, served].map(describePeer)).toEqual(["a switch, ws://x/lab", "ws://x/lab", "a, b"]);
    expect([joined, away, served].map(describeLinkState)).toEqual([
      "up",
      "tried again soon: it cannot be reached",
      "2 networks joined at ws://127.0.0.1:1/",
    ]);
  });

  it.each([
    ["lab", "ws://x/lab", null],
    ["a b", "ws://x/lab", /32 letters/],
    ["nat", "ws://x/lab", /nat leads out/],
    ["lab", "http://x/", /^"http:\/\/x\/" is not an address as in .*\.$/],
    ["lab", "ws://a:b@x/", /^The address has a name or a password/],
  ])("say what is wrong with joining %s and %s", (name, url, problem) => {
    const said = joinProblem({ network: name, url, token: null });
    if (problem === null) expect(said).toBeNull();
    else expect(said).toMatch(problem);
  });
});

describe("in the picture", () => {
  it("ports stand apart and inside", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), (count) => {
        const { spots, height } = layOutPorts(Array.from({ length: count }, (_, n) => port(`p${n}`)));
        expect(spots).toHaveLength(count);
        for (const [n, a] of spots.entries()) {
          expect(a.x > 50 && a.x < PICTURE_WIDTH - 50 && a.y > 40 && a.y < height - 20).toBe(true);
          for (const b of spots.slice(n + 1))
            expect(Math.abs(a.x - b.x) >= 110 || Math.abs(a.y - b.y) >= 60).toBe(true);
        }
      }),
    );
  });

  it("cables grow with what goes through, and have an end", () => {
    const widths = [0, 1, 1e3, 1e6, 1e9, 1e15].map(cableWidth);
    expect(widths).toEqual([...widths].sort((a, b) => a - b));
    expect(widths.at(-1)).toBe(9);
  });
});

describe("the watch", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("looks every second while it is on, and tells rates between two looks", async () => {
    let now = 0;
    const looks = [network([port("a", 1000)]), network([port("a", 3000), port("b", 7)]), network([port("a", 10)])];
    const host = { networks: vi.fn(async () => [looks.shift()!]) };
    const watch = new NetworkWatch(
      host as unknown as HostApi,
      () => now,
      (error) => expect.fail(String(error)),
    );
    const rate = (name: string) => watch.snapshot.get().rates.get(portKey("lab", name));
    watch.watch(true);
    await vi.advanceTimersByTimeAsync(0);
    expect([watch.snapshot.get().networks?.length, rate("a")]).toEqual([1, undefined]);
    now = 2000;
    await vi.advanceTimersByTimeAsync(1000);
    expect([rate("a"), rate("b")]).toEqual([2000, undefined]);
    now = 3000;
    await vi.advanceTimersByTimeAsync(1000);
    expect(rate("a")).toBe(0);
    watch.watch(false);
    await vi.advanceTimersByTimeAsync(5000);
    expect(host.networks).toHaveBeenCalledTimes(3);
  });

  it("stops when the host does not answer, and says why once", async () => {
    const host = { networks: vi.fn(async () => Promise.reject(new Error("gone"))) };
    const errors: unknown[] = [];
    const watch = new NetworkWatch(
      host as unknown as HostApi,
      () => 0,
      (error) => errors.push(error),
    );
    watch.watch(true);
    await vi.advanceTimersByTimeAsync(5000);
    expect([errors.length, host.networks.mock.calls.length]).toEqual([1, 1]);
  });
});
