/**
 * Domain0 and the pCPU of a deterministic machine in step: between two slices Domain0 does all that it was asked for
 * before, and only then, so that its answers come at an instruction that does not depend on how fast it is.
 */
import { MACHINE_BASE, Machine } from "../abi/structs/machine.js";

const wordOf = (field: keyof typeof Machine.off): number => (MACHINE_BASE + Machine.off[field]) >>> 2;
const [DOORBELL, PRESENTED, SERVED] = [wordOf("doorbell"), wordOf("presented"), wordOf("served")];
/** Longest single sleep, ms. */
const SLEEP_MAX_MS = 1000;

/** Shows Domain0 its doorbell; whether it has done everything. Always so on a machine that is not deterministic. */
export function isInStep(words: Int32Array): boolean {
  if (words[wordOf("deterministic")] === 0) return true;
  const rung = Atomics.load(words, DOORBELL);
  if (Atomics.load(words, SERVED) === rung) return true;
  if (Atomics.load(words, PRESENTED) !== rung) {
    Atomics.store(words, PRESENTED, rung);
    Atomics.notify(words, PRESENTED);
  }
  return false;
}

/** Sleeps until Domain0 has done everything. */
export function waitForDomain0(words: Int32Array): void {
  for (;;) {
    const done = Atomics.load(words, SERVED);
    if (isInStep(words)) return;
    Atomics.wait(words, SERVED, done, SLEEP_MAX_MS);
  }
}
