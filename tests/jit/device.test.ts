/**
 * A device is read once for each instruction that reads it, in hot loops too: the local APIC's timer, whose count is
 * another one at every look, because the clock here goes on whenever somebody asks it.
 */
import { describe, expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { xmmOffset } from "../support/machine.js";
import { DEVICE, Gpr, LoopMachine, STACK_TOP } from "./loop-machine.js";

const ROUNDS = 100;
const NANOSECONDS = 10;
/** Often enough that regions are installed while the loop runs. */
const BUDGET = 7;
const MOST_TURNS = 5000;
const { off } = Vcpu;

/** Divided by one, from the top. */
const START = "mov dword ptr [rbx + 0x3e0], 11; mov dword ptr [rbx + 0x380], -1";

/** Instructions that read the device, and how many reads of it each is: the device is asked for 8 bytes at most. */
const READERS: readonly (readonly [source: string, reads: number])[] = [
  ["mov eax, [rbx + 0x390]", 1],
  ["push qword ptr [rbx + 0x390]; pop rax", 1],
  ["push word ptr [rbx + 0x390]; pop ax", 1],
  ["mov eax, 77; xor edx, edx; div dword ptr [rbx + 0x390]", 1],
  ["mov eax, -77; cdq; idiv dword ptr [rbx + 0x390]", 1],
  ["mul dword ptr [rbx + 0x390]", 1],
  ["imul edx, [rbx + 0x390]", 1],
  ["cmp eax, [rbx + 0x390]; setb dl", 1],
  ["cmp dword ptr [rbx + 0x390], 5; adc edx, 1", 1],
  ["add rdx, [rbx + 0x390]", 1],
  ["adc edx, [rbx + 0x390]", 1],
  ["test [rbx + 0x390], ecx; sets al", 1],
  ["movzx edx, byte ptr [rbx + 0x390]", 1],
  ["movsx rdx, word ptr [rbx + 0x391]", 1],
  ["cmovz eax, [rbx + 0x390]", 1],
  ["bt dword ptr [rbx + 0x390], 3; adc edx, edx", 1],
  ["bsf edx, [rbx + 0x390]", 1],
  ["shlx edx, [rbx + 0x390], ecx", 1],
  ["mov eax, [rbx + 0x390]; mov edx, [rbx + 0x390]", 2],
  ["movd xmm1, dword ptr [rbx + 0x390]; paddd xmm0, xmm1", 1],
  ["movq xmm1, qword ptr [rbx + 0x390]; paddd xmm0, xmm1", 1],
  ["cvtsi2sd xmm1, dword ptr [rbx + 0x390]; addsd xmm0, xmm1", 1],
  ["movups xmm1, [rbx + 0x390]; paddd xmm0, xmm1", 4],
  ["paddd xmm0, [rbx + 0x390]", 4],
  ["lea rsp, [rbx + 0x390]; pop rax; mov rsp, rbp", 1],
];

interface Outcome {
  readonly registers: readonly bigint[];
  readonly xmm: bigint;
  /** How often the clock was asked. */
  readonly asked: number;
  readonly entries: number;
}

/** Runs the loop, in regions as soon as there are some or never. */
async function run(body: string, inRegions: boolean, rounds = ROUNDS): Promise<Outcome> {
  let asked = 0;
  const source = `
    ${START}
    mov ecx, ${rounds}
again: add rsi, rax
    ${body}
    add rdi, rdx
    dec ecx
    jnz again
    mov r15d, 1
here: jmp here`;
  const registers = { [Gpr.RBX]: DEVICE, [Gpr.RSP]: STACK_TOP, [Gpr.RBP]: STACK_TOP };
  const loop = await LoopMachine.create({ source, registers, hostNow: () => 1e9 + NANOSECONDS * asked++ });
  // Time as the host tells it, and no count of instructions.
  loop.view.setUint32(MACHINE_BASE + Machine.off.deterministic, 0, true);
  const before = asked;
  for (let turn = 0; loop.register(Gpr.R15) === 0n; turn++) {
    if (turn === MOST_TURNS) throw new Error(`no end: ${body}`);
    loop.turn(BUDGET, inRegions);
  }
  return {
    registers: Array.from({ length: 16 }, (_, n) => loop.register(n)),
    xmm: loop.field(xmmOffset(0)),
    asked: asked - before,
    entries: Number(loop.field(off.regionEntries)),
  };
}

/** How often the clock is asked to start the timer, and in one read of it. */
const idle = (await run("nop", false)).asked;
const perRead = (await run("mov eax, [rbx + 0x390]", false, 1)).asked - idle;

describe("a device in a hot loop is read once by", () => {
  it.each(READERS)("%s", async (body, reads) => {
    expect(perRead).toBeGreaterThan(0);
    const expected = await run(body, false);
    expect(expected.asked - idle, "looks at the clock in the interpreter").toBe(ROUNDS * reads * perRead);
    const actual = await run(body, true);
    expect(actual.entries).toBeGreaterThan(ROUNDS / 2);
    expect({ ...actual, entries: 0 }).toEqual({ ...expected, entries: 0 });
  });
});
