/** The multicast groups that a front end asked for, once it wants to be asked: others are not given to it. */

/** XEN_NETBK_MCAST_MAX of Linux. */
export const MOST_GROUPS = 64;
const BROADCAST_HALF = 0xffff;

export class Groups {
  /** Whether the front end takes only what it asked for. */
  active = false;
  readonly #addresses = new Float64Array(MOST_GROUPS);
  #count = 0;

  /** False when there are too many. */
  add(address: number): boolean {
    if (this.#find(address) >= 0) return true;
    if (this.#count === MOST_GROUPS) return false;
    this.#addresses[this.#count++] = address;
    return true;
  }

  remove(address: number): void {
    const at = this.#find(address);
    if (at >= 0) this.#addresses[at] = this.#addresses[--this.#count]!;
  }

  /** Whether a frame that begins so is for the guest, as far as groups go. */
  accepts(header: DataView): boolean {
    if (!this.active || (header.getUint8(0) & 1) === 0) return true;
    const high = header.getUint16(0);
    const low = header.getUint32(2);
    if (high === BROADCAST_HALF && low === 0xffff_ffff) return true;
    return this.#find(high * 0x1_0000_0000 + low) >= 0;
  }

  list(): number[] {
    return [...this.#addresses.subarray(0, this.#count)];
  }

  restore(addresses: readonly number[]): void {
    this.#count = 0;
    for (const address of addresses) this.add(address);
  }

  #find(address: number): number {
    for (let i = 0; i < this.#count; i++) if (this.#addresses[i] === address) return i;
    return -1;
  }
}
