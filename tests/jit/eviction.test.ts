/** Modules of regions that make room for others, one by one. */
import { beforeEach, describe, expect, it } from "vitest";
import { JIT_RING_BYTES, Jit, JitRecord, JitRecordKind } from "../../wasm-core/abi/structs/jit.js";
import { JUMP_SLICE } from "../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { functionsInTable, REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const SLOT = 32;
const PROGRAMS = 100;
const ROUNDS = 40;
/** Instructions of so many rounds. */
const ALL = 3n * BigInt(ROUNDS);
const [RAX, RCX] = [0, 1];
const assembler = new Assembler(await loadTable());
let core: TestCore;
let machine: LongModeMachine;

beforeEach(async () => {
  core = await makeTestCore();
  machine = new LongModeMachine(core, REGION_FRAMES);
  const page = machine.mapUser({ linear: CODE, bytes: 4096, writable: false })[0]!;
  for (let n = 0; n < PROGRAMS; n++) {
    const { bytes } = assembler.assemble(`.code64\n1: add rax, ${n + 1}; dec rcx; jnz 1b; hlt`, {
      origin: CODE + n * SLOT,
    });
    new Uint8Array(core.memory.buffer).set(bytes, page + n * SLOT);
  }
});

const view = (): DataView => new DataView(core.memory.buffer);

/** Runs the loop of program `n`, a round at a time; the instructions of it that regions did. */
function run(regions: TestRegions, n: number, rounds = ROUNDS): bigint {
  machine.begin({ rip: CODE + n * SLOT, registers: { [RCX]: BigInt(rounds) } });
  const done = () => view().getBigUint64(machine.cpu + Vcpu.off.regionInstructions, true);
  const before = done();
  while (view().getUint8(machine.cpu + Vcpu.off.cpl) === 3) {
    core.call.testRun(machine.cpu, 1);
    regions.settle(machine.cpu);
  }
  expect(machine.register(RAX)).toBe(BigInt(rounds) * BigInt(n + 1));
  return done() - before;
}

/** Names the region of program `n` as long as it lives. */
function idOf(regions: TestRegions, n: number): number | undefined {
  const rip = (CODE + n * SLOT).toString(16).padStart(16, "0");
  return regions.compiler.book.list(regions.compiler.look()).find((region) => region.rip === rip)?.id;
}

describe("modules", () => {
  it("are never more than there may be, however many a guest has made, and all code still comes to regions", () => {
    const MOST = 8;
    const handlers = functionsInTable(core);
    const regions = new TestRegions(core, 4, { modules: MOST });
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < PROGRAMS; n++) {
        expect(run(regions, n)).toBeGreaterThan(0n);
        expect(functionsInTable(core) - handlers).toBeLessThanOrEqual(MOST);
      }
    }
    expect(regions.compiler.counts.modules).toBeGreaterThan(PROGRAMS);
    // Slots are used again.
    expect(core.call.table.length).toBeLessThan(handlers + 2048);
  });

  it("that are used stay where others make room", () => {
    const regions = new TestRegions(core, 4, { modules: 8 });
    const used = [0, 1, 2];
    for (const n of used) run(regions, n);
    const ids = used.map((n) => idOf(regions, n));
    expect(ids).not.toContain(undefined);
    for (let n = 3; n < 50; n++) {
      run(regions, n);
      for (const often of used) expect(run(regions, often, 3 * JUMP_SLICE)).toBe(9n * BigInt(JUMP_SLICE));
    }
    expect(used.map((n) => idOf(regions, n))).toEqual(ids);
    expect(idOf(regions, 20)).toBe(undefined);
  });

  it("are entered however long ago they were published", () => {
    const regions = new TestRegions(core, 4, { modules: 8 });
    const word = (at: number): number => view().getUint32(at, true);
    /** A record of so many bytes that is nothing to anybody. */
    const pass = (bytes: number): void => {
      const jit = core.call.jitStart();
      const at = word(jit + Jit.off.published);
      const record = word(jit + Jit.off.ring) + (at % JIT_RING_BYTES);
      view().setUint32(record + JitRecord.off.kind, Number(JitRecordKind.values.WRAP), true);
      view().setUint32(record + JitRecord.off.bytes, bytes - JitRecord.size, true);
      view().setUint32(jit + Jit.off.published, at + bytes, true);
      regions.allow(machine.cpu);
    };
    run(regions, 0);
    const id = idOf(regions, 0);
    // Together more than half of what an index holds.
    for (let part = 0; part < 2; part++) {
      pass(1.25 * 2 ** 30);
      for (let n = 1; n < 12; n++) {
        run(regions, 12 * part + n);
        run(regions, 0, 3 * JUMP_SLICE);
      }
    }
    expect(run(regions, 0)).toBe(ALL);
    expect(idOf(regions, 0)).toBe(id);
  });
});
