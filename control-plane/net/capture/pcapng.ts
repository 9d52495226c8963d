/**
 * Blocks of a pcapng file, as Wireshark and tcpdump read it: interfaces with names, nanoseconds, directions, losses.
 * [PCAPNG]. Little-endian, as the section header says.
 */
import { ByteWriter } from "../../util/index.js";

const BLOCK = { SECTION: 0x0a0d0d0a, INTERFACE: 1, STATISTICS: 5, PACKET: 6 } as const;
const BYTE_ORDER = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const OPTION = {
  END: 0,
  // Of a section
  APPLICATION: 4,
  // Of an interface
  NAME: 2,
  MAC: 6,
  RESOLUTION: 9,
  // Of a packet
  FLAGS: 2,
  DROPS: 4,
  // Of statistics
  RECEIVED: 4,
  DROPPED: 5,
} as const;
/** 10 to the power of minus 9 seconds. */
const NANOSECONDS = 9;

/** Of a packet, seen from its interface. */
export const Direction = { IN: 1, OUT: 2 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** Bytes of a packet block besides its data: the fixed part, flags, the count of drops, the end, the trailing length. */
const PACKET_HEADER = 28;
const PACKET_OPTIONS = 8 + 12 + 4;
const padded = (bytes: number): number => (bytes + 3) & ~3;

export const packetBlockBytes = (captured: number): number => PACKET_HEADER + padded(captured) + PACKET_OPTIONS + 4;

/** Writes the block around an option list; `body` is appended by the caller's function. */
function block(type: number, body: (writer: ByteWriter) => void): Uint8Array {
  const inner = new ByteWriter();
  body(inner);
  const length = inner.length + 12;
  return new ByteWriter().u32(type).u32(length).append(inner.finish()).u32(length).finish();
}

function option(writer: ByteWriter, code: number, bytes: Uint8Array): void {
  writer.u16(code).u16(bytes.length).append(bytes).alignTo(4);
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export function sectionBlock(application: string): Uint8Array {
  return block(BLOCK.SECTION, (w) => {
    // Version 1.0; the length of the section is not known.
    w.u32(BYTE_ORDER).u16(1).u16(0).u64(0xffff_ffff_ffff_ffffn);
    option(w, OPTION.APPLICATION, text(application));
    w.u16(OPTION.END).u16(0);
  });
}

export function interfaceBlock(name: string, mac: Uint8Array | null, snaplen: number): Uint8Array {
  return block(BLOCK.INTERFACE, (w) => {
    w.u16(LINKTYPE_ETHERNET).u16(0).u32(snaplen);
    // An option's length has 16 bits.
    option(w, OPTION.NAME, text(name.slice(0, 4096)));
    if (mac !== null) option(w, OPTION.MAC, mac);
    option(w, OPTION.RESOLUTION, Uint8Array.of(NANOSECONDS));
    w.u16(OPTION.END).u16(0);
  });
}

export interface Timestamp {
  high: number;
  low: number;
}

export function statisticsBlock(interfaceId: number, time: Timestamp, received: number, dropped: number): Uint8Array {
  return block(BLOCK.STATISTICS, (w) => {
    w.u32(interfaceId).u32(time.high).u32(time.low);
    w.u16(OPTION.RECEIVED).u16(8).u64(received);
    w.u16(OPTION.DROPPED).u16(8).u64(dropped);
    w.u16(OPTION.END).u16(0);
  });
}

/**
 * Writes a packet block around `captured` bytes of data, which the caller puts where the answer says. Unlike the other
 * blocks, of which there are few, it is written in place.
 */
export function writePacketBlock(
  view: DataView,
  at: number,
  packet: {
    readonly interfaceId: number;
    readonly time: Timestamp;
    readonly captured: number;
    readonly length: number;
    readonly direction: Direction;
    readonly drops: number;
  },
): number {
  const size = packetBlockBytes(packet.captured);
  view.setUint32(at, BLOCK.PACKET, true);
  view.setUint32(at + 4, size, true);
  view.setUint32(at + 8, packet.interfaceId, true);
  view.setUint32(at + 12, packet.time.high, true);
  view.setUint32(at + 16, packet.time.low, true);
  view.setUint32(at + 20, packet.captured, true);
  view.setUint32(at + 24, packet.length, true);
  const data = at + PACKET_HEADER;
  let end = data + padded(packet.captured);
  view.setUint16(end, OPTION.FLAGS, true);
  view.setUint16(end + 2, 4, true);
  view.setUint32(end + 4, packet.direction, true);
  end += 8;
  view.setUint16(end, OPTION.DROPS, true);
  view.setUint16(end + 2, 8, true);
  view.setUint32(end + 4, packet.drops % 2 ** 32, true);
  view.setUint32(end + 8, Math.floor(packet.drops / 2 ** 32), true);
  end += 12;
  view.setUint32(end, OPTION.END, true);
  view.setUint32(end + 4, size, true);
  return data;
}

/**
 * Nanoseconds since 1970 as the two words of a timestamp, exact although their number needs 61 bits: `seconds` and
 * `nanoseconds` are added up in parts that a double holds.
 */
export function setTimestamp(time: Timestamp, seconds: number, nanoseconds: number): void {
  const upper = Math.floor(seconds / 65536) * 1e9;
  const rest = (upper % 65536) * 65536 + (seconds % 65536) * 1e9 + nanoseconds;
  time.high = (Math.floor(upper / 65536) + Math.floor(rest / 2 ** 32)) >>> 0;
  time.low = rest % 2 ** 32;
}
