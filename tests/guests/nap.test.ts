/** A vCPU that spins lets its thread sleep; an event from another thread ends that at once. */
import { expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { VcpuRunState } from "../../wasm-core/abi/structs/sched.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { startThread } from "../support/second-thread.js";

const CODE = 0x400000;
/** Enough PAUSEs for some ten naps. */
const BUDGET = 180_000;
/** Far longer than it takes the other thread to see that somebody naps. */
const LONG_MS = 2000;
/** again: pause; jmp again */
const SPIN = Uint8Array.of(0xf3, 0x90, 0xeb, 0xfc);
const { off } = Vcpu;

it("an event ends the nap of a vCPU that spins", { timeout: 60_000 }, async () => {
  const ends: string[] = [];
  const core = await makeTestCore(
    () => 1e9,
    (address) => {
      ends.push(Atomics.wait(new Int32Array(core.memory.buffer), address >>> 2, 0, LONG_MS));
    },
  );
  const machine = new LongModeMachine(core);
  const { cpu } = machine;
  const view = new DataView(core.memory.buffer);
  machine.placeUser(CODE, SPIN, false);
  machine.begin({ rip: CODE, eflags: 2 });
  view.setUint32(MACHINE_BASE + Machine.off.pcpus, 2, true);
  view.setUint32(cpu + off.runState, Number(VcpuRunState.values.RUNNING), true);
  const body = `say("ready"); while (true) if (Atomics.load(words, d.napping >>> 2) !== 0) core.testKick(d.cpu);`;
  const thread = await startThread(core, body, { cpu, napping: cpu + off.napping });
  await thread.said;
  core.call.testRun(cpu, BUDGET);
  await thread.stop();
  expect(ends.length).toBeGreaterThan(5);
  expect(ends).not.toContain("timed-out");
});
