/**
 * The guest's pages behind the requests of one connection: grants are mapped for a request and let go after it, or, when
 * the front end uses a pool of pages that it grants for good, kept mapped.
 */
import type { BackendIo } from "../backend.js";
import type { BlkRequest } from "./codec.js";

/** Pages that one ring keeps mapped: three rings full of direct requests, as Linux's own back end does. */
const MOST_PERSISTENT = 1056;
const SECTOR_SHIFT = 9;
export const LAST_SECTOR_OF_PAGE = 7;

/** What is mapped for one request, and the buffers that a disk is given. */
export class Mapping {
  /** Views of guest memory; neighbours in machine memory are one. */
  readonly buffers: Uint8Array[] = [];
  count = 0;
  readonly = false;
  readonly kept: Uint8Array;

  constructor(most: number) {
    this.kept = new Uint8Array(most);
  }
}

export class GuestPages {
  readonly #persistent = new Map<number, number>();

  constructor(
    private readonly io: BackendIo,
    private readonly keep: boolean,
  ) {}

  /** Maps a request's segments; `readonly` when the guest's pages are only read. What is wrong, or null: then nothing stays mapped. */
  map(request: BlkRequest, mapping: Mapping, readonly: boolean): string | null {
    mapping.count = 0;
    mapping.readonly = readonly;
    mapping.buffers.length = 0;
    let start = 0;
    let end = 0;
    for (let i = 0; i < request.segments; i++) {
      const first = request.first[i]!;
      const last = request.last[i]!;
      const wrong = first > last || last > LAST_SECTOR_OF_PAGE ? `sectors ${first} to ${last} of a page` : null;
      const page = wrong === null ? this.#mapOne(request.refs[i]!, mapping) : -1;
      if (page < 0) {
        this.unmap(request, mapping);
        return wrong ?? `grant ${request.refs[i]} cannot be mapped (${page})`;
      }
      const from = page + (first << SECTOR_SHIFT);
      if (from !== end) {
        if (end > start) mapping.buffers.push(this.io.memory.bytes(start, end - start));
        start = from;
      }
      end = page + ((last + 1) << SECTOR_SHIFT);
    }
    if (end > start) mapping.buffers.push(this.io.memory.bytes(start, end - start));
    return null;
  }

  unmap(request: BlkRequest, mapping: Mapping): void {
    for (let i = 0; i < mapping.count; i++) {
      if (mapping.kept[i] === 0) this.io.unmapPage(request.refs[i]!, mapping.readonly);
    }
    mapping.count = 0;
    mapping.buffers.length = 0;
  }

  /** Lets go of what was kept. */
  close(): void {
    for (const ref of this.#persistent.keys()) this.io.unmapPage(ref, false);
    this.#persistent.clear();
  }

  #mapOne(ref: number, mapping: Mapping): number {
    const known = this.#persistent.get(ref);
    if (known !== undefined) {
      mapping.kept[mapping.count++] = 1;
      return known;
    }
    const keep = this.keep && this.#persistent.size < MOST_PERSISTENT;
    const page = this.io.mapPage(ref, keep ? false : mapping.readonly);
    if (page < 0) return page;
    if (keep) this.#persistent.set(ref, page);
    mapping.kept[mapping.count++] = keep ? 1 : 0;
    return page;
  }
}
