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
  #chunks: Buffer[] = [];
  #length = 0;

  /** The messages that `chunk` completes. */
  *push(chunk: Buffer): Generator<unknown> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= HEADER_BYTES) {
      const header = this.#peek(HEADER_BYTES);
      const frameBytes = header.readUInt32LE(0);
      const messageBytes = header.readUInt32LE(WORD_BYTES);
      if (frameBytes > FRAME_MAX || messageBytes > MESSAGE_MAX || messageBytes + WORD_BYTES > frameBytes) {
        throw new FrameError("a frame has an impossible length");
      }
      if (this.#length < WORD_BYTES + frameBytes) return;
      const frame = this.#take(WORD_BYTES + frameBytes).subarray(HEADER_BYTES);
      yield decodeMessage(frame.subarray(0, messageBytes), frame.subarray(messageBytes));
    }
  }

  /** The first bytes as one buffer. Joins only as many chunks as that needs. */
  #peek(length: number): Buffer {
    const first = this.#chunks[0]!;
    if (first.length >= length) return first;
    let count = 0;
    let joined = 0;
    while (joined < length) joined += this.#chunks[count++]!.length;
    const whole = Buffer.concat(this.#chunks.splice(0, count));
    this.#chunks.unshift(whole);
    return whole;
  }

  #take(length: number): Buffer {
    const first = this.#peek(length);
    this.#length -= length;
    if (first.length === length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
    return first.subarray(0, length);
  }
}

function decodeMessage(json: Buffer, arrays: Buffer): unknown {
  let offset = 0;
  const takeArray = (length: number): Uint8Array => {
    if (length > arrays.length - offset) throw new FrameError("an array is longer than its frame");
    offset += length;
    // A copy: what is kept of a frame must not keep all of it.
    return new Uint8Array(arrays.subarray(offset - length, offset));
  };
  try {
    return withArrays(JSON.parse(json.toString("utf8")), takeArray);
  } catch (error) {
    if (error instanceof FrameError) throw error;
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
