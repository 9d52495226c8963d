/** Frames for tests, made and judged the slow way. */
import { Headers, parseHeaders } from "../offload/index.js";
import { Packet } from "../packet.js";

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g)!, (b) => Number(`0x${b}`));
const v4 = (text: string): number[] => text.split(".").map(Number);
export const be16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];

/** RFC 4291's text form, as far as the examples need it. */
function v6(text: string): number[] {
  const [left = "", right] = text.split("::");
  const words = (part: string) =>
    part
      .split(":")
      .filter(Boolean)
      .map((word) => Number.parseInt(word, 16));
  const [head, tail] = [words(left), words(right ?? "")];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail].flatMap(be16);
}

/** RFC 1071 word by word, with the carries brought round at the very end. */
export function slowSum(bytes: readonly number[]): number {
  let sum = 0n;
  for (let i = 0; i < bytes.length; i += 2) sum += BigInt(bytes[i]! * 256 + (bytes[i + 1] ?? 0));
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(sum);
}

export interface Frame {
  readonly family: 4 | 6;
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: number;
  readonly ports?: readonly [number, number];
  readonly payload?: readonly number[];
  readonly vlan?: number;
  readonly tcpFlags?: number;
  readonly options?: number;
  readonly id?: number;
  readonly sequence?: number;
}

/** A frame with a pseudo header's sum in the checksum field. */
export function build(frame: Frame): Uint8Array {
  const { family, protocol = 6, ports = [1024, 80], payload = [], vlan, tcpFlags = 0x10, options = 12 } = frame;
  const source = family === 4 ? v4(frame.source ?? "10.0.0.1") : v6(frame.source ?? "fd00::1");
  const destination = family === 4 ? v4(frame.destination ?? "10.0.0.2") : v6(frame.destination ?? "fd00::2");
  const tcp = [...ports.flatMap(be16), ...be32(frame.sequence ?? 1000), ...be32(7), (5 + options / 4) << 4, tcpFlags];
  tcp.push(...be16(512), 0, 0, 0, 0, ...Array.from({ length: options }, () => 1));
  const udp = [...ports.flatMap(be16), ...be16(8 + payload.length), 0, 0];
  const l4 = [...(protocol === 6 ? tcp : udp), ...payload];
  const pseudo = slowSum([...source, ...destination, 0, protocol, ...be32(l4.length)]);
  l4.splice(protocol === 6 ? 16 : 6, 2, ...be16(pseudo));
  const tag = vlan === undefined ? [] : [0x81, 0, ...be16(vlan)];
  const ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...tag];
  if (family === 6) {
    const ip = [0x60, 0, 0, 0, ...be16(l4.length), protocol, 64, ...source, ...destination];
    return Uint8Array.from([...ethernet, 0x86, 0xdd, ...ip, ...l4]);
  }
  const ip = [
    0x45,
    0,
    ...be16(20 + l4.length),
    ...be16(frame.id ?? 1),
    0x40,
    0,
    64,
    protocol,
    0,
    0,
    ...source,
    ...destination,
  ];
  ip.splice(10, 2, ...be16(~slowSum(ip) & 0xffff));
  return Uint8Array.from([...ethernet, 8, 0, ...ip, ...l4]);
}

export function headersOf(bytes: Uint8Array): Headers {
  const packet = new Packet(null);
  packet.wrap(bytes);
  const headers = new Headers();
  parseHeaders(packet, headers);
  return headers;
}

/** Whether the transport's checksum and, of IPv4, the header's are right: found out the slow way. */
export function isWhole(bytes: Uint8Array): boolean {
  const headers = headersOf(bytes);
  const { l3, l4, end, family, source } = headers;
  const addresses = [...bytes.subarray(source, source + (family === 4 ? 8 : 32))];
  const pseudo = [...addresses, 0, headers.protocol, ...be32(end - l4)];
  const ip = family === 6 || slowSum([...bytes.subarray(l3, l4)]) === 0xffff;
  return ip && slowSum([...pseudo, ...bytes.subarray(l4, end)]) === 0xffff;
}
