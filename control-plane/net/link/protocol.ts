/**
 * What two ends of a link say to each other, in messages of a WebSocket.
 *
 * Each first sends a text, its hello: JSON with the protocol, its version, a name for people, who it is, which network it
 * leads to, and whether it takes large segments; the client's has the token. Then binary messages: any number of frames, also none, which says
 * that one is still there. Of a frame:
 *
 *     0        4          6         7        8
 *     +--------+----------+---------+--------+-----------+
 *     | length | gso size | gso type| flags  | the frame |   little-endian
 *     +--------+----------+---------+--------+-----------+
 */
import { err, ok, type Result } from "../../util/index.js";
import { GsoType, MOST_FRAME_BYTES, type Packet } from "../packet.js";

export const PROTOCOL = "xenolith-link";
export const VERSION = 1;
/** Most characters of a hello. */
const MOST_HELLO = 4096;
const MOST_NAME = 64;
const MOST_ID = 64;
/** Of anything else that they say. */
const MOST_TEXT = 200;

export interface Hello {
  /** For people. */
  readonly name: string;
  /** Who it is, to know it again when it comes back. */
  readonly id: string;
  /** What it leads to: two links between the same two networks would be a loop. */
  readonly network: string;
  /** Takes large segments whole. */
  readonly large: boolean;
  readonly token: string | null;
}

export function writeHello({ name, id, network, large, token }: Hello): string {
  const fields = { protocol: PROTOCOL, version: VERSION, name: name.slice(0, MOST_NAME), id, network, large };
  return JSON.stringify(token === null ? fields : { ...fields, token });
}

export function readHello(text: string): Result<Hello> {
  if (text.length > MOST_HELLO) return err("garbage", "its hello is too long");
  const fields = parseObject(text);
  if (fields === null || fields.protocol !== PROTOCOL) return err("garbage", `it does not speak ${PROTOCOL}`);
  if (fields.version !== VERSION) return err("version", `it speaks another version than ${VERSION}`);
  const { name, id, network, large, token = null } = fields;
  if (typeof name !== "string" || !isId(id) || !isId(network) || typeof large !== "boolean")
    return err("garbage", "its hello lacks something");
  if (token !== null && typeof token !== "string") return err("garbage", "its hello lacks something");
  return ok({ name: printable(name.slice(0, MOST_NAME)), id, network, large, token });
}

/** What others say, for lists and logs. */
export const printable = (text: string): string => text.slice(0, MOST_TEXT).replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "?");

const isId = (value: unknown): value is string => typeof value === "string" && value.length <= MOST_ID;

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const HEADER = 8;
const Flag = { PARTIAL_CHECKSUM: 1, DATA_VALIDATED: 2 } as const;
const KNOWN_FLAGS = Flag.PARTIAL_CHECKSUM | Flag.DATA_VALIDATED;
/** Less would make thousands of segments of one frame: Linux's TCP_MIN_GSO_SIZE. */
export const LEAST_GSO_SIZE = 8;
/** Bytes after which a message is sent although the batch is not over. */
export const FULL_MESSAGE_BYTES = 64 * 1024;
/** The longest message: it was not full before its last frame. */
export const MOST_MESSAGE_BYTES = FULL_MESSAGE_BYTES + HEADER + MOST_FRAME_BYTES;

/** Frames on their way into one message. */
export class Batch {
  readonly #bytes = new Uint8Array(MOST_MESSAGE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  get isFull(): boolean {
    return this.#used >= FULL_MESSAGE_BYTES;
  }

  /** Only when it is not full. */
  add(packet: Packet): void {
    const view = this.#view;
    const at = this.#used;
    view.setUint32(at, packet.length, true);
    view.setUint16(at + 4, packet.gsoSize, true);
    view.setUint8(at + 6, packet.gsoType);
    const partial = packet.partialChecksum ? Flag.PARTIAL_CHECKSUM : 0;
    view.setUint8(at + 7, partial | (packet.dataValidated ? Flag.DATA_VALIDATED : 0));
    packet.copyTo(this.#bytes, at + HEADER, 0, packet.length);
    this.#used = at + HEADER + packet.length;
  }

  /** The message, good until the next `add`. */
  take(): Uint8Array {
    const message = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    return message;
  }
}

const viewOf = (message: Uint8Array): DataView => new DataView(message.buffer, message.byteOffset, message.byteLength);

/** How many frames a message has; -1 when it is not made as it should be. */
export function countFrames(message: Uint8Array): number {
  if (message.length > MOST_MESSAGE_BYTES) return -1;
  const view = viewOf(message);
  let at = 0;
  let count = 0;
  while (at < message.length) {
    if (at + HEADER > message.length) return -1;
    const length = view.getUint32(at, true);
    if (length === 0 || length > MOST_FRAME_BYTES || at + HEADER + length > message.length) return -1;
    if (!isPossible(view.getUint16(at + 4, true), view.getUint8(at + 6), view.getUint8(at + 7))) return -1;
    at += HEADER + length;
    count++;
  }
  return count;
}

/** Whether what a frame says of itself can be. */
function isPossible(gsoSize: number, gsoType: number, flags: number): boolean {
  if ((flags & ~KNOWN_FLAGS) !== 0) return false;
  if (gsoType === GsoType.NONE) return gsoSize === 0;
  const isKnown = gsoType === GsoType.TCPV4 || gsoType === GsoType.TCPV6;
  return isKnown && gsoSize >= LEAST_GSO_SIZE && (flags & Flag.PARTIAL_CHECKSUM) !== 0;
}

/** Reads the frame at `at` of a message that `countFrames` found good; answers where the next one is. */
export function readFrame(message: Uint8Array, at: number, packet: Packet): number {
  const view = viewOf(message);
  const end = at + HEADER + view.getUint32(at, true);
  packet.wrap(message.subarray(at + HEADER, end));
  const flags = view.getUint8(at + 7);
  packet.gsoSize = view.getUint16(at + 4, true);
  packet.gsoType = view.getUint8(at + 6) as Packet["gsoType"];
  packet.partialChecksum = (flags & Flag.PARTIAL_CHECKSUM) !== 0;
  packet.dataValidated = (flags & Flag.DATA_VALIDATED) !== 0;
  return end;
}
