/**
 * The Toeplitz hash of a flow, by which receivers spread over queues: for each bit of the input that is set, the 32 bits of
 * the key that begin at its place are taken together by exclusive or. [MS-RSS] "RSS Hashing Types"
 */
import { addressBytes } from "./checksum.js";
import type { Headers } from "./headers.js";

/** Enough for two IPv6 addresses and two ports. */
export const TOEPLITZ_KEY_BYTES = 40;
const MOST_INPUT_BYTES = 36;
const PORTS_BYTES = 4;

/** The key of the published examples, which drivers start with. */
export const DEFAULT_KEY: Uint8Array = Uint8Array.from([
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b,
  0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
  0x01, 0xfa,
]);

export class Toeplitz {
  /** What each value of each byte of the input adds. */
  readonly #table = new Uint32Array(MOST_INPUT_BYTES * 256);

  /** A key that is shorter than the longest has zeroes behind it. */
  constructor(key: Uint8Array) {
    const padded = new DataView(new ArrayBuffer(TOEPLITZ_KEY_BYTES + 4));
    for (let i = 0; i < TOEPLITZ_KEY_BYTES; i++) padded.setUint8(i, key[i] ?? 0);
    for (let place = 0; place < MOST_INPUT_BYTES; place++) this.#fill(padded, place);
  }

  /** Of the addresses, and of the ports when they are asked for and there are any. */
  hash(header: Uint8Array, headers: Headers, ports: boolean): number {
    const count = addressBytes(headers);
    const hash = this.#add(0, header, headers.source, count, 0);
    return (ports && headers.l4 !== 0 ? this.#add(hash, header, headers.l4, PORTS_BYTES, count) : hash) >>> 0;
  }

  #add(hash: number, bytes: Uint8Array, from: number, count: number, place: number): number {
    let sum = hash;
    for (let i = 0; i < count; i++) sum ^= this.#table[((place + i) << 8) | bytes[from + i]!]!;
    return sum;
  }

  #fill(key: DataView, place: number): void {
    const high = key.getUint32(place);
    const next = key.getUint8(place + 4);
    for (let value = 1; value < 256; value++) {
      const lowest = 31 - Math.clz32(value & -value);
      const shift = 7 - lowest;
      const window = (high << shift) | (next >>> (8 - shift));
      this.#table[(place << 8) | value] = this.#table[(place << 8) | (value & (value - 1))]! ^ window;
    }
  }
}
