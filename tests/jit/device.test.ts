/**
 * A device is read once for each instruction that reads it, in hot loops too: the local APIC's timer, whose count is
 * another one at every look, because the clock here goes on whenever somebody asks it.
 */
import { describe, expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine, xmmOffset } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const STACK = 0x500000;
const DEVICE = 0x600000;
const DEVICE_AT = 0xfee00000n;
const PAGE = 4096;
const ROUNDS = 100;
const THRESHOLD = 4;
const NANOSECONDS = 10;
/** Often enough that regions are installed while the loop runs. */
const BUDGET = 7;
const MOST_TURNS = 5000;
const [RBX, RSP, R15] = [3, 4, 15];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

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
  const core = await makeTestCore(() => 1e9 + NANOSECONDS * asked++);
  const machine = new LongModeMachine(core, REGION_FRAMES);
  const regions = new TestRegions(core, THRESHOLD);
  const code = machine.mapUser({ linear: CODE, bytes: PAGE, writable: false })[0]!;
  machine.mapUser({ linear: STACK, bytes: PAGE, writable: true });
  machine.remapUser(DEVICE, DEVICE_AT);
  const source = `.code64
    ${START}
    mov ecx, ${rounds}
again: add rsi, rax
    ${body}
    add rdi, rdx
    dec ecx
    jnz again
    mov r15d, 1
here: jmp here`;
  new Uint8Array(core.memory.buffer).set(assembler.assemble(source, { origin: CODE }).bytes, code);
  machine.enterUser(64, 0n);
  const view = new DataView(core.memory.buffer);
  const { cpu } = machine;
  const register = (n: number): bigint => view.getBigUint64(cpu + off.gpr + 8 * n, true);
  const set = (n: number, value: number): void => view.setBigUint64(cpu + off.gpr + 8 * n, BigInt(value), true);
  for (let n = 0; n < 16; n++) set(n, 0);
  set(RBX, DEVICE);
  set(RSP, STACK + PAGE);
  set(5, STACK + PAGE);
  view.setBigUint64(cpu + off.rip, BigInt(CODE), true);
  view.setUint32(cpu + off.eflags, 0x202, true);
  machine.refresh();
  // Time as the host tells it, and no count of instructions.
  view.setUint32(MACHINE_BASE + Machine.off.deterministic, 0, true);
  const before = asked;
  for (let turn = 0; register(R15) === 0n; turn++) {
    if (turn === MOST_TURNS) throw new Error(`no end: ${body}`);
    core.call.testRun(cpu, BUDGET);
    if (inRegions) regions.settle(cpu);
  }
  return {
    registers: Array.from({ length: 16 }, (_, n) => register(n)),
    xmm: view.getBigUint64(cpu + xmmOffset(0), true),
    asked: asked - before,
    entries: Number(view.getBigUint64(cpu + off.regionEntries, true)),
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
