/**
 * Domain0 and the pCPU of a deterministic machine in step: between two slices Domain0 does all that it was asked for
 * before, and only then, so that its answers come at an instruction that does not depend on how fast it is.
 */
import { MACHINE_BASE, Machine } from "../abi/structs/machine.js";

const wordOf = (field: keyof typeof Machine.off): number => (MACHINE_BASE + Machine.off[field]) >>> 2;
const [DOORBELL, PRESENTED, SERVED] = [wordOf("doorbell"), wordOf("presented"), wordOf("served")];
/** Longest single sleep, ms. */
const SLEEP_MAX_MS = 1000;

/** Shows Domain0 its doorbell, and sleeps until it has done everything; nothing on a machine that is not deterministic. */
export function waitForDomain0(words: Int32Array): void {
  if (words[wordOf("deterministic")] === 0) return;
  for (;;) {
    const rung = Atomics.load(words, DOORBELL);
    const done = Atomics.load(words, SERVED);
    if (done === rung) return;
    if (Atomics.load(words, PRESENTED) !== rung) {
      Atomics.store(words, PRESENTED, rung);
      Atomics.notify(words, PRESENTED);
    }
    Atomics.wait(words, SERVED, done, SLEEP_MAX_MS);
  }
}
