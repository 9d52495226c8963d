/** What a page can do for a guest's network: names, HTTP by fetch, and the refusal of the rest. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { OutsideError, StreamEvents } from "../outside/index.js";
import { WispClient } from "../relay/index.js";
import { CloseReason, closePacket, continuePacket, PacketType } from "../relay/wisp.js";
import { HttpRequestReader } from "./http-request.js";
import { BrowserOutside } from "./index.js";
import { InventedAddresses } from "./names.js";

const encode = (text: string) => new TextEncoder().encode(text);

class Heard implements StreamEvents {
  isOpen = false;
  isEnded = false;
  text = "";
  closing: (error: OutsideError | null) => void = () => {};
  readonly end = new Promise<OutsideError | null>((resolve) => {
    this.closing = resolve;
  });
  opened(): void {
    this.isOpen = true;
  }
  data(bytes: Uint8Array): void {
    this.text += new TextDecoder("latin1").decode(bytes);
  }
  drained(): void {}
  ended(): void {
    this.isEnded = true;
  }
  closed(error: OutsideError | null): void {
    this.closing(error);
  }
}

describe("names", () => {
  it("have one address each, that leads back to them", () => {
    const names = new InventedAddresses();
    const label = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (labels) => {
        const name = labels.join(".");
        const address = names.addressOf(name)!;
        expect(address).toMatch(/^198\.1[89]\.\d+\.\d+$/);
        expect(names.nameOf(address)).toBe(name);
        expect(names.addressOf(`${name.toUpperCase()}.`)).toBe(address);
      }),
    );
  });

  it("that were asked for long ago are forgotten, and addresses never stand for two", () => {
    const names = new InventedAddresses(3);
    const addresses = ["a", "b", "c", "d"].map((name) => names.addressOf(name)!);
    expect(new Set(addresses).size).toBe(4);
    expect(addresses.map((address) => names.nameOf(address))).toEqual([null, "b", "c", "d"]);
  });

  it.each(["", "a..b", "-a", "a b", "a/b", "x".repeat(64), `${"a.".repeat(127)}ab`])(
    "that are none have none: %j",
    (name) => {
      expect(new InventedAddresses().addressOf(name)).toBeNull();
    },
  );
});

describe("requests", () => {
  const POST = "POST /p?q=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello";

  it("with a long body in small portions are copied no more than a few times", () => {
    const reader = new HttpRequestReader();
    let copied = 0;
    const set = vi.spyOn(Uint8Array.prototype, "set").mockImplementation(function (this: Uint8Array, from, at = 0) {
      copied += from.length;
      for (let n = 0; n < from.length; n++) this[at + n] = from[n]!;
    });
    const bytes = 1 << 18;
    reader.push(encode(`PUT / HTTP/1.1\r\nContent-Length: ${bytes}\r\n\r\n`));
    for (let n = 0; n < bytes; n += 256) {
      expect(reader.next()).toBeNull();
      reader.push(new Uint8Array(256).fill(n >> 8));
    }
    set.mockRestore();
    const request = reader.next();
    expect(request).toMatchObject({ method: "PUT", body: Uint8Array.from({ length: bytes }, (_, n) => n >> 8) });
    expect(copied).toBeLessThan(4 * bytes);
  });

  it("are the same in any portions", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (sizes) => {
        const reader = new HttpRequestReader();
        const bytes = encode(POST);
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          if (at < bytes.length) expect(reader.next()).toBeNull();
          reader.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(reader.next()).toMatchObject({
          method: "POST",
          target: "/p?q=1",
          minor: 1,
          headers: [
            ["Host", "a.example"],
            ["Content-Length", "5"],
            ["X-A", "b"],
          ],
          body: encode("hello"),
        });
        expect(reader.next()).toBeNull();
      }),
    );
  });

  it.each([
    ["GET\r\n\r\n", 400],
    ["GET / HTTP/2\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nno header\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411],
    ["POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413],
    ["x".repeat(65_537), 431],
  ])("that are none are refused: %#", (text, status) => {
    const reader = new HttpRequestReader();
    reader.push(encode(text));
    expect(reader.next()).toMatchObject({ status });
  });
});

describe("a connection to port 80", () => {
  const ask = async (
    fetch: typeof globalThis.fetch,
    request = "GET /x HTTP/1.1\r\nHost: other\r\nAccept: a/b\r\nUser-Agent: w\r\n\r\n",
    scheme: "http" | "https" = "http",
  ) => {
    const outside = new BrowserOutside({ relay: null, fetch, scheme });
    const found = await outside.resolve("host.example", 4);
    const heard = new Heard();
    const stream = outside.openStream(found.kind === "addresses" ? found.addresses[0]! : "", 80, heard);
    stream.write(encode(request));
    return { heard, stream, outside };
  };

  it("is a fetch of the host by its name, and its answer ends with the connection", async () => {
    const fetch = vi.fn(
      async () => new Response("body", { status: 200, headers: { "X-Y": "z", "Content-Encoding": "br" } }),
    );
    const { heard } = await ask(fetch as typeof globalThis.fetch);
    expect(await heard.end).toBeNull();
    expect(heard.isOpen && heard.isEnded).toBe(true);
    expect(heard.text).toMatch(/^HTTP\/1\.1 200\r\n[\s\S]*x-y: z\r\n[\s\S]*Connection: close\r\n\r\nbody$/);
    expect(heard.text).not.toMatch(/content-encoding/i);
    const [url, init] = fetch.mock.calls[0] as unknown as [string, RequestInit];
    expect([url, init.method, init.headers, init.credentials]).toEqual([
      "http://host.example/x",
      "GET",
      [["Accept", "a/b"]],
      "omit",
    ]);
  });

  it("of a page that came by https asks by https", async () => {
    const fetch = vi.fn(async () => new Response(""));
    const { heard } = await ask(fetch as typeof globalThis.fetch, undefined, "https");
    await heard.end;
    expect((fetch.mock.calls[0] as unknown as [string])[0]).toBe("https://host.example/x");
  });

  it("that the page may not make says why, and what to do", async () => {
    const { heard } = await ask(async () => {
      throw new TypeError("Failed to fetch");
    });
    await heard.end;
    expect(heard.text).toMatch(/^HTTP\/1\.1 502 [\s\S]*CORS[\s\S]*xl relay/);
  });

  it("stops the body while the guest reads no more", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (pulled++ === 100) controller.close();
          else controller.enqueue(encode("x".repeat(1000)));
        },
      },
      { highWaterMark: 0 },
    );
    const { heard, stream } = await ask(async () => new Response(body));
    stream.pauseReading();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve));
    expect(pulled).toBeLessThan(3);
    stream.resumeReading();
    expect(await heard.end).toBeNull();
    expect(heard.text.split("\r\n\r\n")[1]).toHaveLength(100_000);
  });

  it("keeps nothing of what comes after its request", async () => {
    let reads = 0;
    let answer: (response: Response) => void = () => {};
    const { heard, stream } = await ask(() => new Promise((resolve) => (answer = resolve)));
    const more = new Proxy(new Uint8Array(1), {
      get(target, key) {
        reads++;
        return Reflect.get(target, key, target);
      },
    });
    expect(stream.write(more)).toBe(true);
    expect(reads).toBe(0);
    answer(new Response("x"));
    expect(await heard.end).toBeNull();
  });

  it("is reset when the body breaks off", async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(encode("part"));
        controller.error(new Error("gone"));
      },
    });
    const { heard } = await ask(async () => new Response(body));
    expect(await heard.end).toBe("reset");
  });
});

describe("datagrams by a relay", () => {
  it("go on by another stream after the relay ended one that was idle", async () => {
    const sent: number[][] = [];
    let hear: (message: Uint8Array) => void = () => {};
    const relay = new WispClient((listener) => {
      hear = (message) => listener.message(message);
      return { send: (message) => void sent.push([message[0]!, message[1]!]), close: () => {} };
    });
    const outside = new BrowserOutside({ relay, fetch: globalThis.fetch, scheme: "http" });
    const socket = outside.openDatagrams(4, { data: () => {}, failed: () => {} })!;
    socket.send("192.0.2.1", 53, Uint8Array.of(1));
    hear(continuePacket(0, 128));
    hear(closePacket(1, CloseReason.VOLUNTARY));
    socket.send("192.0.2.1", 53, Uint8Array.of(2));
    expect(sent).toEqual([
      [PacketType.CONNECT, 1],
      [PacketType.DATA, 1],
      [PacketType.CONNECT, 2],
      [PacketType.DATA, 2],
    ]);
  });
});

describe("without a relay", () => {
  const outside = new BrowserOutside({ relay: null, fetch: globalThis.fetch, scheme: "http" });

  it("other ports refuse, there are no datagrams, and people are told", async () => {
    const heard = new Heard();
    outside.openStream("192.0.2.1", 443, heard);
    expect(await heard.end).toBe("refused");
    expect(outside.openDatagrams(4, { data: () => {}, failed: () => {} })).toBeNull();
    expect(outside.limits).toMatch(/xl relay/);
    await expect(outside.listen()).rejects.toThrow(/cannot listen/);
  });
});
