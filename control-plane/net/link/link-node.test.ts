/** Links on real sockets. */
import { connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { SeededRandom } from "../../util/index.js";
import { GsoType } from "../packet.js";
import { Switch } from "../switch/index.js";
import { BROADCAST, frame, mac, packetOf, TestStation } from "../switch/testing/lab.js";
import { type LinkOptions, type LinkServerOptions, LinkStation, type OpenLinkSocket, openWebSocket } from "./index.js";
import { openNodeSocket, serveLink } from "./link-node.js";
import { MOST_MESSAGE_BYTES, writeHello } from "./protocol.js";
import { Middle } from "./testing/middle.js";

const timer = (ms: number, work: () => void): (() => void) => {
  const handle = setTimeout(work, ms);
  return () => clearTimeout(handle);
};
const clock = { now: () => performance.now() * 1e6 };
const cleanUp: (() => unknown)[] = [];
let links = 8;

afterEach(async () => {
  vi.unstubAllGlobals();
  for (const work of cleanUp.splice(0).reverse()) await work();
});

/** A switch with one guest. */
class Host {
  readonly sw: Switch;
  readonly guest = new TestStation("guest");
  readonly port;

  constructor(readonly n: number) {
    this.sw = new Switch({ name: `host${n}`, clock, timer, random: new SeededRandom(n + 1) });
    this.port = this.sw.plug(this.guest, { mac: `00:16:3e:00:00:0${n}` });
  }

  send(
    to: readonly number[],
    payload: readonly number[] | Uint8Array = [],
    change: (p: ReturnType<typeof packetOf>) => void = () => {},
  ): boolean {
    const packet = packetOf(frame({ to, from: mac(this.n), payload }));
    change(packet);
    const taken = this.port.send(packet);
    this.port.settle();
    return taken;
  }

  async serve(options: Partial<LinkServerOptions> = {}) {
    const lines: string[] = [];
    const server = await serveLink(
      { name: `host${this.n}`, host: "127.0.0.1", port: 0, log: (line) => lines.push(line), ...options },
      {
        timer,
        networkAt: (path) =>
          path === "/none"
            ? "there is none"
            : {
                name: "lab",
                id: this.sw.name,
                refuse: ({ name }) => (name === "nobody" ? "nobody is not wanted" : null),
                plug: (s) => this.sw.plug(s),
              },
      },
    );
    cleanUp.push(() => server.close());
    return { ...server, lines };
  }

  link(url: string, options: Partial<LinkOptions> = {}, open: OpenLinkSocket = openNodeSocket): LinkStation {
    const link = new LinkStation(
      { name: `host${this.n}`, url, network: `host${this.n}`, ...options },
      { clock, timer, random: new SeededRandom(++links), plug: (station) => this.sw.plug(station), open },
    );
    cleanUp.push(() => link.close());
    return link;
  }
}

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 20_000, interval: 2 });

/** A wire between two ports that can be cut. */
async function middleTo(port: number): Promise<Middle> {
  const middle = await Middle.to(port);
  cleanUp.push(() => middle.close());
  return middle;
}

describe.each([
  ["ws", openNodeSocket],
  ["a browser's WebSocket", openWebSocket],
])("two switches, by %s", (_, open) => {
  const pair = async () => {
    vi.stubGlobal("WebSocket", WebSocket);
    const [a, b] = [new Host(1), new Host(2)];
    const server = await a.serve();
    const link = b.link(server.url, {}, open);
    await until(() => link.status().state === "up" && server.peers().length === 1);
    return { a, b, server, link };
  };

  it("are one network", async () => {
    const { a, b, server, link } = await pair();
    expect([link.status().peer, server.peers()[0]!.name]).toEqual(["host1", "host2"]);
    b.send(BROADCAST, [1]);
    await until(() => a.guest.received.length === 1);
    a.send(mac(2), [2]);
    await until(() => b.guest.received.length === 1);
    expect(a.guest.take()).toEqual([frame({ to: BROADCAST, from: mac(2), payload: [1] })]);
    expect(b.guest.take()).toEqual([frame({ to: mac(2), from: mac(1), payload: [2] })]);
    expect(a.sw.list().map((p) => p.name)).toEqual(["guest", "link-host2"]);
    link.close();
    await until(() => a.sw.list().length === 1);
    expect(server.lines.at(-1)).toBe("lab: host2 (127.0.0.1) is gone: closed by the other side");
  });

  it("keep large segments whole, of 64 KiB", async () => {
    const { a, b } = await pair();
    const payload = Uint8Array.from({ length: 65_535 }, (_, i) => i * 7);
    b.send(mac(1), payload, (packet) => {
      packet.partialChecksum = true;
      packet.gsoSize = 1448;
      packet.gsoType = GsoType.TCPV4;
    });
    await until(() => a.guest.received.length === 1);
    expect(a.guest.received[0]).toMatchObject({ partialChecksum: true, dataValidated: false, gsoSize: 1448 });
    expect(a.guest.received[0]!.bytes).toEqual(frame({ to: mac(1), from: mac(2), payload }));
  });

  it("lose and mix up nothing of a stream of frames, though the receiver is slow", { timeout: 60_000 }, async () => {
    const { a, b, server, link } = await pair();
    a.send(BROADCAST);
    await until(() => b.guest.received.length === 1);
    const COUNT = 1500;
    let next = 0;
    const go = (): void => {
      while (next < COUNT && b.send(mac(1), [next >> 8, next & 255, ...new Array<number>(3000).fill(next)])) next++;
    };
    b.guest.onResume = go;
    a.guest.space = 0;
    const room = setInterval(() => {
      a.guest.space = 50;
      a.port.room();
    }, 1);
    cleanUp.push(() => clearInterval(room));
    go();
    await until(() => a.guest.received.length === COUNT);
    expect(a.guest.take().map((bytes) => (bytes[14]! << 8) | bytes[15]!)).toEqual(
      Array.from({ length: COUNT }, (_, n) => n),
    );
    expect(link.status().counters.dropsOut + server.peers()[0]!.counters.dropsIn).toBe(0);
  });
});

