import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MachineMemory } from "../../core-link/index.js";
import { GsoType, MOST_FRAGMENTS, Packet } from "../packet.js";
import { fold, sumBytes, sumView } from "../sum.js";
import { be16, build, type Frame, hex, isWhole, slowSum } from "../testing/frames.js";
import {
  completedChecksum,
  DEFAULT_KEY,
  Headers,
  parseHeaders,
  pseudoSum,
  Segmenter,
  TOEPLITZ_KEY_BYTES,
  Toeplitz,
} from "./index.js";

function wrapped(bytes: Uint8Array): Packet {
  const packet = new Packet(null);
  packet.wrap(bytes);
  return packet;
}

/** The same frame in pieces of machine memory. */
function scattered(bytes: Uint8Array, pieces: readonly number[]): Packet {
  const buffer = new SharedArrayBuffer(1 << 20);
  const memory = new MachineMemory({ buffer, grow: () => 0 });
  const packet = new Packet(memory);
  packet.begin();
  let from = 0;
  let address = 5;
  for (const piece of [...pieces, bytes.length]) {
    const count = Math.min(piece, bytes.length - from);
    memory.write(address, bytes.subarray(from, from + count));
    packet.add(address, count);
    from += count;
    address += count + 97;
  }
  packet.seal();
  return packet;
}

function parsed(packet: Packet): Headers {
  const headers = new Headers();
  parseHeaders(packet, headers);
  return headers;
}

function bytesOf(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(packet.length);
  packet.copyTo(bytes, 0, 0, packet.length);
  return bytes;
}

describe("the sum", () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 300 });

  it("is that of the example in RFC 1071", () => {
    expect(sumBytes(hex("0001 f203 f4f5 f6f7"), 0, 8)).toBe(0xddf2);
  });

  it("is the slow one's, at any place and length", () => {
    fc.assert(
      fc.property(bytes, fc.nat(20), (data, from) => {
        const expected = slowSum([...data.subarray(from)]);
        const to = Math.max(data.length, from);
        expect(sumBytes(data, from, to)).toBe(expected);
        expect(sumView(new DataView(data.buffer, data.byteOffset, data.length), from, to)).toBe(expected);
      }),
    );
  });

  it("holds the largest there is", () => {
    const most = new Uint8Array(65553).fill(255);
    expect(sumBytes(most, 0, most.length)).toBe(slowSum([...most]));
    expect(sumView(new DataView(most.buffer), 0, most.length)).toBe(slowSum([...most]));
    expect(fold(0xffffffff)).toBe(0xffff);
  });

  it("goes across header and fragments", () => {
    const pieces = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 12 });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 1200 }),
        pieces,
        fc.nat(1200),
        fc.nat(1200),
        (data, cut, a, b) => {
          const from = Math.min(a, b, data.length);
          const to = Math.min(Math.max(a, b), data.length);
          const expected = slowSum([...data.subarray(from, to)]);
          expect(scattered(data, cut).sum(from, to)).toBe(expected);
          expect(wrapped(data).sum(from, to)).toBe(expected);
        },
      ),
    );
  });
});

describe("a packet", () => {
  it("is copied from where it lies, whole and in parts", () => {
    const pieces = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 12 });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 1500 }),
        pieces,
        fc.nat(1500),
        fc.nat(1500),
        (data, cut, a, b) => {
          const from = Math.min(a, b, data.length);
          const to = Math.min(Math.max(a, b), data.length);
          const memory = new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 0 });
          for (const packet of [scattered(data, cut), wrapped(data)]) {
            const copy = new Uint8Array(3 + to - from);
            packet.copyTo(copy, 3, from, to - from);
            expect(copy.subarray(3)).toEqual(data.subarray(from, to));
          }
          const source = scattered(data, cut);
          wrapped(data).copyToMachine(memory, 33, from, to - from);
          expect(memory.copy(33, to - from)).toEqual(data.slice(from, to));
          expect(bytesOf(source)).toEqual(data);
        },
      ),
    );
  });

  it("keeps the header that it had when it was looked at", () => {
    const memory = new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 0 });
    memory.fill(4096, 1000, 7);
    const packet = new Packet(memory);
    packet.begin();
    packet.add(4096, 1000);
    packet.seal();
    memory.fill(4096, 1000, 9);
    packet.copyToMachine(memory, 8192, 0, 1000);
    expect([memory.u8(8192), memory.u8(8192 + 159), memory.u8(8192 + 160)]).toEqual([7, 7, 9]);
  });

  it("has an end: no more fragments, no more bytes than a frame may have", () => {
    const packet = new Packet(null);
    packet.begin();
    for (let i = 0; i < MOST_FRAGMENTS; i++) expect(packet.add(0, 10)).toBe(true);
    expect(packet.add(0, 1)).toBe(false);
    packet.begin();
    expect([packet.add(0, 65553), packet.add(0, 1)]).toEqual([true, false]);
  });
});

