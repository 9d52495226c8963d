/**
 * Frames on the control socket. A frame is a JSON-RPC 2.0 message whose byte arrays follow it as they are, since kernels
 * and console output would suffer from JSON:
 *
 *   | u32 frame length (what follows) | u32 message length | message, JSON in UTF-8 | arrays, one after the other |
 *
 * Numbers are little-endian. In the message an array is `{"$bytes": length}`, in the order in which they follow.
 */
import { CliError, Exit } from "../errors.js";

const WORD_BYTES = 4;
const HEADER_BYTES = 2 * WORD_BYTES;
const MESSAGE_MAX = 16 * 1024 * 1024;
/** A frame carries a domain's kernel and ramdisk together. */
const FRAME_MAX = 2 * 1024 * 1024 * 1024;

/** The other side does not speak this protocol. */
export class FrameError extends CliError {
  constructor(problem: string) {
    super(Exit.HOST, `the control socket carries no Xenolith protocol: ${problem}`);
    this.name = "FrameError";
  }
}

/** A message as the parts to write one after the other. */
export function encodeFrame(message: unknown): Uint8Array[] {
  const arrays: Uint8Array[] = [];
  const json = Buffer.from(JSON.stringify(withoutArrays(message, arrays)));
  const arrayBytes = arrays.reduce((sum, { length }) => sum + length, 0);
  if (json.length > MESSAGE_MAX || arrayBytes + json.length > FRAME_MAX - HEADER_BYTES) {
    throw new CliError(Exit.USAGE, "this is too large for the control socket: 2 GiB for the images of a domain");
  }
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(WORD_BYTES + json.length + arrayBytes, 0);
  header.writeUInt32LE(json.length, WORD_BYTES);
  return [Buffer.concat([header, json]), ...arrays];
}

/** Not JSON.stringify's replacer: that would see what Buffer's own toJSON makes of a buffer. */
function withoutArrays(value: unknown, arrays: Uint8Array[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutArrays(item, arrays));
  if (value instanceof Uint8Array) {
    arrays.push(value);
    return { $bytes: value.length };
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutArrays(item, arrays)]));
}

/** Takes bytes as they come and gives whole messages. Throws FrameError on what is no frame. */
export class FrameReader {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** What is read next, each part where it is to stay: a header, then the message, then its arrays. */
  #parts: Uint8Array[] = [this.#header];
  #filled = 0;
  #json: Buffer | null = null;
  #message: unknown;

  /** The messages that `chunk` completes. */
  *push(chunk: Buffer): Generator<unknown> {
    for (let at = 0; ; ) {
      const part = this.#parts[0]!;
      const count = Math.min(chunk.length - at, part.length - this.#filled);
      part.set(chunk.subarray(at, at + count), this.#filled);
      at += count;
      this.#filled += count;
      if (this.#filled < part.length) return;
      this.#filled = 0;
      this.#parts.shift();
      if (part === this.#header) this.#beginMessage();
      else if (part === this.#json) this.#beginArrays(this.#json);
      if (this.#parts.length > 0) continue;
      this.#parts.push(this.#header);
      const message = this.#message;
      this.#message = undefined;
      yield message;
    }
  }

  #beginMessage(): void {
    const frameBytes = this.#header.readUInt32LE(0);
    const messageBytes = this.#header.readUInt32LE(WORD_BYTES);
    if (frameBytes > FRAME_MAX || messageBytes > MESSAGE_MAX || messageBytes + WORD_BYTES > frameBytes) {
      throw new FrameError("a frame has an impossible length");
    }
    this.#json = Buffer.alloc(messageBytes);
    this.#parts.push(this.#json);
  }

  #beginArrays(json: Buffer): void {
    let room = this.#header.readUInt32LE(0) - WORD_BYTES - json.length;
    this.#json = null;
    this.#message = withArrays(parse(json), (length) => {
      room -= length;
      if (room < 0) throw new FrameError("an array is longer than its frame");
      const array = new Uint8Array(length);
      this.#parts.push(array);
      return array;
    });
    if (room > 0) throw new FrameError("a frame is longer than its arrays");
  }
}

function parse(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString("utf8"));
  } catch {
    throw new FrameError("a message is not JSON");
  }
}

/** Arrays are taken in the order in which `withoutArrays` met them: that of the properties. */
function withArrays(value: unknown, takeArray: (length: number) => Uint8Array): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withArrays(item, takeArray));
  const length = (value as { $bytes?: unknown }).$bytes;
  if (typeof length === "number" && Number.isInteger(length) && length >= 0) return takeArray(length);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withArrays(item, takeArray)]));
}
