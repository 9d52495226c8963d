/** Which domains there are: by number, by name, and what became of those that are gone. */
import type { DomId } from "../api/types.js";
import type { DomainRecord, Outcome } from "./record.js";

/** Domain numbers that guests may have. [XEN] xen.h DOMID_FIRST_RESERVED */
const FIRST_DOMID = 1;
const LAST_DOMID = 0x7fef;
const ENDED_KEPT = 256;

export class DomainRegistry {
  readonly #records = new Map<number, DomainRecord>();
  readonly #ended = new Map<number, Outcome>();
  readonly #promised = new Set<string>();
  #nextDomid = FIRST_DOMID;

  all(): IterableIterator<DomainRecord> {
    return this.#records.values();
  }

  get size(): number {
    return this.#records.size;
  }

  get(domid: number): DomainRecord | undefined {
    return this.#records.get(domid);
  }

  byName(name: string): DomainRecord | undefined {
    for (const record of this.#records.values()) if (record.name === name && !record.dying) return record;
    return undefined;
  }

  /** Whether a name is another domain's than `own`, or promised to one. */
  isTaken(name: string, own?: DomainRecord): boolean {
    const other = this.byName(name);
    return this.#promised.has(name) || (other !== undefined && other !== own);
  }

  /** Keeps a name for a domain that is to come; the answer ends that. */
  promise(name: string): () => void {
    this.#promised.add(name);
    return () => this.#promised.delete(name);
  }

  /** The next unused number; they go up, so that an old one is not met again soon. Null when all are taken. */
  allocateDomid(): DomId | null {
    for (let tries = FIRST_DOMID; tries <= LAST_DOMID; tries++) {
      const domid = this.#nextDomid;
      this.#nextDomid = domid === LAST_DOMID ? FIRST_DOMID : domid + 1;
      if (!this.#records.has(domid)) {
        this.#ended.delete(domid);
        return domid as DomId;
      }
    }
    return null;
  }

  add(record: DomainRecord): void {
    this.#records.set(record.domid, record);
  }

  /** Forgets a domain but for how it ended. */
  remove(record: DomainRecord, outcome: Outcome): void {
    this.#records.delete(record.domid);
    this.#ended.set(record.domid, outcome);
    const oldest = this.#ended.keys().next().value;
    if (this.#ended.size > ENDED_KEPT && oldest !== undefined) this.#ended.delete(oldest);
  }

  outcomeOf(domid: number): Outcome | undefined {
    return this.#ended.get(domid);
  }
}
