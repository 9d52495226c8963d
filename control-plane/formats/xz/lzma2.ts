// LZMA2: the chunk layer around LZMA that .xz files use [XZ-FORMAT] 5.3.1.
//
//   control byte   0x00 end | 0x01 raw chunk, new dictionary | 0x02 raw chunk
//   0x80 and up    1 r r s s s s s   LZMA chunk: r = what to reset (0 nothing, 1 state, 2 + properties, 3 + dictionary),
//                                    s = bits 16-20 of the unpacked size minus one; then u16be rest, u16be packed size - 1
import { ok, type Result } from "../../util/index.js";
import { corrupt, type FormatErrorCode, overLimit, truncated } from "../errors.js";
import type { OutputBuffer } from "../output-buffer.js";
import { decodeSymbols, LzmaDecoder } from "./lzma.js";

const RESET_DICTIONARY = 3;
const RESET_PROPERTIES = 2;
const RESET_STATE = 1;

/**
 * Decodes the LZMA2 stream at `pos` of `input` onto the end of `out`; returns the position after it, and yields the
 * position after each chunk, so that a caller can pause.
 */
export function* decodeLzma2(
  input: Uint8Array,
  pos: number,
  dictSize: number,
  out: OutputBuffer,
  limitBytes: number,
): Generator<number, Result<number, FormatErrorCode>> {
  const stream = new ChunkReader(input, dictSize, out, limitBytes);
  for (;;) {
    const control = input[pos];
    if (control === undefined) return truncated("LZMA2 data");
    if (control === 0) return ok(pos + 1);
    const next = control >= 0x80 ? stream.readLzmaChunk(pos) : stream.readRawChunk(pos);
    if (!next.ok) return next;
    pos = next.value;
    yield pos;
  }
}

class ChunkReader {
  private readonly decoder: LzmaDecoder;
  private dictStart = 0;
  /** The least reset the next LZMA chunk must ask for: the dictionary at first, properties after a raw first chunk. */
  private neededReset = RESET_DICTIONARY;

  constructor(
    private readonly input: Uint8Array,
    private readonly dictSize: number,
    private readonly out: OutputBuffer,
    private readonly limitBytes: number,
  ) {
    this.decoder = new LzmaDecoder(input);
  }

  readRawChunk(pos: number): Result<number, FormatErrorCode> {
    const { input, out } = this;
    const control = input[pos]!;
    if (control > 2) return corrupt("LZMA2 control byte is undefined");
    if (pos + 3 > input.length) return truncated("LZMA2 data");
    if (control === 1) {
      this.dictStart = out.length;
      this.neededReset = RESET_PROPERTIES;
    } else if (this.neededReset === RESET_DICTIONARY) {
      return corrupt("LZMA2 data does not start with a dictionary reset");
    }
    const size = ((input[pos + 1]! << 8) | input[pos + 2]!) + 1;
    const start = pos + 3;
    if (start + size > input.length) return truncated("LZMA2 data");
    if (!out.append(input.subarray(start, start + size))) return overLimit("unpacked data", this.limitBytes);
    return ok(start + size);
  }

  readLzmaChunk(pos: number): Result<number, FormatErrorCode> {
    const { input, out, decoder } = this;
    const control = input[pos]!;
    const reset = (control >> 5) & 3;
    const headerSize = reset >= RESET_PROPERTIES ? 6 : 5;
    if (pos + headerSize > input.length) return truncated("LZMA2 data");
    if (reset < this.neededReset) return corrupt("LZMA2 chunk lacks a reset that it needs");
    const unpackedSize = (((control & 31) << 16) | (input[pos + 1]! << 8) | input[pos + 2]!) + 1;
    const packedSize = ((input[pos + 3]! << 8) | input[pos + 4]!) + 1;
    const start = pos + headerSize;
    const end = start + packedSize;
    if (end > input.length) return truncated("LZMA2 data");
    if (packedSize < 5) return corrupt("LZMA2 chunk is too small");
    if (reset === RESET_DICTIONARY) this.dictStart = out.length;
    if (reset >= RESET_PROPERTIES && !decoder.setProperties(input[pos + 5]!)) {
      return corrupt("LZMA2 properties are out of range");
    }
    if (reset >= RESET_STATE) decoder.reset();
    this.neededReset = 0;
    if (!out.reserve(unpackedSize)) return overLimit("unpacked data", this.limitBytes);
    const from = out.length;
    const to = from + unpackedSize;
    const good =
      decoder.startRange(start) &&
      decodeSymbols(decoder, out.bytes, from, to, this.dictStart, this.dictSize, end) &&
      decoder.finishRange(end);
    if (!good) return corrupt("LZMA2 chunk is damaged");
    out.length = to;
    return ok(end);
  }
}
