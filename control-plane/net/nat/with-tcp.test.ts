/** The network with its real TCP: the name server over TCP, a connection to the world, a forwarded port. */
import { expect, it } from "vitest";
import { parseIp, parseMac } from "../addresses.js";
import { sumBytes } from "../sum.js";
import { checksumOf, sumPseudoHeader } from "./codec/checksum.js";
import { writeIpv4 } from "./codec/ipv4.js";
import { putU16, putU32, u32 } from "./codec/numbers.js";
import { Tcp } from "./index.js";
import { type Bench, bench, bytesOfHex, FakeStream } from "./testing/fakes.js";
import { FRAMES } from "./testing/frames.js";

const GUEST = parseIp("10.0.2.15")!;
const SYN = 2;
const PUSH_ACK = 0x18;
const ACK = 0x10;
const TCP_AT = 34;

/** A segment of the guest's port 1000 in a frame, all checksums right. */
function segment(
  to: string,
  port: number,
  flags: number,
  sequence: number,
  ack: number,
  data = new Uint8Array(0),
): Uint8Array {
  const destination = parseIp(to)!;
  const frame = new Uint8Array(TCP_AT + 20 + data.length);
  frame.set(bytesOfHex(FRAMES.udp).subarray(0, 14));
  writeIpv4(frame, 14, { source: GUEST, destination, protocol: 6 }, 20 + data.length);
  putU16(frame, TCP_AT, 1000);
  putU16(frame, TCP_AT + 2, port);
  putU32(frame, TCP_AT + 4, sequence);
  putU32(frame, TCP_AT + 8, ack);
  frame[TCP_AT + 12] = 0x50;
  frame[TCP_AT + 13] = flags;
  putU16(frame, TCP_AT + 14, 60_000);
  frame.set(data, TCP_AT + 20);
  const pseudo = sumPseudoHeader(GUEST, destination, 6, 20 + data.length);
  putU16(frame, TCP_AT + 16, checksumOf(pseudo + sumBytes(frame, TCP_AT, frame.length)));
  return frame;
}

const flagsOf = (frame: Uint8Array): number => frame[TCP_AT + 13]!;
const dataOf = (frame: Uint8Array): Uint8Array => frame.subarray(TCP_AT + (frame[TCP_AT + 12]! >>> 4) * 4);
/** Whether the checksums of IP and TCP are right. */
function isGood(frame: Uint8Array): boolean {
  const pseudo = sumPseudoHeader(frame.subarray(26, 30), frame.subarray(30, 34), 6, frame.length - TCP_AT);
  return (
    checksumOf(sumBytes(frame, 14, TCP_AT)) === 0 && checksumOf(pseudo + sumBytes(frame, TCP_AT, frame.length)) === 0
  );
}
const settled = async (b: Bench, sent: Uint8Array[]): Promise<Uint8Array[]> => [...sent, ...(await b.later())];

it("answers a question to the name server over TCP", async () => {
  const b = bench({}, (parts) => new Tcp(parts));
  b.outside.resolution = () => Promise.resolve({ kind: "addresses", addresses: ["192.0.2.7"], ttlSeconds: 60 });
  const [opened] = await settled(b, b.send(segment("10.0.2.3", 53, SYN, 100, 0)));
  expect([flagsOf(opened!), isGood(opened!)]).toEqual([SYN | ACK, true]);
  const next = u32(opened!, TCP_AT + 4) + 1;
  const query = bytesOfHex(FRAMES.dnsA).subarray(42);
  const data = Uint8Array.of(0, query.length, ...query);
  b.send(segment("10.0.2.3", 53, ACK, 101, next));
  const answers = await settled(b, b.send(segment("10.0.2.3", 53, PUSH_ACK, 101, next, data)));
  const answer = answers.find((frame) => dataOf(frame).length > 0)!;
  expect(isGood(answer)).toBe(true);
  expect([...dataOf(answer).slice(-4)]).toEqual([192, 0, 2, 7]);
  expect(b.nat.stats().tcpConnections).toBe(1);
  b.nat.close();
  expect([b.nat.stats().tcpConnections, b.timers.pending]).toEqual([0, 0]);
});

it("refuses other ports of the name server, and what is nowhere, with a reset", async () => {
  const b = bench({}, (parts) => new Tcp(parts));
  for (const [to, port] of [
    ["10.0.2.3", 80],
    ["169.254.169.254", 80],
    ["127.0.0.1", 22],
  ] as const) {
    const sent = await settled(b, b.send(segment(to, port, SYN, 100, 0)));
    expect([to, sent.map((frame) => flagsOf(frame) & 4)]).toEqual([to, [4]]);
  }
  expect(b.outside.streams).toEqual([]);
});

it("opens a stream outside, and one to the guest for a forwarded port", async () => {
  const b = bench({}, (parts) => new Tcp(parts));
  await settled(b, b.send(segment("192.0.2.1", 80, SYN, 100, 0)));
  await settled(b, b.send(segment("10.0.2.2", 8000, SYN, 100, 0)));
  expect(b.outside.streams).toEqual(["192.0.2.1 80", "127.0.0.1 8000"]);
  await b.nat.forward({ protocol: "tcp", hostPort: 2222, guestPort: 22 }, () =>
    b.nat.addressOf(parseMac("02:00:00:00:00:0a")!),
  );
  b.wire.take();
  b.outside.accepted!(new FakeStream(), { address: "127.0.0.1", port: 40_000 });
  const [syn] = await settled(b, []);
  expect([flagsOf(syn!), syn!.subarray(26, 30).join("."), isGood(syn!)]).toEqual([SYN, "10.0.2.2", true]);
});
