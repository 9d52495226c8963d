import { EventEmitter, once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type ConsoleSession,
  type DomainConfig,
  type DomId,
  type HostApi,
  HostError,
  type TellProgress,
} from "../../api/index.js";
import { encodeFrame, FrameReader } from "./frame.js";
import { connectSocket, type HostServer, type RemoteHost, serveSocket, socketAddress } from "./index.js";
import { checkSocketFolder } from "./path.js";

const DOMID = 1 as DomId;
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

/** A host that remembers what it was asked and lets the test speak for its guests. */
class FakeHost extends EventEmitter {
  readonly asked: unknown[][] = [];
  readonly typed: string[] = [];
  attached = 0;
  watches = 0;
  readonly api = {
    info: async () => ({ version: "test" }),
    domain: async (domid: DomId) => {
      throw new HostError("no-such-domain", `there is no domain ${domid}`);
    },
    list: async () => {
      throw new Error("broken");
    },
    create: async (config: DomainConfig, options: object) => {
      this.asked.push([config, options]);
      return DOMID;
    },
    dmesg: async (clear: boolean) => `cleared: ${clear}`,
    waitShutdown: () => once(this, "shutdown").then(() => ({ reason: "poweroff" as const })),
    /** Goes on until it is told to end. */
    imageJob: async (call: string, params: unknown[], onProgress: TellProgress) => {
      this.asked.push([call, params]);
      for (let doneBytes = 0; ; doneBytes++) {
        if (params[0] === "short" && doneBytes === 3) return;
        if (!(await onProgress({ doneBytes, totalBytes: 100 }))) break;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      this.emit("cancelled");
      throw new HostError("bad-config", "the merge was cancelled");
    },
    dumpCore: async (_: DomId, onChunk: (chunk: Uint8Array) => void | Promise<void>) => {
      for (const part of ["one", "two", "three"]) await onChunk(bytes(part));
    },
    attachConsole: async (_domid: DomId, kind: string, onData: (data: Uint8Array) => void): Promise<ConsoleSession> => {
      this.attached++;
      onData(bytes(`scrollback of ${kind}`));
      this.on("output", onData);
      return {
        write: (data) => {
          this.typed.push(Buffer.from(data).toString());
          this.emit("typed");
        },
        resize: (columns, rows) => this.asked.push([columns, rows]),
        detach: () => {
          this.off("output", onData);
          this.attached--;
          this.emit("detached");
        },
      };
    },
    xenstoreWatch: async (path: string, onChange: (path: string) => void) => {
      this.watches++;
      onChange(path);
      this.on("change", onChange);
      return () => {
        this.off("change", onChange);
        this.watches--;
        this.emit("unwatched");
      };
    },
  } as unknown as HostApi;
}

let folder: string;
let address: string;
let fake: FakeHost;
let server: HostServer;
const clients: { close(): unknown }[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "xl-socket-"));
  address = join(folder, "own", "host.sock");
  fake = new FakeHost();
  server = await serveSocket(fake.api, address);
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

async function client(): Promise<RemoteHost> {
  const host = await connectSocket(address);
  clients.push(host);
  return host;
}

async function rawClient(): Promise<Socket> {
  const socket = connect(address);
  await once(socket, "connect");
  socket.on("error", () => undefined);
  clients.push({ close: () => socket.destroy() });
  return socket;
}

describe("calls", () => {
  it("carry results, errors with their codes, and bytes", async () => {
    const host = await client();
    expect(host.pid).toBe(process.pid);
    expect(await host.info()).toEqual({ version: "test" });
    await expect(host.domain(DOMID)).rejects.toMatchObject({ code: "no-such-domain", message: "there is no domain 1" });
    await expect(host.list()).rejects.toMatchObject({ code: "internal", message: "broken" });
    expect(await host.dmesg()).toBe("cleared: false");
    expect(await host.dmesg(true)).toBe("cleared: true");
    const kernel = new Uint8Array(3_000_000).map((_, index) => index % 251);
    const config = { name: "a", kernel, ramdisk: bytes("r"), memoryMiB: 1, vcpus: 1, xenstoreData: { $bytes: "x" } };
    expect(await host.create(config, { paused: true })).toBe(DOMID);
    const [[received, options]] = fake.asked as [[DomainConfig, object]];
    expect(Buffer.compare(received.kernel, kernel)).toBe(0);
    expect([{ ...received, kernel: null }, options]).toEqual([{ ...config, kernel: null }, { paused: true }]);
  });

  it("do not wait for each other", async () => {
    const host = await client();
    const waiting = host.waitShutdown(DOMID);
    await host.info();
    fake.emit("shutdown");
    expect(await waiting).toEqual({ reason: "poweroff" });
  });

  it("deliver a dump in order", async () => {
    const host = await client();
    const chunks: string[] = [];
    await host.dumpCore(DOMID, async (chunk) => {
      await new Promise((resolve) => setTimeout(resolve, 5 - chunks.length));
      chunks.push(Buffer.from(chunk).toString());
    });
    expect(chunks).toEqual(["one", "two", "three"]);
  });
});

