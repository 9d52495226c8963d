/**
 * A domain's memory by guest-physical address, as Domain0 writes a kernel into it or reads a dump out of it. Pages are
 * populated as they are touched, so what stays zero costs nothing. A page is pinned for as long as its machine address is
 * used: the guest may give it away at any time, and then it may be another's.
 */
import { type CoreLink, PAGE_BYTES } from "../core-link/index.js";

const WORD_BYTES = 4;

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

  /** Copies a page that exists to the start of `to`; one that was never touched leaves it as it is. */
  read(gfn: number, to: Uint8Array): void {
    const address = this.core.calls.domainHold(this.domid, gfn) >>> 0;
    if (address === 0) return;
    to.set(this.core.memory.bytes(address, PAGE_BYTES));
    this.core.calls.domainUnpin(address);
  }

  #writePart(gfn: number, inPage: number, bytes: Uint8Array): boolean {
    // A page that was never touched reads as zeros already; kernels bring megabytes of them.
    if (isZero(bytes) && this.core.calls.domainPeek(this.domid, gfn) === 0) return true;
    const page = this.core.calls.domainPin(this.domid, gfn) >>> 0;
    if (page === 0) return false;
    this.core.memory.write(page + inPage, bytes);
    this.core.calls.domainUnpin(page);
    return true;
  }
}

function isZero(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (; at + WORD_BYTES <= bytes.length; at += WORD_BYTES) if (view.getUint32(at) !== 0) return false;
  for (; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
