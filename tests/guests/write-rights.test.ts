/**
 * A vCPU that changes its address space while another pCPU takes the right to write a frame from it, because code was
 * found there: global pages go along, and the right must not come back on the way. Two threads, many rounds.
 */
import { describe, expect, it } from "vitest";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { startThread } from "../support/second-thread.js";

const ROUNDS = 3000;
/** In a page of the guest that nothing else uses. */
const WORD_AT = 0x3f000n;

describe("the right to write a frame", () => {
  it("that was taken away stays away over a change of address space", { timeout: 120_000 }, async () => {
    const core = await makeTestCore();
    const machine = new LongModeMachine(core);
    machine.refresh();
    const [host, word] = [machine.at(0x3e000n), machine.at(WORD_AT)];
    const data = { cpu: machine.cpu, host, word, rounds: ROUNDS };
    const thread = await startThread(core, `core.testProtect(d.cpu, d.host, d.word, d.rounds); say("done");`, data);
    expect(core.call.testCarry(machine.cpu, host, word, ROUNDS)).toBe(0);
    await thread.said;
    await thread.stop();
  });
});
