import * as dgram from "node:dgram";
import * as net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { NodeOutside, type NodePolicy } from "./node.js";
import type { OutsideDatagrams, OutsideStream, StreamEvents } from "./outside.js";

const LOOPBACK = "127.0.0.1";
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function outsideWith(policy: NodePolicy = {}): NodeOutside {
  const outside = new NodeOutside(policy);
  closers.push(() => outside.close());
  return outside;
}

/** What a stream told, in order, and a promise of each event. */
class Heard implements StreamEvents {
  readonly events: string[] = [];
  bytes = 0;
  #waits: { readonly event: string; readonly done: () => void }[] = [];

  opened = (): void => this.#hear("opened");
  drained = (): void => this.#hear("drained");
  ended = (): void => this.#hear("ended");
  closed = (error: string | null): void => this.#hear(`closed ${error}`);
  data = (bytes: Uint8Array): void => {
    this.bytes += bytes.length;
    if (bytes.length < 100) this.#hear(`data ${new TextDecoder().decode(bytes)}`);
    else this.#hear("data");
  };

  until(event: string): Promise<void> {
    if (this.events.includes(event)) return Promise.resolve();
    return new Promise((done) => this.#waits.push({ event, done }));
  }

  #hear(event: string): void {
    this.events.push(event);
    for (const wait of this.#waits.filter((w) => w.event === event)) wait.done();
    this.#waits = this.#waits.filter((w) => w.event !== event);
  }
}

async function serve(onSocket: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((done) => server.listen(0, LOOPBACK, done));
  closers.push(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** Two ends of a connection through `listen` and `openStream`. */
async function pair(
  outside: NodeOutside,
): Promise<{ near: OutsideStream; far: OutsideStream; nearHeard: Heard; farHeard: Heard }> {
  const farHeard = new Heard();
  const nearHeard = new Heard();
  let far: OutsideStream | null = null;
  const accepted = new Promise<void>((done) => {
    void outside
      .listen(LOOPBACK, 0, (stream) => {
        far = stream;
        done();
        return farHeard;
      })
      .then((listener) => {
        closers.push(() => listener.close());
        near = outside.openStream(LOOPBACK, listener.port, nearHeard);
      });
  });
  let near: OutsideStream | null = null;
  await accepted;
  await nearHeard.until("opened");
  return { near: near!, far: far!, nearHeard, farHeard };
}

describe("streams", () => {
  it("carry bytes both ways, and each direction ends by itself", async () => {
    const { near, far, nearHeard, farHeard } = await pair(outsideWith());
    near.write(Buffer.from("there"));
    near.end();
    await farHeard.until("ended");
    far.write(Buffer.from("and back"));
    await nearHeard.until("data and back");
    far.end();
    await Promise.all([nearHeard.until("closed null"), farHeard.until("closed null")]);
    expect(nearHeard.events).toEqual(["opened", "data and back", "ended", "closed null"]);
    expect(farHeard.events).toEqual(["data there", "ended", "closed null"]);
  });

  it("hold back when the other end does not read, and go on when it does", async () => {
    const { near, far, nearHeard, farHeard } = await pair(outsideWith());
    far.pauseReading();
    const chunk = new Uint8Array(1 << 20);
    let written = 0;
    let isRoom = true;
    while (isRoom && written < 256) {
      isRoom = near.write(chunk.slice());
      written++;
    }
    expect(isRoom).toBe(false);
    // One more fills what the kernel took.
    for (let i = 0; i < 32; i++) near.write(chunk.slice());
    expect(farHeard.bytes).toBe(0);
    far.resumeReading();
    await nearHeard.until("drained");
    near.end();
    await farHeard.until("ended");
    expect(farHeard.bytes).toBe((written + 32) << 20);
  });

  it("say why they are over", async () => {
    const outside = outsideWith();
    const port = await serve((socket) => socket.resetAndDestroy());
    const reset = new Heard();
    outside.openStream(LOOPBACK, port, reset);
    await reset.until("closed reset");
    const unused = await serve(() => undefined);
    closers.pop()!();
    const refused = new Heard();
    outside.openStream(LOOPBACK, unused, refused);
    await refused.until("closed refused");
    const nowhere = new Heard();
    outside.openStream("not an address", 80, nowhere);
    expect(nowhere.events).toEqual([]);
    await nowhere.until("closed refused");
    expect([refused.events, nowhere.events]).toEqual([["closed refused"], ["closed refused"]]);
  });

  it("end with a reset when they are aborted", async () => {
    const { near, nearHeard, farHeard } = await pair(outsideWith());
    near.abort();
    await Promise.all([nearHeard.until("closed null"), farHeard.until("closed reset")]);
    near.write(Buffer.from("too late"));
    near.end();
    near.abort();
    expect(nearHeard.events).toEqual(["opened", "closed null"]);
  });

  it("go only where they may", async () => {
    const reach = async (policy: NodePolicy, address: string, port = 9): Promise<string> => {
      const heard = new Heard();
      const stream = outsideWith(policy).openStream(address, port, heard);
      await new Promise((done) => setImmediate(done));
      stream.abort();
      return heard.events[0] ?? "allowed";
    };
    const guarded = { hostLoopback: false, privateNetworks: false };
    for (const address of [
      LOOPBACK,
      "127.9.9.9",
      "0.0.0.0",
      "::1",
      "::ffff:127.0.0.1",
      "10.1.2.3",
      "192.168.0.1",
      "172.31.0.1",
      "169.254.169.254",
      "fd00::1",
      "::ffff:10.1.2.3",
    ]) {
      expect([address, await reach(guarded, address)]).toEqual([address, "closed denied"]);
    }
    expect(
      await reach(
        { allows: (protocol, address, port) => !(protocol === "tcp" && address === LOOPBACK && port === 25) },
        LOOPBACK,
        25,
      ),
    ).toBe("closed denied");
  });
});

describe("datagrams", () => {
  async function echo(): Promise<number> {
    const socket = dgram.createSocket("udp4");
    socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
    await new Promise<void>((done) => socket.bind(0, LOOPBACK, done));
    closers.push(() => socket.close());
    return socket.address().port;
  }

  it("go and come back", async () => {
    const port = await echo();
    const datagrams = await new Promise<[string, number, string]>((done) => {
      const socket = outsideWith().openDatagrams(4, {
        data: (address, from, bytes) => done([address, from, new TextDecoder().decode(bytes)]),
        failed: () => undefined,
      });
      socket.send(LOOPBACK, port, Buffer.from("hello"));
    });
    expect(datagrams).toEqual([LOOPBACK, port, "hello"]);
  });

  it("that may not go are denied, those too large are unreachable, and a closed socket is silent", async () => {
    const failures: string[] = [];
    const next = (): Promise<void> => new Promise((done) => setTimeout(done, 20));
    const open = (policy: NodePolicy): OutsideDatagrams =>
      outsideWith(policy).openDatagrams(4, {
        data: () => undefined,
        failed: (address, port, error) => failures.push(`${address} ${port} ${error}`),
      });
    open({ hostLoopback: false }).send(LOOPBACK, 9, Buffer.from("x"));
    const socket = open({});
    socket.send("203.0.113.1", 9, new Uint8Array(65_530));
    await next();
    expect(failures).toEqual([`${LOOPBACK} 9 denied`, "203.0.113.1 9 unreachable"]);
    socket.close();
    socket.close();
    socket.send(LOOPBACK, 9, Buffer.from("x"));
    await next();
    expect(failures.length).toBe(2);
  });

  it("arrive at a forward and are answered from it", async () => {
    const outside = outsideWith();
    const forward = await outside.listenDatagrams(LOOPBACK, 0, {
      data: (address, port, bytes) => forward.send(address, port, Uint8Array.from(bytes).reverse()),
      failed: () => undefined,
    });
    const client = dgram.createSocket("udp4");
    closers.push(() => client.close());
    const answer = new Promise<string>((done) => client.once("message", (bytes) => done(bytes.toString())));
    client.send("abc", forward.port, LOOPBACK);
    expect(await answer).toBe("cba");
    forward.close();
  });
});

describe("listening", () => {
  it("says what is wrong with a port, and how to find who has it", async () => {
    const outside = outsideWith();
    const port = await serve(() => undefined);
    const problem = (p: Promise<unknown>): Promise<string> =>
      p.then(
        () => "none",
        (e: Error) => e.message,
      );
    const tcp = await problem(outside.listen(LOOPBACK, port, () => new Heard()));
    expect(tcp).toContain(`TCP port ${port} of 127.0.0.1 is in use by another program: `);
    expect(tcp).toContain(String(port));
    const events = { data: () => undefined, failed: () => undefined };
    const first = await outside.listenDatagrams(LOOPBACK, 0, events);
    expect(await problem(outside.listenDatagrams(LOOPBACK, first.port, events))).toContain(
      `UDP port ${first.port} of 127.0.0.1 is in use`,
    );
    expect(await problem(outside.listen("203.0.113.77", 0, () => new Heard()))).toContain(
      "this host has no such address",
    );
  });

  it("is over when it is closed", async () => {
    const outside = outsideWith();
    const listener = await outside.listen(LOOPBACK, 0, () => new Heard());
    listener.close();
    const heard = new Heard();
    outside.openStream(LOOPBACK, listener.port, heard);
    await heard.until("closed refused");
  });
});

it("knows the host's own name, and that nothing can be pinged but the host", async () => {
  const outside = outsideWith();
  const local = await outside.resolve("localhost", 4);
  expect(local).toMatchObject({ kind: "addresses", addresses: [LOOPBACK] });
  expect([await outside.ping("127.0.0.1"), await outside.ping("::1"), await outside.ping("192.0.2.1")]).toEqual([
    true,
    true,
    null,
  ]);
});
