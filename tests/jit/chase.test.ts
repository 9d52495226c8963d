/** Lists that are followed from page to page: a region guesses that the next page lies where one of the last did. */
import { expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const DATA = 0x600000;
const PAGE = 4096;
const PAGES = 8;
const NODE = 64;
const NODES = (PAGES * PAGE) / NODE;
const STEPS = 20_000;
const THRESHOLD = 8;
const BUDGET = 3000;
const [RAX, RBX, RCX] = [0, 3, 1];

/** RCX nodes behind RAX: RBX becomes the sum of their addresses, with what stands in each. The load comes first: what follows knows its page. */
const PROGRAM = `
next: mov rax, [rax + 8]
      add rbx, rax
      xor rbx, [rax + 16]
      dec ecx
      jnz next
here: jmp here`;

const random = new Random(20);
const core = await makeTestCore();
const machine = new LongModeMachine(core, REGION_FRAMES, 256);
const { cpu } = machine;
const regions = new TestRegions(core, THRESHOLD);
const view = () => new DataView(core.memory.buffer);

/** Machine addresses of the data pages, which are mapped in an order of their own: no two have the same distance. */
const frames = new Map<number, number>();
for (const page of [3, 0, 6, 1, 7, 4, 2, 5]) {
  frames.set(page, machine.mapUser({ linear: DATA + page * PAGE, bytes: PAGE, writable: true })[0]!);
}
const hostOf = (linear: number): number => frames.get((linear - DATA) >>> 12)! + (linear & (PAGE - 1));

/** A ring through all nodes, in random order. */
function writeRing(): number[] {
  const order = Array.from({ length: NODES }, (_, n) => n);
  for (let n = NODES - 1; n > 0; n--) {
    const other = random.below(n + 1);
    [order[n], order[other]] = [order[other]!, order[n]!];
  }
  const addresses = order.map((n) => DATA + n * NODE);
  addresses.forEach((address, n) => {
    view().setBigUint64(hostOf(address) + 8, BigInt(addresses[(n + 1) % NODES]!), true);
    view().setBigUint64(hostOf(address) + 16, BigInt(n) << 20n, true);
  });
  return addresses;
}

function expected(addresses: readonly number[]): bigint {
  let sum = 0n;
  for (let step = 0; step < STEPS; step++) {
    const n = (step + 1) % NODES;
    sum = BigInt.asUintN(64, sum + BigInt(addresses[n]!)) ^ (BigInt(n) << 20n);
  }
  return sum;
}

it("reads each node where it is", async () => {
  const assembler = new Assembler(await loadTable());
  machine.placeUser(CODE, assembler.assemble(`.code64${PROGRAM}`, { origin: CODE }).bytes, false);
  for (let round = 0; round < 3; round++) {
    const addresses = writeRing();
    machine.begin({ rip: CODE, registers: { [RAX]: addresses[0]!, [RCX]: STEPS }, eflags: 2 });
    for (let turns = 0; machine.register(RCX) !== 0n && turns < STEPS; turns++) {
      core.call.testRun(cpu, BUDGET);
      regions.settle(cpu);
    }
    expect(machine.register(RBX)).toBe(expected(addresses));
  }
  expect(view().getBigUint64(cpu + Vcpu.off.regionInstructions, true)).toBeGreaterThan(BigInt(STEPS));
});