describe("streams", () => {
  it("two clients share a console; each detaches alone", async () => {
    const heard: [string[], string[]] = [[], []];
    const sessions = await Promise.all(
      heard.map(async (list) =>
        (await client()).attachConsole(DOMID, "pv", (data) => void list.push(Buffer.from(data).toString())),
      ),
    );
    sessions[0]!.write(Buffer.from("ls\n"));
    sessions[1]!.resize(80, 24);
    await once(fake, "typed");
    fake.emit("output", bytes("hello"));
    await expect
      .poll(() => heard)
      .toEqual([
        ["scrollback of pv", "hello"],
        ["scrollback of pv", "hello"],
      ]);
    expect(fake.typed).toEqual(["ls\n"]);
    await expect.poll(() => fake.asked).toEqual([[80, 24]]);
    sessions[0]!.detach();
    await once(fake, "detached");
    fake.emit("output", bytes("!"));
    await expect.poll(() => heard[1]).toEqual(["scrollback of pv", "hello", "!"]);
    expect(heard[0]).toEqual(["scrollback of pv", "hello"]);
  });

  it("end with a client that dies", async () => {
    const host = await client();
    await host.attachConsole(DOMID, "serial", () => undefined);
    await host.xenstoreWatch("/a", () => undefined);
    expect([fake.attached, fake.watches]).toEqual([1, 1]);
    await host.close();
    await expect.poll(() => [fake.attached, fake.watches]).toEqual([0, 0]);
    expect(await (await client()).info()).toEqual({ version: "test" });
  });

  it("long operations tell how far they are, and end when their client says so or is gone", async () => {
    const host = await client();
    const told: number[] = [];
    const tell = ({ doneBytes }: { readonly doneBytes: number }) => {
      told.push(doneBytes);
      return doneBytes < 5;
    };
    await host.imageJob("coalesce", ["short"], tell);
    expect(told).toEqual([0, 1, 2]);
    await expect(host.imageJob("coalesce", ["long"], tell)).rejects.toMatchObject({
      message: "the merge was cancelled",
    });
    expect(told.slice(0, 9)).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 5]);
    const cancelled = once(fake, "cancelled");
    void host.imageJob("convert", ["long", "b.vhd", { kind: "raw" }], () => true).catch(() => undefined);
    await expect.poll(() => fake.asked.length).toBe(3);
    await host.close();
    await cancelled;
    expect(fake.asked.at(-1)).toEqual(["convert", ["long", "b.vhd", { kind: "raw" }]]);
  });

  it("an unknown console is refused", async () => {
    const host = await client();
    await expect(host.attachConsole(DOMID, "vga" as "pv", () => undefined)).rejects.toMatchObject({
      code: "bad-config",
    });
  });

  it("a client learns that the host has ended", async () => {
    const host = await client();
    const waiting = host.waitShutdown(DOMID);
    const ended = expect(waiting).rejects.toThrow("the host has ended");
    await server.close();
    await ended;
    await expect(host.info()).rejects.toThrow("the host has ended");
    server = await serveSocket(fake.api, address);
  });
});

