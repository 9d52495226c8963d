/**
 * One Ethernet frame on its way through Domain0, without FCS. Its bytes stay where the sender has them, in fragments of
 * guest memory or in a buffer of ours; whoever receives it copies them once. A packet belongs to its sender, who uses it
 * again for the next frame: it is good during the call that passes it on, and no longer.
 */
import { type MachineMemory, PAGE_BYTES } from "../core-link/index.js";
import { aligned, fold, sumBytes, sumView } from "./sum.js";

/** Enough for Ethernet with a VLAN tag, IPv6 with a few extension headers, and TCP with all options. */
export const HEADER_BYTES = 160;
/** Most bytes of a frame, a large segment included: an Ethernet header, a VLAN tag and an IP packet. */
export const MOST_FRAME_BYTES = 65535 + 18;
/** Fragments of one frame: what the largest takes when its header and three pieces of payload begin within pages. */
export const MOST_FRAGMENTS = Math.ceil(MOST_FRAME_BYTES / PAGE_BYTES) + 6;

/** What a large segment is of. The numbers are netif's: [XEN] io/netif.h XEN_NETIF_GSO_TYPE_*. */
export const GsoType = { NONE: 0, TCPV4: 1, TCPV6: 2 } as const;
export type GsoType = (typeof GsoType)[keyof typeof GsoType];

/** What is said of a frame besides its bytes. */
export type FrameNotes = Readonly<Pick<Packet, "partialChecksum" | "dataValidated" | "gsoSize" | "gsoType" | "payer">>;

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
  /**
   * MAC of the interface by which it came into the switch, whatever address it is from; null where several stations are behind
   * the port. It pays for what the network does for the frame.
   */
  payer: Uint8Array | null = null;
  /** Fragments of machine memory: address and length of each. None when `bytes` holds the frame. */
  fragments = 0;
  readonly addresses = new Float64Array(1 + MOST_FRAGMENTS);
  readonly lengths = new Uint32Array(1 + MOST_FRAGMENTS);
  /** The buffer of ours that holds what comes after the header, and where the frame's first byte would lie in it. */
  #bytes: Uint8Array | null = null;
  #origin = 0;

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
    for (let i = 0; i < this.fragments && at < this.headerLength; i++) {
      const count = Math.min(this.lengths[i]!, this.headerLength - at);
      this.memory!.fetch(this.addresses[i]!, this.headerView, at, count);
      at += count;
    }
  }

  /** Is the frame in `bytes`, which must not change before the packet has been passed on. */
  wrap(bytes: Uint8Array): void {
    this.length = bytes.length;
    this.fragments = 0;
    this.#bytes = bytes;
    this.#origin = 0;
    this.#plain();
    this.headerLength = Math.min(bytes.length, HEADER_BYTES);
    this.header.set(this.headerLength === bytes.length ? bytes : bytes.subarray(0, this.headerLength));
  }

  /** As wrap, of a frame of which the same is said as of another. */
  wrapLike(bytes: Uint8Array, { partialChecksum, dataValidated, gsoSize, gsoType, payer }: FrameNotes): void {
    this.wrap(bytes);
    this.partialChecksum = partialChecksum;
    this.dataValidated = dataValidated;
    this.gsoSize = gsoSize;
    this.gsoType = gsoType;
    this.payer = payer;
  }

  /** Is a header like the first `header` bytes of `whole`, of which the caller may change ours, and `count` bytes of it from `from` on. */
  slice(whole: Packet, header: number, from: number, count: number): void {
    this.#plain();
    this.length = header + count;
    this.headerLength = header;
    for (let i = 0; i < header; i++) this.header[i] = whole.header[i]!;
    this.#bytes = whole.#bytes;
    this.#origin = whole.#origin + from - header;
    this.fragments = 0;
    if (whole.#bytes !== null) return;
    // Nobody looks for the header in memory.
    this.addresses[0] = 0;
    this.lengths[0] = header;
    this.fragments = 1;
    this.#addRange(whole, from, count);
  }

  /** Copies `[from, from + count)` of the frame into `target` at `at`. */
  copyTo(target: Uint8Array, at: number, from: number, count: number): void {
    const head = Math.max(Math.min(count, this.headerLength - from), 0);
    for (let i = 0; i < head; i++) target[at + i] = this.header[from + i]!;
    if (head === count) return;
    if (this.#bytes !== null) {
      const start = this.#origin + from + head;
      target.set(this.#bytes.subarray(start, start + count - head), at + head);
      return;
    }
    let skip = from + head;
    let done = head;
    for (let i = 0; done < count && i < this.fragments; i++) {
      const length = this.lengths[i]!;
      const take = Math.min(length - skip, count - done);
      if (take > 0) {
        target.set(this.memory!.bytes(this.addresses[i]! + skip, take), at + done);
        done += take;
      }
      skip = Math.max(skip - length, 0);
    }
  }

  /** Copies `[from, from + count)` of the frame to a machine address; what lies in machine memory is copied just once. */
  copyToMachine(memory: MachineMemory, address: number, from: number, count: number): void {
    const head = Math.max(Math.min(count, this.headerLength - from), 0);
    if (head > 0) memory.put(address, this.headerView, from, head);
    if (head === count) return;
    if (this.#bytes !== null) {
      const start = this.#origin + from + head;
      memory.write(address + head, this.#bytes.subarray(start, start + count - head));
      return;
    }
    let skip = from + head;
    let done = head;
    for (let i = 0; done < count && i < this.fragments; i++) {
      const length = this.lengths[i]!;
      const take = Math.min(length - skip, count - done);
      if (take > 0) {
        memory.move(address + done, this.addresses[i]! + skip, take);
        done += take;
      }
      skip = Math.max(skip - length, 0);
    }
  }

  /**
   * Adds up `[from, to)` as big-endian 16-bit words, with what is missing at an odd end taken as zero: a sum of 16 bits for
   * checksums. [RFC 1071]
   */
  sum(from: number, to: number): number {
    let total = 0;
    const head = Math.min(to, this.headerLength);
    if (from < head) total = sumView(this.headerView, from, head);
    let at = Math.max(from, head);
    if (at >= to) return fold(total);
    if (this.#bytes !== null) {
      return fold(total + aligned(sumBytes(this.#bytes, this.#origin + at, this.#origin + to), at - from));
    }
    let start = 0;
    for (let i = 0; at < to && i < this.fragments; i++) {
      const end = start + this.lengths[i]!;
      if (end > at) {
        const last = Math.min(end, to);
        const address = this.addresses[i]! - start;
        const part = sumView(this.memory!.view(address + last), address + at, address + last);
        total += aligned(part, at - from);
        at = last;
      }
      start = end;
    }
    return fold(total);
  }

  /** Adds the fragments that hold `[from, from + count)` of another packet. */
  #addRange(whole: Packet, from: number, count: number): void {
    let skip = from;
    let left = count;
    for (let i = 0; left > 0 && i < whole.fragments; i++) {
      const length = whole.lengths[i]!;
      const take = Math.min(length - skip, left);
      if (take > 0) {
        this.addresses[this.fragments] = whole.addresses[i]! + skip;
        this.lengths[this.fragments++] = take;
        left -= take;
      }
      skip = Math.max(skip - length, 0);
    }
  }

  #plain(): void {
    this.partialChecksum = false;
    this.dataValidated = false;
    this.gsoSize = 0;
    this.gsoType = GsoType.NONE;
    this.payer = null;
  }
}
