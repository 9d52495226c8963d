/**
 * Wisp, version 1 with the opening of version 2: many streams in one WebSocket. A message is a packet: type u8, stream id
 * u32, payload; little-endian. https://github.com/MercuryWorkshop/wisp-protocol
 */
import type { OutsideError } from "../outside/index.js";

export const PacketType = { CONNECT: 1, DATA: 2, CONTINUE: 3, CLOSE: 4, INFO: 5 } as const;
export const StreamType = { TCP: 1, UDP: 2 } as const;
export type StreamType = (typeof StreamType)[keyof typeof StreamType];

export const CloseReason = {
  UNKNOWN: 0x01,
  VOLUNTARY: 0x02,
  NETWORK: 0x03,
  INVALID: 0x41,
  UNREACHABLE: 0x42,
  TIMED_OUT: 0x43,
  REFUSED: 0x44,
  BLOCKED: 0x48,
  THROTTLED: 0x49,
  CLIENT: 0x81,
} as const;

/**
 * An extension of our own: CONTINUE also gives the server leave to send, a stream's first CONTINUE from the server says
 * that it is open, and DATA without bytes ends one direction. A Wisp stream has none of that, so that a slow reader
 * would make the other end buffer without bounds. What a CONTINUE gives is added to what is left, where Wisp's replaces
 * it: packets on their way when it is sent would be given twice.
 */
export const DUPLEX_EXTENSION = 0xe1;
const UDP_EXTENSION = 0x01;
const VERSION = [2, 0] as const;

export const HEADER_BYTES = 5;
const MOST_HOST_BYTES = 255;

export type WispPacket =
  | { readonly type: 1; readonly id: number; readonly stream: number; readonly port: number; readonly host: string }
  | { readonly type: 2; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 3; readonly id: number; readonly room: number }
  | { readonly type: 4; readonly id: number; readonly reason: number }
  | { readonly type: 5; readonly id: number; readonly extensions: readonly number[] }
  /** Of a type that we do not know: to be ignored. */
  | { readonly type: 0; readonly id: number };

/** A message as a packet; null when it makes no sense. Data are a view of the message. */
export function readPacket(message: Uint8Array): WispPacket | null {
  if (message.length < HEADER_BYTES) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const id = view.getUint32(1, true);
  const payload = message.length - HEADER_BYTES;
  switch (message[0]) {
    case PacketType.CONNECT: {
      if (payload < 4 || payload > 3 + MOST_HOST_BYTES) return null;
      const host = new TextDecoder().decode(message.subarray(HEADER_BYTES + 3));
      return { type: 1, id, stream: view.getUint8(5), port: view.getUint16(6, true), host };
    }
    case PacketType.DATA:
      return { type: 2, id, bytes: message.subarray(HEADER_BYTES) };
    case PacketType.CONTINUE:
      return payload < 4 ? null : { type: 3, id, room: view.getUint32(5, true) };
    case PacketType.CLOSE:
      return { type: 4, id, reason: payload < 1 ? CloseReason.UNKNOWN : view.getUint8(5) };
    case PacketType.INFO:
      return readInfo(view, id);
    default:
      return { type: 0, id };
  }
}

function readInfo(view: DataView, id: number): WispPacket | null {
  const extensions: number[] = [];
  let at = HEADER_BYTES + VERSION.length;
  while (at < view.byteLength) {
    if (at + 5 > view.byteLength) return null;
    extensions.push(view.getUint8(at));
    at += 5 + view.getUint32(at + 1, true);
  }
  return at === view.byteLength ? { type: 5, id, extensions } : null;
}

function packet(type: number, id: number, payloadBytes: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(HEADER_BYTES + payloadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint32(1, id, true);
  return { bytes, view };
}

export function connectPacket(id: number, stream: StreamType, host: string, port: number): Uint8Array {
  const name = new TextEncoder().encode(host);
  const { bytes, view } = packet(PacketType.CONNECT, id, 3 + name.length);
  view.setUint8(HEADER_BYTES, stream);
  view.setUint16(HEADER_BYTES + 1, port, true);
  bytes.set(name, HEADER_BYTES + 3);
  return bytes;
}

export function dataPacket(id: number, data: Uint8Array): Uint8Array {
  const { bytes } = packet(PacketType.DATA, id, data.length);
  bytes.set(data, HEADER_BYTES);
  return bytes;
}

/** @param room packets that the receiver may send from now on; of our extension: that many more */
export function continuePacket(id: number, room: number): Uint8Array {
  const { bytes, view } = packet(PacketType.CONTINUE, id, 4);
  view.setUint32(HEADER_BYTES, room, true);
  return bytes;
}

export function closePacket(id: number, reason: number): Uint8Array {
  const { bytes } = packet(PacketType.CLOSE, id, 1);
  bytes[HEADER_BYTES] = reason;
  return bytes;
}

/** What we speak: version 2 with datagrams and our own extension. */
export function infoPacket(): Uint8Array {
  const extensions = [UDP_EXTENSION, DUPLEX_EXTENSION];
  const { bytes } = packet(PacketType.INFO, 0, VERSION.length + 5 * extensions.length);
  bytes.set(VERSION, HEADER_BYTES);
  extensions.forEach((extension, n) => {
    bytes[HEADER_BYTES + VERSION.length + 5 * n] = extension;
  });
  return bytes;
}

const REASONS: Readonly<Record<OutsideError, number>> = {
  refused: CloseReason.REFUSED,
  unreachable: CloseReason.UNREACHABLE,
  "not-found": CloseReason.UNREACHABLE,
  "timed-out": CloseReason.TIMED_OUT,
  reset: CloseReason.NETWORK,
  denied: CloseReason.BLOCKED,
};

export const reasonOf = (error: OutsideError | null): number =>
  error === null ? CloseReason.VOLUNTARY : REASONS[error];

/** What a stream's end was, as the world outside would have said; null when it ended well. */
export function errorOf(reason: number): OutsideError | null {
  switch (reason) {
    case CloseReason.VOLUNTARY:
      return null;
    case CloseReason.REFUSED:
      return "refused";
    case CloseReason.UNREACHABLE:
    case CloseReason.INVALID:
      return "unreachable";
    case CloseReason.TIMED_OUT:
      return "timed-out";
    case CloseReason.BLOCKED:
    case CloseReason.THROTTLED:
      return "denied";
    default:
      return "reset";
  }
}
