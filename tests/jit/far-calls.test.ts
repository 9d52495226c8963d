/** A region follows calls wherever they lead, and whether or not the TLB still knows the callee's page. */
import { expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine, STACK_TOP } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const PAGE = 4096;
const NEAR = 0x400000;
const [STACK, DATA, NOTHING] = [NEAR + 16 * PAGE, NEAR + 32 * PAGE, NEAR + 48 * PAGE];
const FAR = 0x3f000000;
const ROUNDS = 1000;
const [GP, PF] = [13, 14];
const [RCX, RSP, RDI] = [1, 4, 7];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

it.each([
  ["forwards", NEAR, FAR],
  ["backwards", FAR, NEAR],
])("%s", async (_, caller, callee) => {
  const core = await makeTestCore();
  const machine = new LongModeMachine(core, REGION_FRAMES);
  const { cpu } = machine;
  const view = new DataView(core.memory.buffer);
  const put = (linear: number, source: string): void => {
    machine.placeUser(linear, assembler.assemble(`.code64\n${source}`, { origin: linear }).bytes, false);
  };
  put(caller, `1: call 1b + ${callee - caller}; dec ecx; jnz 1b; hlt`);
  // The load is five bytes in.
  put(callee, "add rax, 1; nop; mov edx, [rdi]; ret");
  for (const linear of [STACK, DATA]) machine.mapUser({ linear, bytes: PAGE, writable: true });
  machine.stayInHandlers();
  const regions = new TestRegions(core, 4);
  /** Runs the loop to its end; the exception that ends it. */
  const run = (data: number): { vector: number; rip: number } => {
    machine.begin({ rip: caller, registers: { [RCX]: ROUNDS, [RSP]: STACK + PAGE, [RDI]: data } });
    for (let turn = 0; turn < 20 * ROUNDS && view.getUint8(cpu + off.cpl) === 3; turn++) {
      core.call.testRun(cpu, 50);
      if (!regions.compiler.isAsked) continue;
      core.call.testFlush(cpu);
      regions.settle(cpu);
    }
    // INT to a handler that stays where it is: above its frame the error code.
    const vector = Number((machine.rip - HANDLERS) / 16n);
    return { vector, rip: Number(view.getBigUint64(machine.at(STACK_TOP - 48n) + 8, true)) };
  };
  const entries = (): number => Number(view.getBigUint64(cpu + off.regionEntries, true));
  expect(run(DATA).vector).toBe(GP);
  const before = entries();
  expect(run(DATA).vector).toBe(GP);
  // One for each turn of 50 instructions, not three for each call.
  expect(entries() - before).toBeLessThan(ROUNDS / 2);
  expect(entries()).toBeGreaterThan(before);
  expect(run(NOTHING)).toEqual({ vector: PF, rip: callee + 5 });
});
