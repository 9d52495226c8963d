/**
 * Grants as Domain0 maps them: a page that a guest shares is used in place, in the machine's memory. [XEN] grant_table.h
 */
import { type CoreLink, PAGE_BYTES } from "../core-link/index.js";
import { err, ok, type Result } from "../util/index.js";

export interface MappedGrant {
  /** Machine address of the page. */
  readonly address: number;
  /** The page itself; the guest may be writing to it. */
  bytes(): Uint8Array;
  unmap(): void;
}

/** GNTST_* by number; an open set. */
const STATUS_NAMES = new Map([
  [-1, "general error"],
  [-2, "bad domain"],
  [-3, "bad reference"],
  [-8, "permission denied"],
  [-9, "bad page"],
]);

export class GrantTable {
  constructor(private readonly core: CoreLink) {}

  /** Machine address of a page, or a negative status. Each call wants its `unmapPage`, with the same `readonly`. */
  mapPage(domid: number, ref: number, readonly: boolean): number {
    const mapped = this.core.calls.grantMap(domid, ref, readonly ? 1 : 0);
    // Addresses from 2 GiB up come back as negative numbers too: statuses are the last few.
    return mapped < 0 && mapped > -PAGE_BYTES ? mapped : mapped >>> 0;
  }

  unmapPage(domid: number, ref: number, readonly: boolean): void {
    this.core.calls.grantUnmap(domid, ref, readonly ? 1 : 0);
  }

  map(domid: number, ref: number, readonly = false): Result<MappedGrant, "denied"> {
    const { memory } = this.core;
    const address = this.mapPage(domid, ref, readonly);
    if (address < 0) {
      return err("denied", `grant ${ref} of domain ${domid}: ${STATUS_NAMES.get(address) ?? `status ${address}`}`);
    }
    let live = true;
    return ok({
      address,
      bytes: () => memory.bytes(address, PAGE_BYTES),
      unmap: () => {
        if (live) this.unmapPage(domid, ref, readonly);
        live = false;
      },
    });
  }
}