describe("a link", () => {
  it("that is cut in the middle of a frame comes up again, with whole frames only", { timeout: 30_000 }, async () => {
    const [a, b] = [new Host(1), new Host(2)];
    const server = await a.serve();
    const middle = await middleTo(server.port);
    const link = b.link(middle.url);
    const payload = new Array<number>(30_000).fill(5);
    for (let n = 1; n <= 2; n++) {
      await until(() => link.status().state === "up" && server.peers().length === 1);
      b.send(mac(1), payload);
      await until(() => a.guest.received.length === n);
      middle.cutAfter = middle.passed + 15_000;
      b.send(mac(1), payload);
      await until(() => link.status().state === "waiting" && server.peers().length === 0);
      expect(a.sw.list().map((p) => p.name)).toEqual(["guest"]);
    }
    await until(() => link.status().state === "up");
    expect(link.status().connects).toBe(3);
    for (const bytes of a.guest.take()) expect(bytes).toEqual(frame({ to: mac(1), from: mac(2), payload }));
  });

  it("finds a server that comes later", { timeout: 30_000 }, async () => {
    const [a, b] = [new Host(1), new Host(2)];
    const first = await a.serve();
    await first.close();
    const link = b.link(first.url);
    await until(() => link.status().state === "waiting");
    expect(link.status().error).toMatch(/ECONNREFUSED/);
    await a.serve({ port: first.port });
    await until(() => link.status().state === "up");
  });

  it("wants the token where there is one", async () => {
    const [a, b] = [new Host(1), new Host(2)];
    const server = await a.serve({ token: "open sesame" });
    for (const token of [undefined, "open barley", "open sesame "]) {
      const link = b.link(server.url, token === undefined ? {} : { token });
      await until(() => link.status().state === "waiting");
      expect(link.status()).toMatchObject({ error: "the token is not the right one", connects: 0 });
      link.close();
    }
    const link = b.link(server.url, { token: "open sesame" });
    await until(() => link.status().state === "up");
    expect(a.sw.list().length).toBe(2);
  });

  it("takes pages only of origins that are listed, or with the token", async () => {
    const status = async (options: Partial<LinkServerOptions>, origin: string): Promise<string> => {
      const { url } = await new Host(1).serve(options);
      return new Promise((resolve) => {
        const ws = new WebSocket(url, { origin });
        ws.on("open", () => {
          resolve("open");
          ws.terminate();
        });
        ws.on("error", (error) => resolve(error.message));
      });
    };
    const origins = ["https://good.example"];
    expect(await status({}, "https://bad.example")).toMatch(/403/);
    expect(await status({}, "http://localhost:8080")).toBe("open");
    expect(await status({ origins }, "http://localhost:8080")).toMatch(/403/);
    expect(await status({ origins: ["*"] }, "https://bad.example")).toBe("open");
    expect(await status({ origins }, "https://good.example")).toBe("open");
    expect(await status({ origins, token: "t" }, "https://bad.example")).toMatch(/403/);
    expect(await status({ token: "t" }, "https://bad.example")).toBe("open");
  });

  it("has one connection per client, and a server no more than it may", async () => {
    const [a, b] = [new Host(1), new Host(2)];
    const server = await a.serve({ connections: 2 });
    const link = b.link(server.url);
    await until(() => link.status().state === "up");
    const open = (id: string) => {
      const ws = new WebSocket(server.url);
      let error = "";
      ws.on("open", () => ws.send(writeHello({ name: "x", id, network: `of ${id}`, large: true, token: null })));
      ws.on("error", (e) => {
        error = e.message;
      });
      cleanUp.push(() => ws.terminate());
      return { ws, failure: () => error };
    };
    const first = open("same");
    await until(() => server.peers().length === 2);
    const third = open("other");
    await until(() => /503/.test(third.failure()));
    first.ws.terminate();
    await until(() => server.peers().length === 1);
    open("same");
    await until(() => server.peers().length === 2);
    link.close();
    await until(() => server.peers().length === 1);
    open("same");
    await until(() => server.lines.includes("lab: x (127.0.0.1) is gone: it has connected anew"));
    expect(a.sw.list().length).toBe(2);
  });
});

