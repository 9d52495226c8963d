/**
 * The wire format of xenstore: a 16-byte header {type, request id, transaction id, length} and a payload of at most
 * 4096 bytes, little-endian. [XEN] io/xs_wire.h, docs/misc/xenstore.txt. Payloads are byte strings here.
 */
import { ByteView, byteString, bytesOf, concatBytes, err, ok, type Result } from "../util/index.js";

export const XS_HEADER_BYTES = 16;
export const XS_PAYLOAD_MAX = 4096;

/** Message types of the wire; an open set, since a guest may send any number. */
export const XsType = {
  CONTROL: 0,
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  INTRODUCE: 8,
  RELEASE: 9,
  GET_DOMAIN_PATH: 10,
  WRITE: 11,
  MKDIR: 12,
  RM: 13,
  SET_PERMS: 14,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  RESUME: 18,
  SET_TARGET: 19,
  RESET_WATCHES: 21,
  DIRECTORY_PART: 22,
} as const;

/** The errors that may be sent, by name. */
export type XsError =
  | "EINVAL"
  | "EACCES"
  | "EEXIST"
  | "EISDIR"
  | "ENOENT"
  | "ENOMEM"
  | "ENOSPC"
  | "EIO"
  | "ENOTEMPTY"
  | "ENOSYS"
  | "EROFS"
  | "EBUSY"
  | "EAGAIN"
  | "EISCONN"
  | "E2BIG";

export type XsResult<T> = Result<T, XsError>;

/** An XsError as a result; the name says all there is to say. */
export const xsError = (code: XsError) => err(code, code);

export interface XsMessage {
  readonly type: number;
  readonly requestId: number;
  readonly txId: number;
  readonly payload: string;
}

/** Serialises a message. The payload must fit: callers answer E2BIG before it comes to this. */
export function writeMessage(message: XsMessage): Uint8Array {
  const payload = bytesOf(message.payload);
  const bytes = new Uint8Array(XS_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, message.type, true);
  view.setUint32(4, message.requestId, true);
  view.setUint32(8, message.txId, true);
  view.setUint32(12, payload.length, true);
  bytes.set(payload, XS_HEADER_BYTES);
  return bytes;
}

/** Splits a payload of NUL-terminated strings; null when the last one lacks its NUL. */
export function readStrings(payload: string): string[] | null {
  if (payload === "") return [];
  if (!payload.endsWith("\0")) return null;
  return payload.slice(0, -1).split("\0");
}

/** The one NUL-terminated string that a payload must be. */
export function readOneString(payload: string): XsResult<string> {
  const strings = readStrings(payload);
  return strings?.length === 1 ? ok(strings[0]!) : xsError("EINVAL");
}

/**
 * Puts messages together from pieces of any size. A length above the maximum breaks the stream for good, since nothing
 * says where the next message would begin.
 */
export class MessageParser {
  #pending = new Uint8Array(0);
  #broken = false;

  get broken(): boolean {
    return this.#broken;
  }

  /** How many bytes are still missing from the message at hand. */
  get wanted(): number {
    if (this.#pending.length < XS_HEADER_BYTES) return XS_HEADER_BYTES - this.#pending.length;
    return XS_HEADER_BYTES + new ByteView(this.#pending).u32(12) - this.#pending.length;
  }

  /** Takes more bytes and returns the messages that they complete. */
  push(bytes: Uint8Array): XsMessage[] {
    const messages: XsMessage[] = [];
    if (this.#broken) return messages;
    const all = this.#pending.length === 0 ? bytes : concatBytes([this.#pending, bytes]);
    const view = new ByteView(all);
    let at = 0;
    while (view.has(at, XS_HEADER_BYTES)) {
      const length = view.u32(at + 12);
      if (length > XS_PAYLOAD_MAX) {
        this.#broken = true;
        break;
      }
      if (!view.has(at + XS_HEADER_BYTES, length)) break;
      const payload = byteString(view.slice(at + XS_HEADER_BYTES, length));
      messages.push({ type: view.u32(at), requestId: view.u32(at + 4), txId: view.u32(at + 8), payload });
      at += XS_HEADER_BYTES + length;
    }
    this.#pending = all.slice(at);
    return messages;
  }

  reset(): void {
    this.#pending = new Uint8Array(0);
    this.#broken = false;
  }
}
