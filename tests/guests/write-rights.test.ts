/**
 * A vCPU that changes its address space while another pCPU takes the right to write a frame from it, because code was
 * found there: global pages go along, and the right must not come back on the way. Two threads, many rounds.
 */
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";

const ROUNDS = 3000;
const OWNER = 2;
/** In a page of the guest that nothing else uses. */
const WORD_AT = 0x3f000n;

describe("the right to write a frame", () => {
  it("that was taken away stays away over a change of address space", { timeout: 120_000 }, async () => {
    const core = await makeTestCore();
    const machine = new LongModeMachine(core);
    machine.refresh();
    const [host, word] = [machine.at(0x3e000n), machine.at(WORD_AT)];
    const source = `
      const { workerData: d, parentPort } = require("node:worker_threads");
      const env = { memory: d.memory, lockOwner: d.owner, hostNow: () => 0, hostWallClock: () => 0, hostRandom: () => 0,
        hostTrace() {}, hostNap() {}, hostWait() {}, abort() {} };
      WebAssembly.instantiate(d.module, { env }).then((i) => {
        i.exports.testProtect(d.cpu, d.host, d.word, d.rounds);
        parentPort.postMessage("done");
      });`;
    const { module, memory } = core;
    const workerData = { module, memory, cpu: machine.cpu, host, word, rounds: ROUNDS, owner: OWNER };
    const worker = new Worker(source, { eval: true, workerData });
    const done = new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await new Promise((resolve) => worker.once("online", resolve));
    expect(core.call.testCarry(machine.cpu, host, word, ROUNDS)).toBe(0);
    await done;
    await worker.terminate();
  });
});
