/**
 * A processor sees its own stores to code at once, also in a region that another processor made stale meanwhile. The other
 * one is the test: it comes by whenever the guest asks for the time, in the middle of the region.
 */
import { describe, expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { CODE, DATA, Gpr, LoopMachine, STACK_TOP } from "./loop-machine.js";

const ROUNDS = 1000;
/** From this round on, counted down, the guest stores to its code. */
const SWITCH = 500;
/** Rounds in which regions are made. */
const WARM = 200;
const BUDGET = 7;
const { off } = Vcpu;

/** Stores of 2 to where RSI points. */
const STORES = {
  MOV: "mov byte ptr [rsi], 2",
  "a handler": "mov eax, 2; push rdi; mov rdi, rsi; mov ecx, 1; rep stosb; pop rdi",
} as const;

/** RBX after the rounds: the sum of what the changed instruction loads. */
async function run(store: string, inRegions: boolean): Promise<number> {
  let interrupt = (): void => {};
  const hostNow = (): number => {
    interrupt();
    return 1e9;
  };
  const source = `
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
  const registers = { [Gpr.RDI]: DATA, [Gpr.RSP]: STACK_TOP, [Gpr.RBP]: ROUNDS };
  const loop = await LoopMachine.create({ source, registers, hostNow });
  const { view, data, bytes } = loop;
  const immediate = bytes.findIndex((b, i) => b === 0xb8 && bytes[i + 1] === 1) + 1;
  view.setBigUint64(data, BigInt(DATA + 64), true);
  view.setUint32(MACHINE_BASE + Machine.off.deterministic, 0, true);
  const round = (): number => view.getUint32(data + 8, true);
  while (round() === 0 || round() > ROUNDS - WARM) loop.turn(BUDGET, inRegions);
  const before = loop.field(off.regionInstructions);
  interrupt = () => {
    if (round() !== SWITCH) return;
    loop.machine.forgetCode(loop.code);
    view.setBigUint64(data, BigInt(CODE + immediate), true);
  };
  loop.turn(20 * ROUNDS, false);
  expect(loop.field(off.regionInstructions) > before).toBe(inRegions);
  expect(round()).toBe(1);
  return Number(loop.register(Gpr.RBX));
}

describe("code that was overwritten by another processor and then by its own", () => {
  it.each(Object.entries(STORES))("is run as it then is: %s", async (_, store) => {
    const expected = ROUNDS - SWITCH + 2 * SWITCH;
    expect(await run(store, false), "in the interpreter").toBe(expected);
    expect(await run(store, true)).toBe(expected);
  });
});
