import * as dgram from "node:dgram";
import * as dns from "node:dns";
import { afterEach, describe, expect, it, vi } from "vitest";
import { NodeNames } from "./node-names.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const RESPONSE = 0x81;
const NO_NAME = 3;

/** A name server that answers every question by `make`, given the question's bytes; null is silence. */
async function namesFrom(make: (query: Buffer) => Buffer | null): Promise<NodeNames> {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (query, from) => {
    const answer = make(query);
    if (answer !== null) socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
  const names = new NodeNames([`127.0.0.1:${socket.address().port}`]);
  closers.push(() => {
    names.close();
    socket.close();
  });
  return names;
}

/** The query as a response with `code`, and records of data with their times to live. */
function response(
  query: Buffer,
  code: number,
  type: number,
  records: readonly [ttl: number, data: readonly number[]][],
): Buffer {
  const question = query.subarray(12, query.indexOf(0, 12) + 5);
  const head = Buffer.from([query[0]!, query[1]!, RESPONSE, 0x80 | code, 0, 1, 0, records.length, 0, 0, 0, 0]);
  const answers = records.map(([ttl, data]) =>
    Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, ttl >>> 8, ttl & 255, 0, data.length, ...data]),
  );
  return Buffer.concat([head, question, ...answers]);
}

it("tells addresses with the least time to live", async () => {
  const names = await namesFrom((query) =>
    response(query, 0, 1, [
      [600, [192, 0, 2, 7]],
      [60, [192, 0, 2, 8]],
    ]),
  );
  expect(await names.resolve("www.example.org", 4)).toEqual({
    kind: "addresses",
    addresses: ["192.0.2.7", "192.0.2.8"],
    ttlSeconds: 60,
  });
});

it("tells a name that is not there from one without such a record", async () => {
  const names = await namesFrom((query) => response(query, query.includes("gone") ? NO_NAME : 0, 28, []));
  expect(await names.resolve("gone.example.org", 6)).toEqual({ kind: "no-such-name" });
  expect(await names.resolve("here.example.org", 6)).toEqual({ kind: "none" });
});

it("finds names of addresses", async () => {
  const host = [3, ...Buffer.from("www"), 7, ...Buffer.from("example"), 3, ...Buffer.from("org"), 0];
  const names = await namesFrom((query) => response(query, 0, 12, [[60, host]]));
  expect(await names.reverse("192.0.2.7")).toBe("www.example.org");
  const none = await namesFrom((query) => response(query, NO_NAME, 12, []));
  expect(await none.reverse("192.0.2.7")).toBeNull();
});

it("asks the system for both families of a local name at once, and a name with one of them is there", async () => {
  const lookup = vi.spyOn(dns.promises, "lookup").mockImplementation((async (
    name: string,
    options: dns.LookupOptions,
  ) => {
    if (name === "gone.lan" || options.family === 6) throw Object.assign(new Error("gone"), { code: "ENOTFOUND" });
    return [{ address: "192.0.2.7", family: 4 }];
  }) as unknown as typeof dns.promises.lookup);
  closers.push(() => lookup.mockRestore());
  const names = new NodeNames();
  const both = (name: string) => Promise.all([names.resolve(name, 4), names.resolve(name, 6)]);
  expect(await both("printer.lan")).toEqual([
    { kind: "addresses", addresses: ["192.0.2.7"], ttlSeconds: 60 },
    { kind: "none" },
  ]);
  expect(await names.resolve("printer.lan", 6)).toEqual({ kind: "none" });
  expect(await both("gone.lan")).toEqual([{ kind: "no-such-name" }, { kind: "no-such-name" }]);
  expect(lookup).toHaveBeenCalledTimes(3);
});

describe("several local names at once", () => {
  /** The system's resolver, which answers when the test says so. */
  function heldLookups() {
    const asked: string[] = [];
    const waiting: (() => void)[] = [];
    const lookup = vi.spyOn(dns.promises, "lookup").mockImplementation(((name: string) => {
      asked.push(name);
      return new Promise((resolve) => {
        waiting.push(() => resolve([{ address: `192.0.2.${asked.length}`, family: 4 }]));
      });
    }) as unknown as typeof dns.promises.lookup);
    closers.push(() => lookup.mockRestore());
    const names = new NodeNames();
    closers.push(() => names.close());
    return { names, asked, answer: () => waiting.shift()!() };
  }
  const found = (last: number) => ({ kind: "addresses", addresses: [`192.0.2.${last}`], ttlSeconds: 60 });

  it("are asked for one after the other", async () => {
    const { names, asked, answer } = heldLookups();
    const both = ["a.lan", "b.lan"].map((name) => names.resolve(name, 4));
    expect(asked).toEqual(["a.lan"]);
    answer();
    expect(await both[0]).toEqual(found(1));
    expect(asked).toEqual(["a.lan", "b.lan"]);
    answer();
    expect(await both[1]).toEqual(found(2));
    const third = names.resolve("c.lan", 4);
    answer();
    expect(await third).toEqual(found(3));
  });

  it("wait no longer for their turn than a guest does, and not after the end", async () => {
    vi.useFakeTimers();
    closers.push(() => vi.useRealTimers());
    const { names, asked, answer } = heldLookups();
    const first = names.resolve("a.lan", 4);
    const late = names.resolve("b.lan", 4);
    await vi.advanceTimersByTimeAsync(4000);
    expect(await late).toEqual({ kind: "failed" });
    const cut = names.resolve("c.lan", 4);
    const many = Array.from({ length: 128 }, (_, n) => names.resolve(`n${n}.lan`, 4));
    expect(await many.at(-1)).toEqual({ kind: "failed" });
    names.close();
    expect(await cut).toEqual({ kind: "failed" });
    expect(vi.getTimerCount()).toBe(0);
    answer();
    expect(await first).toEqual(found(1));
    expect(asked).toEqual(["a.lan"]);
  });
});

it("is done with a server that is silent when it is closed", async () => {
  const names = await namesFrom(() => null);
  const asked = names.reverse("192.0.2.7");
  names.close();
  expect(await asked).toBeNull();
});