describe("garbage", () => {
  it("costs its sender the connection and nobody else", async () => {
    const host = await client();
    const garbage = [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.from([4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
      Buffer.concat([Buffer.from([7, 0, 0, 0, 3, 0, 0, 0]), Buffer.from("{{{")]),
      Buffer.concat(encodeFrame(null)),
      Buffer.concat(encodeFrame({ id: "x", method: 5 })),
      Buffer.concat([Buffer.from([16, 0, 0, 0, 12, 0, 0, 0]), Buffer.from('{"$bytes":9}')]),
    ];
    for (const sent of garbage) {
      const socket = await rawClient();
      socket.write(sent);
      socket.resume();
      await once(socket, "close");
    }
    expect(await host.info()).toEqual({ version: "test" });
  });

  it("wrong calls get an error and the connection lives", async () => {
    const socket = await rawClient();
    const reader = new FrameReader();
    const replies: unknown[] = [];
    socket.on("data", (chunk: Buffer) => replies.push(...reader.push(chunk)));
    const calls = [
      { id: 1, method: "constructor", params: [] },
      { id: 2, method: "close", params: [] },
      { id: 3, method: "pause", params: ["one"] },
      { id: 4, method: "info", params: [1, 2] },
      { method: "write", params: [99, 1] },
      { id: 5, method: "info", params: [] },
    ];
    for (const call of calls) for (const part of encodeFrame(call)) socket.write(part);
    await expect.poll(() => replies.length).toBe(5);
    const byId = new Map((replies as { id: number }[]).map((reply) => [reply.id, reply]));
    expect(byId.get(1)).toMatchObject({ error: { code: -32601 } });
    expect(byId.get(2)).toMatchObject({ error: { code: -32601 } });
    expect(byId.get(3)).toMatchObject({ error: { code: -32602 } });
    expect(byId.get(4)).toMatchObject({ error: { code: -32602 } });
    expect(byId.get(5)).toMatchObject({ result: { version: "test" } });
  });
});

describe("frames", () => {
  it("come back whole however they are cut", () => {
    const message = fc.record({
      text: fc.string(),
      data: fc.uint8Array({ maxLength: 50 }),
      more: fc.array(fc.uint8Array()),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 30 })), (messages, cuts) => {
        const stream = Buffer.concat(messages.flatMap(encodeFrame));
        const reader = new FrameReader();
        const got: unknown[] = [];
        for (let offset = 0, turn = 0; offset < stream.length; turn++) {
          const end = offset + (cuts[turn % Math.max(1, cuts.length)] ?? stream.length);
          got.push(...reader.push(stream.subarray(offset, end)));
          offset = end;
        }
        expect(got).toEqual(messages);
      }),
    );
  });
});

describe("the socket's place", () => {
  it("is the user's alone", () => {
    expect(statSync(dirname(address)).mode & 0o777).toBe(0o700);
    expect(statSync(address).mode & 0o777).toBe(0o600);
  });

  it("a folder open to others is refused by both ends", async () => {
    const open = join(folder, "open");
    mkdirSync(open);
    chmodSync(open, 0o755);
    await expect(serveSocket(fake.api, join(open, "s"))).rejects.toThrow("is open to others");
    await expect(connectSocket(join(open, "s"))).rejects.toThrow("is open to others");
    symlinkSync(dirname(address), join(folder, "link"));
    expect(() => checkSocketFolder(join(folder, "link", "s"))).toThrow("is not a directory");
  });

  it("a second host is refused, and a dead one's socket is taken over", async () => {
    await expect(serveSocket(fake.api, address)).rejects.toThrow("a host is running already");
    const stale = join(folder, "own", "stale.sock");
    writeFileSync(stale, "");
    const second = await serveSocket(fake.api, stale);
    await second.close();
  });

  it("no host: says how to start one", async () => {
    await expect(connectSocket(join(folder, "own", "none"))).rejects.toMatchObject({
      exitStatus: 2,
      message: 'no host is running: start one with "xl host --detach"',
    });
  });

  it("follows the environment", () => {
    expect(socketAddress({ XENOLITH_SOCKET: "/x/s" })).toBe("/x/s");
    expect(socketAddress({ XDG_RUNTIME_DIR: "/run/user/5" }, "linux")).toBe("/run/user/5/xenolith/host.sock");
    expect(socketAddress({}, "linux")).toMatch(/xenolith-\d+\/host\.sock$/);
    expect(socketAddress({}, "win32")).toMatch(/^\\\\\.\\pipe\\xenolith-/);
  });

  it("is a pipe on Windows, whatever the environment names", () => {
    const named = (name: string): string => socketAddress({ XENOLITH_SOCKET: name }, "win32");
    expect(named("C:\\guests\\host.sock")).toBe("\\\\.\\pipe\\C--guests-host.sock");
    expect(named("\\\\?\\PIPE\\mine")).toBe("\\\\?\\PIPE\\mine");
  });

  it("is refused when its path is too long for the system", () => {
    const path = `/${"x".repeat(106)}`;
    expect(socketAddress({ XENOLITH_SOCKET: path }, "linux")).toBe(path);
    expect(() => socketAddress({ XENOLITH_SOCKET: `${path}x` }, "linux")).toThrow("longer than the 107 bytes");
    expect(() => socketAddress({ XENOLITH_SOCKET: path }, "darwin")).toThrow("longer than the 103 bytes");
    expect(() => socketAddress({ XDG_RUNTIME_DIR: `/run/${"ü".repeat(45)}` }, "linux")).toThrow("set XENOLITH_SOCKET");
  });

  it("something else than a host at the address is told apart", async () => {
    const other = createServer((socket) => socket.end("hello, this is not a host"));
    const path = join(folder, "own", "other.sock");
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await expect(connectSocket(path)).rejects.toThrow("carries no Xenolith protocol");
    other.close();
  });
});
