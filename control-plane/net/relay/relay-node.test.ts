/** A relay and a client on real sockets. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Outside, OutsideError, OutsideStream, StreamEvents } from "../outside/index.js";
import { WispClient } from "./index.js";
import { messageSocket, type Relay, type RelayOptions, serveRelay } from "./relay-node.js";
import { echoOutside } from "./testing/echo-outside.js";

let relay: Relay | undefined;
afterEach(async () => {
  await relay?.close();
  relay = undefined;
});

function clientOf(url: string): WispClient {
  return new WispClient((listener) => {
    const ws = new WebSocket(url);
    ws.binaryType = "nodebuffer";
    ws.on("open", () => listener.opened());
    ws.on("message", (data) => listener.message(new Uint8Array(data as Buffer)));
    ws.on("error", () => {});
    ws.on("close", () => listener.closed());
    return messageSocket(ws);
  });
}

class Heard implements StreamEvents {
  readonly got: Uint8Array[] = [];
  onOpen: () => void = () => {};
  onEnd = () => {};
  onDrain = () => {};
  onClose: (error: OutsideError | null) => void = () => {};
  readonly open = new Promise<void>((resolve) => {
    this.onOpen = resolve;
  });
  readonly end = new Promise<OutsideError | null>((resolve) => {
    this.onClose = resolve;
  });
  opened(): void {
    this.onOpen();
  }
  data(bytes: Uint8Array): void {
    this.got.push(bytes);
  }
  drained(): void {
    this.onDrain();
  }
  ended(): void {
    this.onEnd();
  }
  closed(error: OutsideError | null): void {
    this.onClose(error);
  }
}

const start = async (options: Partial<RelayOptions> = {}, outside: () => Outside = echoOutside) => {
  relay = await serveRelay({ host: "127.0.0.1", port: 0, ...options }, outside);
  return relay;
};

describe("a relay", () => {
  it("carries megabytes there and back, and both ends of a stream", { timeout: 30_000 }, async () => {
    const client = clientOf((await start()).url);
    const heard = new Heard();
    const stream: OutsideStream = client.openStream("192.0.2.1", 7, heard);
    const chunk = new Uint8Array(50_000).map((_, n) => n * 31);
    const ended = new Promise<void>((resolve) => {
      heard.onEnd = resolve;
    });
    for (let n = 0; n < 200; n++) {
      if (!stream.write(chunk.slice())) await new Promise<void>((resolve) => (heard.onDrain = resolve));
    }
    stream.end();
    await ended;
    expect(Buffer.concat(heard.got).equals(Buffer.concat(Array(200).fill(chunk)))).toBe(true);
    stream.abort();
    client.close();
  });

  it("wants its token, and pages of its origins", async () => {
    const { port, url } = await start({ token: "s3cret", origins: ["https://good.example"] });
    const status = (address: string, origin?: string) =>
      new Promise<number>((resolve) => {
        const ws = new WebSocket(address, origin === undefined ? {} : { origin });
        ws.on("unexpected-response", (_, response) => resolve(response.statusCode!));
        ws.on("open", () => {
          ws.close();
          resolve(101);
        });
        ws.on("error", () => {});
      });
    expect(await status(`ws://127.0.0.1:${port}/`)).toBe(401);
    expect(await status(url, "https://bad.example")).toBe(403);
    expect(await status(url, "https://good.example")).toBe(101);
    expect(await status(url)).toBe(101);
  });

  it("is for pages of this computer unless others are named", async () => {
    const { url } = await start();
    const allowed = (origin: string) =>
      new Promise<boolean>((resolve) => {
        const ws = new WebSocket(url, { origin });
        ws.on("open", () => {
          ws.close();
          resolve(true);
        });
        ws.on("error", () => resolve(false));
      });
    const origins = [
      "http://localhost:8000",
      "https://127.0.0.1",
      "http://[::1]:1",
      "https://evil.example",
      "http://localhost.evil.example",
    ];
    expect(await Promise.all(origins.map(allowed))).toEqual([true, true, true, false, false]);
  });

  it("outlives a page that is turned away and does not wait to hear why", async () => {
    const { port, url } = await start({ origins: [] });
    const request = ["GET / HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade", "Origin: http://b"];
    for (let n = 0; n < 20; n++) {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.write(`${[...request, "", ""].join("\r\n")}`);
      socket.resetAndDestroy();
      await once(socket, "close");
    }
    const client = clientOf(url);
    const heard = new Heard();
    client.openStream("192.0.2.1", 7, heard);
    await heard.open;
    client.close();
  });

  it("says that its port is taken", async () => {
    const other = createServer((socket: Socket) => socket.end());
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await expect(serveRelay({ host: "127.0.0.1", port }, echoOutside)).rejects.toThrow(/is taken: choose another/);
    await new Promise((resolve) => other.close(resolve));
  });

  it("ends the streams of a client that is gone", async () => {
    const outsides: ReturnType<typeof echoOutside>[] = [];
    const { url } = await start({}, () => {
      const outside = echoOutside();
      outsides.push(outside);
      return outside;
    });
    const client = clientOf(url);
    const heard = new Heard();
    client.openStream("192.0.2.1", 7, heard);
    await heard.open;
    expect(outsides[0]!.open).toBe(1);
    client.close();
    expect(await heard.end).toBe("reset");
    await expect.poll(() => outsides[0]!.open).toBe(0);
  });
});
