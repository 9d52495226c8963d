/**
 * A page is about to be written while another pCPU takes its entry out of the page table. Whoever finds the entry clean
 * drops the page without saving it, so from then on nobody may write. Two threads, many rounds. [SDM] vol. 3A, 4.8
 */
import { expect, it } from "vitest";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { startThread } from "../support/second-thread.js";

const ROUNDS = 20_000;
/** Longest pause before the entry is taken out, in rounds of an empty loop. */
const PAUSE = 200;
const LINEAR = 0x400000;
/** In a page of the guest that nothing else uses. */
const WORD_AT = 0x3f000n;
const [PD, ENTRIES] = [0x3000n, 512n];
const [ADDRESS, DIRTY, ACCESSED] = [0xfffffffff000n, 0x40n, 0x20n];
const WALK_OK = -1;

it("an entry that was taken out clean is not written by", { timeout: 120_000 }, async () => {
  const core = await makeTestCore();
  const machine = new LongModeMachine(core);
  machine.mapUser({ linear: LINEAR, bytes: 4096, writable: true });
  machine.enterUser(64, 0n);
  machine.refresh();
  const { buffer } = core.memory;
  const entries = new BigUint64Array(buffer);
  const table = entries[machine.at(PD + 8n * (BigInt(LINEAR) >> 21n)) >>> 3]! & ADDRESS;
  const at = machine.at(table + 8n * ((BigInt(LINEAR) >> 12n) % ENTRIES)) >>> 3;
  const clean = entries[at]! & ~(DIRTY | ACCESSED);
  const words = new Int32Array(buffer);
  const word = machine.at(WORD_AT) >>> 2;
  const data = { cpu: machine.cpu, linear: BigInt(LINEAR), word: word << 2, rounds: ROUNDS };
  const thread = await startThread(core, `core.testWalks(d.cpu, d.linear, d.word, d.rounds); say("done");`, data);
  let lost = 0;
  let written = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    Atomics.store(entries, at, clean);
    Atomics.store(words, word, round);
    for (let pause = (Math.imul(round, 0x9e3779b1) >>> 8) % PAUSE; pause > 0; pause--) Atomics.load(words, word + 3);
    const old = Atomics.exchange(entries, at, 0n);
    while (Atomics.load(words, word + 1) !== round);
    if (words[word + 2] !== WALK_OK) continue;
    written++;
    if ((old & DIRTY) === 0n) lost++;
  }
  await thread.said;
  await thread.stop();
  expect(written).toBeGreaterThan(0);
  expect(lost).toBe(0);
});
