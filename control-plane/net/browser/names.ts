/**
 * Names without a resolver: a page cannot ask for addresses, so each name that a guest asks for is given one out of a
 * range that is kept for tests of devices, and what the guest then connects to is the name. [RFC 2544] appendix C.2.2
 */

/** 198.18.0.0/15 without its ends. */
const FIRST = 0xc6120001;
const COUNT = 0x1fffe;
const MOST_NAME = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

const dotted = (address: number): string =>
  [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join(".");

const isName = (name: string): boolean =>
  name.length > 0 && name.length <= MOST_NAME && name.split(".").every((label) => LABEL.test(label));

export class InventedAddresses {
  readonly #byName = new Map<string, string>();
  readonly #byAddress = new Map<string, string>();
  #next = 0;

  /** @param most names that are remembered: the oldest goes for the next */
  constructor(private readonly most = 8192) {}

  /** The address of a name; null when it is none. */
  addressOf(name: string): string | null {
    const key = name.toLowerCase().replace(/\.$/, "");
    if (!isName(key)) return null;
    const known = this.#byName.get(key);
    if (known !== undefined) return known;
    if (this.#byName.size >= this.most) this.#forgetOldest();
    let address = dotted(FIRST + this.#next);
    while (this.#byAddress.has(address)) {
      this.#next = (this.#next + 1) % COUNT;
      address = dotted(FIRST + this.#next);
    }
    this.#next = (this.#next + 1) % COUNT;
    this.#byName.set(key, address);
    this.#byAddress.set(address, key);
    return address;
  }

  /** The name that was given the address, or null. */
  nameOf(address: string): string | null {
    return this.#byAddress.get(address) ?? null;
  }

  #forgetOldest(): void {
    const [name, address] = this.#byName.entries().next().value!;
    this.#byName.delete(name);
    this.#byAddress.delete(address);
  }
}
