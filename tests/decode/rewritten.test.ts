/**
 * Functions of a guest that it writes itself, on pages that are written all the time: each call must do what was written last,
 * whether a function was changed, changed back, written as it was or lies beside one that was.
 */
import { describe, expect, it } from "vitest";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { CodeCache } from "../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
/** Two pages of functions, every 64 bytes: `mov eax, value; add eax, edx; ret`. */
const FUNCTIONS = 0x401000;
const FUNCTIONS_BYTES = 0x2000;
const COUNT = FUNCTIONS_BYTES / 64;
const DATA = 0x500000;
const DATA_BYTES = 0x8000;
const PAGE = 4096;
const { off } = Vcpu;
const [RDX, RBX, RSP, RSI] = [2, 3, 4, 6];
const assembler = new Assembler(await loadTable());

/** An order of eight bytes: what, which function, and the value that is written to it. */
const [CALL, WRITE, END] = [0, 1, 0x80];
const DRIVER = `.code64
again:  lodsq
        movzx ecx, ah
        shl ecx, 6
        add rcx, rbx
        test al, al
        js out
        jz callit
        shr rax, 32
        mov [rcx + 1], eax
        jmp again
callit: call rcx
        ror eax, 7
        mov edx, eax
        jmp again
out:    jmp out`;

interface Order {
  readonly what: number;
  readonly which: number;
  readonly value: number;
}

function makeOrders(random: Random): Order[] {
  const orders: Order[] = [];
  // A few functions, so that their blocks are hot, and a few values, so that some come back.
  const used = Array.from({ length: 6 }, () => random.below(COUNT));
  const values = Array.from({ length: 3 }, () => random.u32());
  for (let i = 0; i < DATA_BYTES / 8 - 1; i++) {
    const what = random.once(6) ? WRITE : CALL;
    orders.push({ what, which: used[random.below(used.length)]!, value: values[random.below(values.length)]! });
  }
  return [...orders, { what: END, which: 0, value: 0 }];
}

/** What comes out, by the definition of the functions. */
function expected(orders: readonly Order[]): number {
  const values = new Uint32Array(COUNT);
  let edx = 0;
  for (const { what, which, value } of orders) {
    if (what === WRITE) values[which] = value;
    else if (what === CALL) {
      const sum = (values[which]! + edx) >>> 0;
      edx = ((sum >>> 7) | (sum << 25)) >>> 0;
    }
  }
  return edx;
}

async function run(orders: readonly Order[], inRegions: boolean): Promise<{ edx: number; twins: number }> {
  const core = await makeTestCore();
  const machine = new LongModeMachine(core, REGION_FRAMES);
  const regions = new TestRegions(core, 4);
  const view = new DataView(core.memory.buffer);
  const place = (linear: number, bytes: Uint8Array): void => {
    for (const [i, page] of machine.mapUser({ linear, bytes: bytes.length, writable: true }).entries())
      new Uint8Array(core.memory.buffer).set(bytes.subarray(i * PAGE, (i + 1) * PAGE), page);
  };
  const driver = assembler.assemble(DRIVER, { origin: CODE });
  place(CODE, driver.bytes);
  const one = "mov eax, 0; add eax, edx; ret; .align 64\n";
  const functions = assembler.assemble(`.code64\n${one.repeat(COUNT)}`, { origin: FUNCTIONS });
  place(FUNCTIONS, functions.bytes);
  const data = new DataView(new ArrayBuffer(DATA_BYTES));
  orders.forEach(({ what, which, value }, i) => {
    data.setUint32(8 * i, what | (which << 8), true);
    data.setUint32(8 * i + 4, value, true);
  });
  place(DATA, new Uint8Array(data.buffer));
  machine.enterUser(64, 0n);
  const register = (n: number, value: number): void =>
    view.setBigUint64(machine.cpu + off.gpr + 8 * n, BigInt(value), true);
  for (const [n, value] of [
    [RDX, 0],
    [RBX, FUNCTIONS],
    [RSP, CODE + PAGE - 64],
    [RSI, DATA],
  ] as const)
    register(n, value);
  view.setBigUint64(machine.cpu + off.rip, BigInt(CODE), true);
  view.setUint32(machine.cpu + off.eflags, 0x202, true);
  machine.refresh();
  for (let turn = 0; view.getBigUint64(machine.cpu + off.rip, true) !== driver.symbols.get("out"); turn++) {
    if (turn === 100_000) throw new Error("the program does not end");
    core.call.testRun(machine.cpu, 50);
    if (inRegions) regions.settle(machine.cpu);
  }
  const cache = view.getUint32(MACHINE_BASE + Machine.off.run, true);
  return {
    edx: view.getUint32(machine.cpu + off.gpr + 8 * RDX, true),
    twins: view.getUint32(cache + CodeCache.off.twins, true),
  };
}

describe("functions that are written while others beside them are called", () => {
  it.each([false, true])("do what was written last, in regions: %s", async (inRegions) => {
    for (let seed = 1; seed <= 5; seed++) {
      const orders = makeOrders(new Random(seed));
      const { edx, twins } = await run(orders, inRegions);
      expect(edx, `seed ${seed}`).toBe(expected(orders));
      expect(twins).toBeGreaterThan(100);
    }
  });
});
