/**
 * A domain's memory by guest-physical address, as Domain0 writes a kernel into it or reads a dump out of it. Pages are
 * populated as they are touched, so what stays zero costs nothing.
 */
import { type CoreLink, PAGE_BYTES } from "../core-link/index.js";

export class GuestMemory {
  constructor(
    private readonly core: CoreLink,
    private readonly domid: number,
  ) {}

  /** Writes bytes; false when an address is not RAM of the domain or the machine has no frame left. */
  write(address: number, bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      const inPage = (address + at) % PAGE_BYTES;
      const count = Math.min(bytes.length - at, PAGE_BYTES - inPage);
      const part = bytes.subarray(at, at + count);
      if (!this.#writePart(Math.floor((address + at) / PAGE_BYTES), inPage, part)) return false;
      at += count;
    }
    return true;
  }

  /** Machine address of a page, populated; 0 when it is not RAM or there is no frame left. */
  page(gfn: number): number {
    return this.core.calls.domainPage(this.domid, gfn) >>> 0;
  }

  /** A copy of a page that exists; null for one that was never touched. */
  peek(gfn: number): Uint8Array | null {
    const address = this.core.calls.domainPeek(this.domid, gfn) >>> 0;
    return address === 0 ? null : this.core.memory.copy(address, PAGE_BYTES);
  }

  #writePart(gfn: number, inPage: number, bytes: Uint8Array): boolean {
    // A page that was never touched reads as zeros already; kernels bring megabytes of them.
    if (isZero(bytes) && this.core.calls.domainPeek(this.domid, gfn) === 0) return true;
    const page = this.page(gfn);
    if (page === 0) return false;
    this.core.memory.write(page + inPage, bytes);
    return true;
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
