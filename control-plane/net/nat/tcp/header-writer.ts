/** Writes TCP headers into one buffer, of which each length has its view: nothing is made for a segment. */
import { MOST_HEADER_BYTES, Option, PLAIN_BYTES } from "./segment.js";

export class HeaderWriter {
  readonly #bytes = new Uint8Array(MOST_HEADER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  /** By words. */
  readonly #views = Array.from({ length: MOST_HEADER_BYTES / 4 + 1 }, (_, n) => this.#bytes.subarray(0, n * 4));
  #at = PLAIN_BYTES;

  begin(sourcePort: number, destinationPort: number, seq: number, ack: number, flags: number, window: number): void {
    const view = this.#view;
    view.setUint16(0, sourcePort);
    view.setUint16(2, destinationPort);
    view.setInt32(4, seq);
    view.setInt32(8, ack);
    view.setUint8(13, flags);
    view.setUint16(14, window);
    // Checksum and urgent pointer.
    view.setUint32(16, 0);
    this.#at = PLAIN_BYTES;
  }

  mss(mss: number): void {
    this.#view.setUint16(this.#at, (Option.MSS << 8) | 4);
    this.#view.setUint16(this.#at + 2, mss);
    this.#at += 4;
  }

  scale(shift: number): void {
    this.#view.setUint32(this.#at, (Option.NOP << 24) | (Option.SCALE << 16) | (3 << 8) | shift);
    this.#at += 4;
  }

  sackPermitted(): void {
    this.#view.setUint32(this.#at, (Option.NOP << 24) | (Option.NOP << 16) | (Option.SACK_PERMITTED << 8) | 2);
    this.#at += 4;
  }

  stamps(value: number, echo: number): void {
    this.#view.setUint32(this.#at, (Option.NOP << 24) | (Option.NOP << 16) | (Option.TIMESTAMPS << 8) | 10);
    this.#view.setInt32(this.#at + 4, value);
    this.#view.setInt32(this.#at + 8, echo);
    this.#at += 12;
  }

  /** The first of `count` ranges that fit. */
  sacks(count: number, from: Int32Array, to: Int32Array): void {
    const most = Math.min(count, Math.floor((MOST_HEADER_BYTES - this.#at - 4) / 8));
    this.#view.setUint32(this.#at, (Option.NOP << 24) | (Option.NOP << 16) | (Option.SACK << 8) | (2 + most * 8));
    this.#at += 4;
    for (let n = 0; n < most; n++) {
      this.#view.setInt32(this.#at, from[n]!);
      this.#view.setInt32(this.#at + 4, to[n]!);
      this.#at += 8;
    }
  }

  /** The header; good until the next one begins. */
  end(): Uint8Array {
    this.#view.setUint8(12, (this.#at / 4) << 4);
    return this.#views[this.#at / 4]!;
  }
}
