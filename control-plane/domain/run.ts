/**
 * Runs plans: atoms one after the other, and one plan at a time per domain, so that two requests never interleave on
 * the same domain while different domains do not wait for each other.
 */
import { ok } from "../util/index.js";
import { type Atom, type AtomContext, type AtomResult, performAtom } from "./atoms.js";
import type { DomainRecord } from "./record.js";

/** Stops at the first atom that fails. */
export async function runPlan(context: AtomContext, record: DomainRecord, plan: readonly Atom[]): Promise<AtomResult> {
  for (const atom of plan) {
    const result = await performAtom(context, record, atom);
    if (result.ok) continue;
    context.log.write(`d${record.domid}: ${atom}: ${result.error.message}`);
    return result;
  }
  return ok(undefined);
}

/** Runs every atom whatever the others answer: taking down must not stop half way. */
export async function runAll(context: AtomContext, record: DomainRecord, plan: readonly Atom[]): Promise<void> {
  for (const atom of plan) {
    const result = await performAtom(context, record, atom);
    if (!result.ok) context.log.write(`d${record.domid}: ${atom}: ${result.error.message}`);
  }
}

/** One line of work per domain. */
export class DomainQueues {
  readonly #tails = new Map<number, Promise<unknown>>();

  enqueue<T>(domid: number, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(domid) ?? Promise.resolve();
    const result = before.then(work, work);
    const tail = result
      .catch(() => undefined)
      .then(() => {
        if (this.#tails.get(domid) === tail) this.#tails.delete(domid);
      });
    this.#tails.set(domid, tail);
    return result;
  }
}
