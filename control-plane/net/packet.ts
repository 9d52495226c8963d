/**
 * One Ethernet frame on its way through Domain0, without FCS. Its bytes stay where the sender has them, in fragments of
 * guest memory or in a buffer of ours; whoever receives it copies them once. A packet belongs to its sender, who uses it
 * again for the next frame: it is good during the call that passes it on, and no longer.
 */
import { type MachineMemory, PAGE_BYTES } from "../core-link/index.js";

/** Enough for Ethernet with a VLAN tag, IPv6 with a few extension headers, and TCP with all options. */
export const HEADER_BYTES = 160;
/** Most bytes of a frame, a large segment included: an Ethernet header, a VLAN tag and an IP packet. */
export const MOST_FRAME_BYTES = 65535 + 18;
/** Fragments of one frame: what the largest takes when its header and three pieces of payload begin within pages. */
export const MOST_FRAGMENTS = Math.ceil(MOST_FRAME_BYTES / PAGE_BYTES) + 6;

/** What a large segment is of. The numbers are netif's: [XEN] io/netif.h XEN_NETIF_GSO_TYPE_*. */
export const GsoType = { NONE: 0, TCPV4: 1, TCPV6: 2 } as const;
export type GsoType = (typeof GsoType)[keyof typeof GsoType];

export class Packet {
  /** Bytes of the frame. */
  length = 0;
  /** The first bytes, read once: guests may change theirs meanwhile, so that decisions rest on these and these are what is sent on. */
  readonly header = new Uint8Array(HEADER_BYTES);
  readonly headerView = new DataView(this.header.buffer);
  /** Valid bytes of `header`. */
  headerLength = 0;
  /** The TCP or UDP checksum field holds the pseudo header's sum only. */
  partialChecksum = false;
  /** The sender vouches for the checksums: nobody has to look at them. */
  dataValidated = false;
  /** Payload bytes of each segment that a large one stands for; 0 when it is not large. */
  gsoSize = 0;
  gsoType: GsoType = GsoType.NONE;
  /** Fragments of machine memory: address and length of each. None when `bytes` holds the frame. */
  fragments = 0;
  readonly addresses = new Float64Array(MOST_FRAGMENTS);
  readonly lengths = new Uint32Array(MOST_FRAGMENTS);
  #bytes: Uint8Array | null = null;

  constructor(private readonly memory: MachineMemory | null) {}

  /** Begins a frame that lies in machine memory; `add` its fragments, then `seal` it. */
  begin(): void {
    this.length = 0;
    this.fragments = 0;
    this.#bytes = null;
    this.#plain();
  }

  /** Adds a fragment. False when there are too many or the frame becomes too long. */
  add(address: number, length: number): boolean {
    if (this.fragments === MOST_FRAGMENTS || this.length + length > MOST_FRAME_BYTES) return false;
    this.addresses[this.fragments] = address;
    this.lengths[this.fragments++] = length;
    this.length += length;
    return true;
  }

  /** Reads the header, once. */
  seal(): void {
    this.headerLength = Math.min(this.length, HEADER_BYTES);
    let at = 0;
    for (let i = 0; at < this.headerLength; i++) {
      const count = Math.min(this.lengths[i]!, this.headerLength - at);
      this.header.set(this.memory!.bytes(this.addresses[i]!, count), at);
      at += count;
    }
  }

  /** Is the frame in `bytes`, which must not change before the packet has been passed on. */
  wrap(bytes: Uint8Array): void {
    this.length = bytes.length;
    this.fragments = 0;
    this.#bytes = bytes;
    this.#plain();
    this.headerLength = Math.min(bytes.length, HEADER_BYTES);
    this.header.set(this.headerLength === bytes.length ? bytes : bytes.subarray(0, this.headerLength));
  }

  /** Copies `[from, from + count)` of the frame into `target` at `at`. */
  copyTo(target: Uint8Array, at: number, from: number, count: number): void {
    this.#copy(from, count, (bytes, done) => target.set(bytes, at + done));
  }

  /** Copies `[from, from + count)` of the frame to a machine address. */
  copyToMachine(memory: MachineMemory, address: number, from: number, count: number): void {
    this.#copy(from, count, (bytes, done) => memory.write(address + done, bytes));
  }

  #plain(): void {
    this.partialChecksum = false;
    this.dataValidated = false;
    this.gsoSize = 0;
    this.gsoType = GsoType.NONE;
  }

  #copy(from: number, count: number, put: (bytes: Uint8Array, done: number) => void): void {
    let done = 0;
    if (from < this.headerLength) {
      done = Math.min(count, this.headerLength - from);
      put(this.header.subarray(from, from + done), 0);
    }
    if (done === count) return;
    if (this.#bytes !== null) {
      put(this.#bytes.subarray(from + done, from + count), done);
      return;
    }
    let skip = from + done;
    for (let i = 0; done < count; i++) {
      const length = this.lengths[i]!;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const take = Math.min(length - skip, count - done);
      put(this.memory!.bytes(this.addresses[i]! + skip, take), done);
      done += take;
      skip = 0;
    }
  }
}
