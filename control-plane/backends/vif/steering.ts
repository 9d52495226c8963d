/**
 * Which queue a frame is given to: one flow always the same. The front end may say how over the control ring; otherwise all
 * queues are used alike. [XEN] io/netif.h "Hash types", "XEN_NETIF_CTRL_TYPE_*"
 */
import { DEFAULT_KEY, type Headers, IpProtocol, TOEPLITZ_KEY_BYTES, Toeplitz } from "../../net/index.js";
import { ALL_HASH_FLAGS, HashAlgorithm, HashType } from "./codec.js";
import type { SavedSteering } from "./saved.js";

/** Entries of the table from hashes to queues, as in Linux. */
export const MOST_MAPPING = 128;
export const NO_HASH = -1;

const OWN = new Toeplitz(DEFAULT_KEY);

export class Steering {
  /** Of the frame that `select` was last asked about: what the front end's hash was made of, and its value. */
  hashType = NO_HASH;
  hash = 0;
  #algorithm: number = HashAlgorithm.NONE;
  #flags = 0;
  #key = new Uint8Array(TOEPLITZ_KEY_BYTES);
  #toeplitz = OWN;
  #mapping = new Uint32Array(0);

  /** Whether frames come with their hash. */
  get isHashing(): boolean {
    return this.#algorithm !== HashAlgorithm.NONE;
  }

  get mappingSize(): number {
    return this.#mapping.length;
  }

  /** The queue for a frame. */
  select(header: Uint8Array, headers: Headers, queues: number): number {
    this.hashType = NO_HASH;
    if (!this.isHashing) {
      if (queues === 1 || headers.family === 0) return 0;
      return OWN.hash(header, headers, true) % queues;
    }
    this.hashType = this.#typeOf(headers);
    this.hash = 0;
    if (this.hashType !== NO_HASH) {
      const ports = this.hashType === HashType.IPV4_TCP || this.hashType === HashType.IPV6_TCP;
      this.hash = this.#toeplitz.hash(header, headers, ports);
    }
    const size = this.#mapping.length;
    const queue = size === 0 ? this.hash % queues : this.#mapping[this.hash % size]!;
    // A table may have been made for more queues than there are after a restore.
    return queue < queues ? queue : 0;
  }

  // --- what the control ring sets; false when it makes no sense

  setAlgorithm(algorithm: number): boolean {
    if (algorithm !== HashAlgorithm.NONE && algorithm !== HashAlgorithm.TOEPLITZ) return false;
    this.#algorithm = algorithm;
    this.hashType = NO_HASH;
    return true;
  }

  setFlags(flags: number): boolean {
    if (!this.isHashing || (flags & ~ALL_HASH_FLAGS) !== 0) return false;
    this.#flags = flags;
    return true;
  }

  /** A key that is too short has zeroes behind it. */
  setKey(key: Uint8Array): boolean {
    if (key.length > TOEPLITZ_KEY_BYTES) return false;
    this.#key = new Uint8Array(TOEPLITZ_KEY_BYTES);
    this.#key.set(key);
    this.#toeplitz = new Toeplitz(this.#key);
    return true;
  }

  /** All entries of a new table are queue 0. */
  setMappingSize(size: number): boolean {
    if (size > MOST_MAPPING) return false;
    this.#mapping = new Uint32Array(size);
    return true;
  }

  setMapping(entries: Uint32Array, from: number, queues: number): boolean {
    if (from + entries.length > this.#mapping.length || entries.some((queue) => queue >= queues)) return false;
    this.#mapping.set(entries, from);
    return true;
  }

  save(): SavedSteering {
    return { algorithm: this.#algorithm, flags: this.#flags, key: [...this.#key], mapping: [...this.#mapping] };
  }

  restore({ algorithm, flags, key, mapping }: SavedSteering): void {
    this.#algorithm = algorithm;
    this.#flags = flags;
    this.setKey(Uint8Array.from(key));
    this.#mapping = Uint32Array.from(mapping);
  }

  #typeOf({ family, protocol, l4 }: Headers): number {
    if (family === 0) return NO_HASH;
    const [withPorts, addresses] =
      family === 4 ? [HashType.IPV4_TCP, HashType.IPV4] : [HashType.IPV6_TCP, HashType.IPV6];
    if (protocol === IpProtocol.TCP && l4 !== 0 && this.#has(withPorts)) return withPorts;
    return this.#has(addresses) ? addresses : NO_HASH;
  }

  #has(type: number): boolean {
    return (this.#flags & (1 << type)) !== 0;
  }
}
