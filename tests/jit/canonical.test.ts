/** Branches to where no address is: they fault themselves, in regions too. [SDM] vol. 2, JMP, CALL, Jcc. */
import { describe, expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine, STACK_TOP } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const PAGE = 4096;
/** The last page below the addresses that are not canonical, and where the tables show it as well. */
const LAST = 0x7ffffffff000n;
const SHOWN_AT = 0x3ffff000;
const [PML4, PDPT, PD] = [0x1000n, 0x2000n, 0x3000n];
const RIGHTS = 7n;
const STACK = 0x500000;
const GP = 13;
const ROUNDS = 200;
const [RCX, RSP] = [1, 4];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

/** Loops that leave at last by a branch to 4 KiB behind themselves; the branch is labelled. */
const LOOPS = {
  Jcc: "again: nop; dec ecx; branch: jz again + 0x1000; jmp again",
  JMP: "again: dec ecx; jnz again; branch: jmp again + 0x1000",
  CALL: "again: dec ecx; jnz again; branch: call again + 0x1000",
} as const;

interface Fault {
  readonly vector: number;
  readonly rip: bigint;
  readonly rsp: bigint;
}

/** Runs the loop again and again; what the last fault left. */
async function run(source: string, inRegions: boolean): Promise<Fault> {
  const core = await makeTestCore();
  const machine = new LongModeMachine(core, REGION_FRAMES);
  const view = new DataView(core.memory.buffer);
  machine.placeUser(SHOWN_AT, assembler.assemble(`.code64\n${source}`, { origin: Number(LAST) }).bytes, false);
  machine.mapUser({ linear: STACK, bytes: PAGE, writable: true });
  view.setBigUint64(machine.at(PML4 + 8n * 255n), PDPT | RIGHTS, true);
  view.setBigUint64(machine.at(PDPT + 8n * 511n), PD | RIGHTS, true);
  core.call.testFlush(machine.cpu);
  machine.stayInHandlers();
  const { cpu } = machine;
  const regions = new TestRegions(core, 4);
  const inAll = (): bigint => view.getBigUint64(cpu + off.regionInstructions, true);
  let before = 0n;
  for (let round = 0; round < 6; round++) {
    machine.begin({ rip: LAST, registers: { [RCX]: ROUNDS, [RSP]: STACK + PAGE } });
    before = inAll();
    for (let turn = 0; turn < 20 * ROUNDS && view.getUint8(cpu + off.cpl) === 3; turn++) {
      core.call.testRun(cpu, 50);
      if (inRegions) regions.settle(cpu);
    }
  }
  expect(inAll() > before).toBe(inRegions);
  const frame = machine.at(STACK_TOP - 48n);
  return {
    vector: Number((machine.rip - HANDLERS) / 16n),
    rip: view.getBigUint64(frame + 8, true),
    rsp: view.getBigUint64(frame + 32, true),
  };
}

describe("a branch to an address that is not canonical is the fault's place:", () => {
  it.each(Object.entries(LOOPS))("%s", async (_, source) => {
    const expected = await run(source, false);
    expect(expected).toMatchObject({ vector: GP, rsp: BigInt(STACK + PAGE) });
    expect(expected.rip >> 12n).toBe(LAST >> 12n);
    expect(await run(source, true)).toEqual(expected);
  });
});
