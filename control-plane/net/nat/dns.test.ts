import { describe, expect, it } from "vitest";
import type { Resolution, StreamEvents } from "../outside/index.js";
import { DNS_PORT } from "./codec/dns.js";
import { decodeName, encodeName } from "./codec/names.js";
import { bench, bytesOfHex, FakeStream, hexOf } from "./testing/fakes.js";
import { FRAMES } from "./testing/frames.js";

const addresses = (list: readonly string[], ttlSeconds: number): Promise<Resolution> =>
  Promise.resolve({ kind: "addresses", addresses: list, ttlSeconds });
const kind = (k: "none" | "no-such-name" | "failed") => (): Promise<Resolution> => Promise.resolve({ kind: k });
const DNS_AT = 42;
/** A query in a frame with another name; its checksum is left out. */
function asking(name: string, frame: string = FRAMES.dnsA): Uint8Array {
  const head = bytesOfHex(frame).subarray(0, DNS_AT + 12);
  const question = [...encodeName(name)!, 0, 1, 0, 1];
  const bytes = Uint8Array.of(...head, ...question);
  const put = (at: number, value: number): void => bytes.set([value >>> 8, value & 255], at);
  put(16, bytes.length - 14);
  put(38, bytes.length - 34);
  put(40, 0);
  put(24, 0);
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  put(24, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  return bytes;
}
const codeOf = (frame: Uint8Array): number => frame[DNS_AT + 3]! & 15;

describe("the name server", () => {
  it("answers with the host's addresses, byte for byte what another implementation makes", async () => {
    const { send, later, outside } = bench();
    outside.resolution = (_, family) =>
      family === 4 ? addresses(["192.0.2.7", "192.0.2.8"], 300) : addresses(["2001:db8::7"], 9);
    send(FRAMES.dnsA);
    expect((await later()).map(hexOf)).toEqual([FRAMES.dnsAAnswer]);
    send(FRAMES.dnsAaaaEdns);
    expect((await later()).map(hexOf)).toEqual([FRAMES.dnsAaaaEdnsAnswer]);
    expect(outside.asked).toEqual(["www.example.org 4", "www.example.org 6"]);
    outside.name = (address) => Promise.resolve(address === "192.0.2.7" ? "www.example.org" : null);
    send(FRAMES.dnsPtr);
    expect((await later()).map(hexOf)).toEqual([FRAMES.dnsPtrAnswer]);
  });

  it("says when there is no such name, no such record, no answer, and what it does not know", async () => {
    const { send, later, outside } = bench();
    outside.resolution = kind("no-such-name");
    send(FRAMES.dnsA);
    expect((await later()).map(hexOf)).toEqual([FRAMES.dnsNoName]);
    outside.resolution = kind("failed");
    send(asking("other.example.org"));
    expect((await later()).map(codeOf)).toEqual([2]);
    outside.resolution = kind("none");
    send(asking("third.example.org"));
    const [nothing] = await later();
    expect([codeOf(nothing!), nothing![DNS_AT + 7]]).toEqual([0, 0]);
    expect(send(FRAMES.dnsMx).map(hexOf)).toEqual([FRAMES.dnsMxAnswer]);
    const hints = bytesOfHex(FRAMES.dnsA);
    hints[hints.length - 3] = 65;
    hints.fill(0, 40, 42);
    expect(send(hints).map(codeOf)).toEqual([0]);
  });

  it("remembers an answer as long as it is good, and the absence of one for a little", async () => {
    const { send, later, outside, timers } = bench();
    outside.resolution = () => addresses(["192.0.2.7"], 300);
    send(FRAMES.dnsA);
    await later();
    timers.advance(100_000);
    const [cached] = send(FRAMES.dnsA);
    expect(cached!.slice(-8, -6)).toEqual(Uint8Array.of(0, 200));
    timers.advance(201_000);
    expect(send(FRAMES.dnsA)).toEqual([]);
    await later();
    outside.resolution = kind("no-such-name");
    send(asking("gone.example.org"));
    await later();
    expect(send(asking("gone.example.org")).map(codeOf)).toEqual([3]);
    expect(outside.asked.length).toBe(3);
  });

  it("cuts an answer that does not fit, and says so", async () => {
    const { send, later, outside } = bench();
    const many = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`);
    outside.resolution = () => addresses(many, 60);
    send(FRAMES.dnsA);
    const [cut] = await later();
    expect([cut!.length <= DNS_AT + 512, (cut![DNS_AT + 2]! & 2) !== 0, cut![DNS_AT + 7]]).toEqual([true, true, 29]);
  });

  it("lets no name near the host's resolver that is none", async () => {
    const { send, outside } = bench();
    for (const name of ["a b.example", "a\u0000b.example", "$(reboot).example", "a/b"]) {
      expect(send(asking(name)).map(codeOf)).toEqual([3]);
    }
    // "a.b" as one label.
    const dotted = asking("aXb.example");
    dotted[DNS_AT + 12 + 2] = 0x2e;
    expect(send(dotted).map(codeOf)).toEqual([3]);
    expect(outside.asked).toEqual([]);
  });

  it("ignores what an outside says that makes no sense", async () => {
    const { send, later, outside } = bench();
    outside.resolution = () => addresses(["2001:db8::1", "nonsense", "192.0.2.7", "192.0.2.300"], Number.NaN);
    send(FRAMES.dnsA);
    const [answer] = await later();
    expect([codeOf(answer!), answer![DNS_AT + 7]]).toEqual([0, 1]);
    outside.resolution = () => Promise.reject(new Error("no"));
    send(asking("other.example"));
    expect((await later()).map(codeOf)).toEqual([2]);
  });

  it("gives up a silent server, and holds a bounded number of questions to it", async () => {
    const { send, outside, timers, wire, nat, later } = bench({
      limits: { lookups: 10, lookupsPerGuest: 6, waitersPerLookup: 2 },
    });
    outside.resolution = () => new Promise(() => undefined);
    send(FRAMES.dnsA);
    send(FRAMES.dnsA);
    expect(send(FRAMES.dnsA).map(codeOf)).toEqual([2]);
    expect(outside.asked.length).toBe(1);
    timers.advance(8001);
    expect(
      wire
        .take()
        .filter((f) => f[12] === 8)
        .map(hexOf),
    ).toEqual([FRAMES.dnsServfail, FRAMES.dnsServfail]);
    for (let i = 0; i < 100; i++) {
      send(asking(`n${i}.example`));
      timers.advance(9000);
    }
    expect([outside.asked.length, nat.stats().dnsLookups]).toEqual([10, 10]);
    expect((await later()).every((f) => f[12] !== 8 || codeOf(f) === 2)).toBe(true);
  });

  it("remembers a bounded number of names", async () => {
    const { send, later, outside, nat } = bench({ limits: { cachedNames: 20 } });
    outside.resolution = () => addresses(["192.0.2.7"], 1e9);
    for (let i = 0; i < 100; i++) {
      send(asking(`n${i}.example`));
      await later();
    }
    expect(nat.stats().dnsNames).toBe(20);
  });

  it("answers malformed questions with that, and answers not at all", () => {
    const { send } = bench();
    const frame = bytesOfHex(FRAMES.dnsA);
    const pointer = frame.slice();
    pointer.set([0xc0, 0x0c], DNS_AT + 12);
    pointer.fill(0, 40, 42);
    expect(send(pointer).map(codeOf)).toEqual([1]);
    const two = frame.slice();
    two[DNS_AT + 5] = 2;
    two.fill(0, 40, 42);
    expect(send(two).map(codeOf)).toEqual([1]);
    const update = frame.slice();
    update[DNS_AT + 2] = 0x28;
    update.fill(0, 40, 42);
    expect(send(update).map(codeOf)).toEqual([4]);
    const response = frame.slice();
    response[DNS_AT + 2]! |= 0x80;
    response.fill(0, 40, 42);
    expect(send(response)).toEqual([]);
    const version = bytesOfHex(FRAMES.dnsAaaaEdns);
    version[version.length - 5] = 1;
    version.fill(0, 40, 42);
    const [bad] = send(version);
    expect([codeOf(bad!), bad![bad!.length - 6]]).toEqual([0, 1]);
  });
});

describe("DNS over TCP", () => {
  const QUERY = bytesOfHex(FRAMES.dnsA).subarray(DNS_AT);
  const LENGTH = Uint8Array.of(0, QUERY.length);

  function open() {
    const b = bench();
    const heard: string[] = [];
    const events: StreamEvents = {
      opened: () => heard.push("opened"),
      data: (bytes) => heard.push(`data ${bytes.length} ${(bytes[0]! << 8) | bytes[1]!} ${bytes[5]! & 15}`),
      drained: () => heard.push("drained"),
      ended: () => heard.push("ended"),
      closed: (error) => heard.push(`closed ${error}`),
    };
    const stream = b.tcp.parts.outside.openStream("10.0.2.3", DNS_PORT, events);
    return { ...b, heard, stream, events };
  }

  it("answers each question, however it is cut, and ends when the guest does", async () => {
    const { stream, heard, outside, later } = open();
    outside.resolution = () =>
      addresses(
        Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`),
        60,
      );
    const both = Uint8Array.of(...LENGTH, ...QUERY, ...LENGTH, ...QUERY);
    for (const byte of both) stream.write(Uint8Array.of(byte));
    stream.end();
    await later();
    const length = QUERY.length + 200 * 16;
    expect(heard).toEqual([
      "opened",
      `data ${length + 2} ${length} 0`,
      `data ${length + 2} ${length} 0`,
      "ended",
      "closed null",
    ]);
  });

  it("resets who sends what is no question, or one without end", async () => {
    for (const bytes of [Uint8Array.of(0, 3, 1, 2, 3), Uint8Array.of(0xff, 0xff, 0)]) {
      const { stream, heard, later } = open();
      stream.write(bytes);
      await later();
      expect(heard).toEqual(["opened", "closed reset"].filter((h) => heard.includes(h)));
      expect(heard.at(-1)).toBe("closed reset");
    }
  });

  it("holds back who asks more than is answered", async () => {
    const { stream, outside, later, heard } = open();
    outside.resolution = () => new Promise(() => undefined);
    let isRoom = true;
    let written = 0;
    for (; isRoom && written < 10_000; written++) isRoom = stream.write(Uint8Array.of(...LENGTH, ...QUERY));
    expect(written).toBeLessThan(200);
    stream.abort();
    await later();
    expect(heard).toEqual(["closed null"]);
  });

  it("keeps answers while the guest takes none", async () => {
    const { stream, outside, later, heard } = open();
    outside.resolution = kind("none");
    stream.pauseReading();
    stream.write(Uint8Array.of(...LENGTH, ...QUERY));
    await later();
    expect(heard).toEqual(["opened"]);
    stream.resumeReading();
    expect(heard.length).toBe(2);
  });

  it("is at no other port, and everything else is outside", async () => {
    const { tcp, outside, events, heard, later } = open();
    await later();
    heard.length = 0;
    expect(tcp.parts.outside.openStream("10.0.2.3", 80, events)).not.toBeInstanceOf(FakeStream);
    await later();
    expect(heard).toEqual(["closed refused"]);
    tcp.parts.outside.openStream("192.0.2.1", 53, events);
    expect(outside.streams).toEqual(["192.0.2.1 53"]);
  });
});

describe("names", () => {
  it("are labels with lengths", () => {
    expect(hexOf(encodeName("www.example.org")!)).toBe("03777777076578616d706c65036f726700");
    expect(encodeName("")).toEqual(Uint8Array.of(0));
    for (const wrong of [
      "a..b",
      ".a",
      "x".repeat(64),
      Array.from({ length: 9 }, () => "y".repeat(30)).join("."),
      "ü€",
    ]) {
      expect(encodeName(wrong)).toBeNull();
    }
    expect(decodeName(Uint8Array.of(1, 0x61, 0, 9), 0)).toEqual({ labels: ["a"], next: 3 });
    for (const wrong of [[1], [64], [2, 0x61], [0xc0, 0], [1, 0x61], Array.from({ length: 300 }, () => 1)]) {
      expect(decodeName(Uint8Array.from(wrong), 0)).toBeNull();
    }
  });
});
