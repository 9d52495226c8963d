/**
 * A processor sees its own stores to code at once, also in a region that another processor made stale meanwhile. The other
 * one is the test: it comes by whenever the guest asks for the time, in the middle of the region.
 */
import { describe, expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const DATA = 0x500000;
const PAGE = 4096;
const ROUNDS = 1000;
/** From this round on, counted down, the guest stores to its code. */
const SWITCH = 500;
/** Rounds in which regions are made. */
const WARM = 200;
const BUDGET = 7;
const [RBX, RSP, RBP, RDI] = [3, 4, 5, 7];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

/** Stores of 2 to where RSI points. */
const STORES = {
  MOV: "mov byte ptr [rsi], 2",
  "a handler": "mov eax, 2; push rdi; mov rdi, rsi; mov ecx, 1; rep stosb; pop rdi",
} as const;

/** RBX after the rounds: the sum of what the changed instruction loads. */
async function run(store: string, inRegions: boolean): Promise<number> {
  let interrupt = (): void => {};
  const core = await makeTestCore(() => {
    interrupt();
    return 1e9;
  });
  const machine = new LongModeMachine(core, REGION_FRAMES);
  const code = machine.mapUser({ linear: CODE, bytes: PAGE, writable: true })[0]!;
  const data = machine.mapUser({ linear: DATA, bytes: PAGE, writable: true })[0]!;
  const source = `.code64
again: mov [rdi + 8], ebp
    rdtsc
    mov rsi, [rdi]
    ${store}
    jmp changed
changed: mov eax, 1
    add rbx, rax
    dec ebp
    jnz again
here: jmp here`;
  const { bytes } = assembler.assemble(source, { origin: CODE });
  new Uint8Array(core.memory.buffer).set(bytes, code);
  const immediate = bytes.findIndex((b, i) => b === 0xb8 && bytes[i + 1] === 1) + 1;
  machine.enterUser(64, 0n);
  const view = new DataView(core.memory.buffer);
  const { cpu } = machine;
  const regions = new TestRegions(core, 4);
  for (let n = 0; n < 16; n++) view.setBigUint64(cpu + off.gpr + 8 * n, 0n, true);
  view.setBigUint64(cpu + off.gpr + 8 * RDI, BigInt(DATA), true);
  view.setBigUint64(cpu + off.gpr + 8 * RSP, BigInt(DATA + PAGE), true);
  view.setBigUint64(cpu + off.gpr + 8 * RBP, BigInt(ROUNDS), true);
  view.setBigUint64(data, BigInt(DATA + 64), true);
  view.setBigUint64(cpu + off.rip, BigInt(CODE), true);
  view.setUint32(cpu + off.eflags, 0x202, true);
  machine.refresh();
  view.setUint32(MACHINE_BASE + Machine.off.deterministic, 0, true);
  const round = (): number => view.getUint32(data + 8, true);
  while (round() === 0 || round() > ROUNDS - WARM) {
    core.call.testRun(cpu, BUDGET);
    if (inRegions) regions.settle(cpu);
  }
  const before = view.getBigUint64(cpu + off.regionInstructions, true);
  interrupt = () => {
    if (round() !== SWITCH) return;
    machine.forgetCode(code);
    view.setBigUint64(data, BigInt(CODE + immediate), true);
  };
  core.call.testRun(cpu, 20 * ROUNDS);
  expect(view.getBigUint64(cpu + off.regionInstructions, true) > before).toBe(inRegions);
  expect(round()).toBe(1);
  return Number(view.getBigUint64(cpu + off.gpr + 8 * RBX, true));
}

describe("code that was overwritten by another processor and then by its own", () => {
  it.each(Object.entries(STORES))("is run as it then is: %s", async (_, store) => {
    const expected = ROUNDS - SWITCH + 2 * SWITCH;
    expect(await run(store, false), "in the interpreter").toBe(expected);
    expect(await run(store, true)).toBe(expected);
  });
});