describe("a server", () => {
  it("says why somebody may not join", async () => {
    const [a, b] = [new Host(1), new Host(2)];
    const server = await a.serve();
    const why = async (path: string, options: Partial<LinkOptions> = {}): Promise<string | null> => {
      const link = b.link(server.url + path, options);
      await until(() => link.status().state === "waiting");
      const { error } = link.status();
      link.close();
      return error;
    };
    expect(await why("none?x=1")).toBe("there is none");
    expect(await why("", { name: "nobody" })).toBe("nobody is not wanted");
    expect(await why("", { network: "host1" })).toBe("a network cannot join itself");
    const first = b.link(server.url);
    await until(() => first.status().state === "up");
    expect(await why("again")).toBe("these two networks are joined already");
    expect(first.status()).toMatchObject({ state: "up", connects: 1 });
    expect(server.peers()).toMatchObject([{ name: "host2", network: "host2", port: "link-host2" }]);
  });

  it("is open to others than this computer's programs only with a token", async () => {
    const a = new Host(1);
    await expect(a.serve({ host: "0.0.0.0" })).rejects.toThrow(/whoever reaches 0\.0\.0\.0 could join; give a token/);
    expect((await a.serve({ host: "0.0.0.0", token: "t" })).port).toBeGreaterThan(0);
  });

  it("ends at once, though somebody has only half asked", async () => {
    const server = await new Host(1).serve();
    const half = connect(server.port, "127.0.0.1");
    half.on("error", () => {});
    const isClosed = new Promise((resolve) => half.once("close", resolve));
    await new Promise<void>((resolve) => half.write("GET / HTTP/1.1\r\n", () => resolve()));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await server.close();
    await isClosed;
  });

  it("does not wait for those who were turned away", async () => {
    const { port, lines } = await new Host(1).serve();
    const page = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x";
    page.write(`GET / HTTP/1.1\r\nHost: x\r\n${upgrade}\r\nOrigin: http://\x9bx\r\n\r\n`, "latin1");
    page.resume();
    await new Promise((resolve) => page.once("end", resolve));
    expect(lines).toEqual(["refused 127.0.0.1, a page of http://?x: 403 Forbidden"]);
    // Had it been closed one way only, this would be taken.
    const isRefused = new Promise((resolve) => page.once("error", resolve));
    const more = setInterval(() => page.write("more"), 5);
    expect(await isRefused).toMatchObject({ code: expect.stringMatching(/EPIPE|ECONNRESET/) });
    clearInterval(more);
  });

  it("says why it cannot listen", async () => {
    const a = new Host(1);
    const { port } = await a.serve();
    await expect(a.serve({ port })).rejects.toThrow(`port ${port} of 127.0.0.1 is taken: choose another`);
    await expect(a.serve({ host: "192.0.2.1", token: "t" })).rejects.toThrow(
      "192.0.2.1 is no address of this computer",
    );
  });
});

describe("a peer that sends garbage", () => {
  const close = (url: string, messages: readonly (string | Uint8Array)[]): Promise<number> =>
    new Promise((resolve) => {
      const ws = new WebSocket(url);
      ws.on("open", () => {
        for (const message of messages) ws.send(message);
      });
      ws.on("error", () => {});
      ws.on("close", resolve);
    });
  const hello = writeHello({ name: "x", id: "x", network: "x", large: true, token: null });

  it.each([
    ["text", ["hello"], 4000],
    ["frames at once", [new Uint8Array(30)], 4000],
    ["what are no frames", [hello, new Uint8Array(30)], 4000],
    ["a message that is too long", [hello, new Uint8Array(MOST_MESSAGE_BYTES + 1)], 1009],
    ["a hello that is too long", ["x".repeat(MOST_MESSAGE_BYTES + 1)], 1009],
    ["another version", [hello.replace('"version":1', '"version":9')], 4000],
  ])("(%s) is disconnected, and nobody else notices", async (_, messages, code) => {
    const [a, b] = [new Host(1), new Host(2)];
    const server = await a.serve();
    const link = b.link(server.url);
    await until(() => link.status().state === "up");
    expect(await close(server.url, messages)).toBe(code);
    await until(() => server.peers().length === 1);
    b.send(mac(1), [7]);
    await until(() => a.guest.received.length === 1);
    expect(a.sw.list().map((p) => p.name)).toEqual(["guest", "link-host2"]);
  });

  it("below the WebSocket is disconnected too", async () => {
    const a = new Host(1);
    const server = await a.serve();
    for (const garbage of [
      "\0\0\0",
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ]) {
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(garbage);
      await new Promise<void>((resolve) => {
        socket.on("data", () => {});
        socket.on("close", () => resolve());
      });
    }
    expect(server.peers()).toEqual([]);
  });
});