describe("headers", () => {
  it("are found behind tags and options", () => {
    const headers = parsed(
      wrapped(build({ family: 4, vlan: 0x6123, ports: [53, 9], protocol: 17, payload: [1, 2, 3] })),
    );
    expect(headers).toMatchObject({ vlan: 0x123, l3: 18, l4: 38, family: 4, protocol: 17, sourcePort: 53, end: 49 });
    expect(headers).toMatchObject({ destinationPort: 9, payload: 46, checksum: 44 });
    expect(parsed(wrapped(build({ family: 6 })))).toMatchObject({ l3: 14, l4: 54, family: 6, payload: 86 });
  });

  it("of IPv6 are found behind extensions", () => {
    const plain = build({ family: 6 });
    const hop = [6, 0, 1, 4, 0, 0, 0, 0];
    const bytes = Uint8Array.from([...plain.subarray(0, 54), ...hop, ...plain.subarray(54)]);
    bytes[20] = 0;
    bytes.set(be16(plain.length - 54 + 8), 18);
    expect(parsed(wrapped(bytes))).toMatchObject({ protocol: 6, l4: 62, payload: 94 });
  });

  it("of a fragment have no transport", () => {
    const bytes = build({ family: 4 });
    bytes[20] = 0x20;
    expect(parsed(wrapped(bytes))).toMatchObject({ family: 4, isFragment: true, l4: 0, protocol: 6 });
  });

  it("that are broken or cut off are not believed, whatever they are", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.nat(120), fc.nat(200), fc.nat(255), (isV6, length, at, value) => {
        const bytes = build({ family: isV6 ? 6 : 4, payload: [1, 2, 3, 4] }).slice(0, length);
        if (at < bytes.length) bytes[at] = value;
        const headers = parsed(wrapped(bytes));
        expect(headers.end).toBeLessThanOrEqual(bytes.length);
        expect(headers.payload).toBeLessThanOrEqual(headers.end);
        if (headers.l4 > 0) expect(headers.checksum + 2).toBeLessThanOrEqual(headers.payload);
        if (headers.family > 0)
          expect(headers.destination + (headers.family === 4 ? 4 : 16)).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe("a partial checksum", () => {
  const payload = fc.array(fc.nat(255), { maxLength: 600 });
  const family = fc.constantFrom(4 as const, 6 as const);

  it("is what a known packet has", () => {
    // A DNS query of a Linux host, as captured.
    const bytes = hex(`525400123502 525400123456 0800 4500003c 1c464000 4011 0000 ac100a63 ac100a0c
      a08f 0035 0028 0000 db42 0100 0001 0000 0000 0000 03777777 06676f6f676c65 03636f6d 00 0001 0001`);
    const headers = parsed(wrapped(bytes.slice(0, 14 + 0x3c)));
    expect(headers).toMatchObject({ family: 4, protocol: 17 });
    bytes.set(be16(pseudoSum(wrapped(bytes), headers, headers.end - headers.payload)), headers.checksum);
    bytes.set(be16(completedChecksum(wrapped(bytes), headers)), headers.checksum);
    bytes.set(be16(~slowSum([...bytes.subarray(14, 34)])), 24);
    // The header is that of the example in Wikipedia's "Internet checksum", made UDP.
    expect(bytes.subarray(24, 26)).toEqual(hex("b1db"));
    expect(isWhole(bytes)).toBe(true);
  });

  it("is completed to a right one", () => {
    fc.assert(
      fc.property(
        family,
        fc.constantFrom(6, 17),
        payload,
        fc.boolean(),
        fc.array(fc.nat(90), { maxLength: 9 }),
        (ip, protocol, data, tag, cut) => {
          const bytes = build({ family: ip, protocol, payload: data, ...(tag ? { vlan: 5 } : {}) });
          const padded = Uint8Array.from([...bytes, 0xaa, 0xbb, 0xcc]);
          const packet = scattered(padded, cut);
          const headers = parsed(packet);
          expect(pseudoSum(packet, headers, data.length)).toBe(packet.headerView.getUint16(headers.checksum));
          padded.set(be16(completedChecksum(packet, headers)), headers.checksum);
          expect(isWhole(padded)).toBe(true);
        },
      ),
    );
  });

  it("is never completed to zero", () => {
    const bytes = build({ family: 4, protocol: 17, payload: [0, 0] });
    const rest = slowSum([...bytes.subarray(34)]);
    bytes.set(be16(0xffff - rest), 42);
    const packet = wrapped(bytes);
    expect(completedChecksum(packet, parsed(packet))).toBe(0xffff);
  });
});

describe("a large packet", () => {
  const data = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 7) & 255);

  function large(frame: Frame, gsoSize: number, cut: readonly number[] | null): Packet {
    const bytes = build(frame);
    const packet = cut === null ? wrapped(bytes) : scattered(bytes, cut);
    packet.gsoSize = gsoSize;
    packet.gsoType = frame.family === 4 ? GsoType.TCPV4 : GsoType.TCPV6;
    packet.partialChecksum = true;
    return packet;
  }

  /** The segments with their checksums filled in. */
  function cutUp(packet: Packet): Uint8Array[] {
    const segmenter = new Segmenter(memoryOf(packet));
    const count = segmenter.begin(packet);
    return Array.from({ length: count }, (_, index) => {
      const segment = segmenter.at(index);
      expect([segment.partialChecksum, segment.gsoSize]).toEqual([true, 0]);
      expect(segment.length).toBeLessThanOrEqual(segmenter.longest);
      const headers = parsed(segment);
      segment.headerView.setUint16(headers.checksum, completedChecksum(segment, headers));
      return bytesOf(segment);
    });
  }
  const memoryOf = (packet: Packet): MachineMemory | null =>
    (packet as unknown as { memory: MachineMemory | null }).memory;

  it.each([4, 6] as const)("of IPv%i becomes segments that are right and hold all of it", (family) => {
    const size = fc.integer({ min: 1, max: 9000 });
    const cut = fc.option(fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 15 }));
    fc.assert(
      fc.property(
        size,
        fc.integer({ min: 40, max: 1460 }),
        cut,
        fc.option(fc.nat(4095), { nil: undefined }),
        (bytes, mss, pieces, tag) => {
          const payload = data(bytes);
          const frame: Frame = { family, payload, sequence: 0xffff_f000, id: 0xfffe, tcpFlags: 0x99 };
          const segments = cutUp(large(tag === undefined ? frame : { ...frame, vlan: tag }, mss, pieces));
          expect(segments.length).toBe(Math.ceil(bytes / mss));
          const together: number[] = [];
          segments.forEach((segment, index) => {
            expect(isWhole(segment)).toBe(true);
            const view = new DataView(segment.buffer);
            const headers = parsed(wrapped(segment));
            expect(view.getUint32(headers.l4 + 4)).toBe((0xffff_f000 + index * mss) % 2 ** 32);
            if (family === 4) expect(view.getUint16(headers.l3 + 4)).toBe((0xfffe + index) & 0xffff);
            const last = index === segments.length - 1;
            expect(segment[headers.l4 + 13]).toBe(0x10 | (last ? 0x09 : 0) | (index === 0 ? 0x80 : 0));
            together.push(...segment.subarray(headers.payload, headers.end));
            expect(headers.end).toBe(segment.length);
          });
          expect(together).toEqual(payload);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("that is none is not cut", () => {
    const udp = large({ family: 4, protocol: 17, payload: data(3000) }, 1000, null);
    const other = large({ family: 6, payload: data(3000) }, 1000, null);
    other.gsoType = GsoType.TCPV4;
    expect([udp, other].map((packet) => new Segmenter(null).begin(packet))).toEqual([0, 0]);
    const most = large({ family: 4, payload: data(2048 * 8) }, 8, null);
    expect(new Segmenter(null).begin(most)).toBe(2048);
    most.gsoSize = 7;
    expect(new Segmenter(null).begin(most)).toBe(0);
  });
});

describe("the Toeplitz hash", () => {
  // Microsoft's "Verifying the RSS Hash Calculation": destination, source, hash of the addresses, hash with the ports.
  const published = [
    ["161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178],
    ["65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea],
    ["12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a],
    ["209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f],
    ["202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2],
    ["3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d],
    ["ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf],
    ["fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985, 0x02d1feef],
  ] as const;

  it.each(published)(
    "of a packet to %s:%i from %s:%i is the published one",
    (destination, to, source, from, addresses, all) => {
      const family = destination.includes(":") ? 6 : 4;
      const packet = wrapped(build({ family, source, destination, ports: [from, to] }));
      const toeplitz = new Toeplitz(DEFAULT_KEY);
      expect(toeplitz.hash(packet.header, parsed(packet), false)).toBe(addresses);
      expect(toeplitz.hash(packet.header, parsed(packet), true)).toBe(all);
    },
  );

  it("of a short key has zeroes behind it", () => {
    const packet = wrapped(build({ family: 6 }));
    const padded = new Uint8Array(TOEPLITZ_KEY_BYTES);
    padded.set([1, 2, 3]);
    const of = (key: Uint8Array) => new Toeplitz(key).hash(packet.header, parsed(packet), true);
    expect(of(Uint8Array.from([1, 2, 3]))).toBe(of(padded));
    expect(of(new Uint8Array(0))).toBe(0);
  });
});
