/**
 * Instructions that go on where their segment, the linear addresses or the canonical ones end, in the interpreter and
 * behind a region. [SDM] vol. 3A, 5.3; vol. 1, 3.3.7.1
 */
import { describe, expect, it } from "vitest";
import { SegmentReg, Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine, STACK_TOP } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const PAGE = 4096;
/** The last page of the machine's page directory; the tables show it elsewhere as well. */
const SHOWN_AT = 0x3ffff000;
const LAST_32 = 0xfffff000n;
const LAST_CANONICAL = 0x7ffffffff000n;
const [PML4, PDPT, PD] = [0x1000n, 0x2000n, 0x3000n];
const RIGHTS = 7n;
const FREE_PAGE = 0x3f000n;
const [GP, PF] = [13, 14];
const [RAX, RCX] = [0, 1];
const CS = 1;
const ROUNDS = 200;
const UNTOUCHED = 0x5a5a000n;
/** MOV EAX, 0x12345678. */
const MOV = [0xb8, 0x78, 0x56, 0x34, 0x12];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

class Rig {
  readonly machine: LongModeMachine;
  readonly cpu: number;
  readonly code: number;

  private constructor(
    readonly core: TestCore,
    readonly mode: 32 | 64,
  ) {
    this.machine = new LongModeMachine(core, REGION_FRAMES);
    this.cpu = this.machine.cpu;
    this.code = this.machine.mapUser({ linear: SHOWN_AT, bytes: PAGE, writable: false })[0]!;
    this.set64(this.machine.at(PDPT + 8n * 3n), PD | RIGHTS);
    this.set64(this.machine.at(PML4 + 8n * 255n), PDPT | RIGHTS);
    this.set64(this.machine.at(PDPT + 8n * 511n), PD | RIGHTS);
    this.machine.stayInHandlers();
    core.call.testFlush(this.cpu);
  }

  static async create(mode: 32 | 64): Promise<Rig> {
    return new Rig(await makeTestCore(), mode);
  }

  get view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  set64(at: number, value: bigint): void {
    this.view.setBigUint64(at, value, true);
  }

  /** Ready to run at `rip`, in a code segment of the given base and limit. */
  enter(rip: bigint, base = 0n, limit = 0xffffffff): void {
    this.machine.begin({ rip, registers: { [RCX]: ROUNDS }, mode: this.mode });
    const cs = this.cpu + off.seg + SegmentReg.size * CS;
    this.set64(cs + SegmentReg.off.base, base);
    this.view.setUint32(cs + SegmentReg.off.limit, limit, true);
    this.set64(this.cpu + off.cr2, UNTOUCHED);
    this.machine.refresh();
  }

  put(offset: number, bytes: readonly number[] | Uint8Array): void {
    new Uint8Array(this.core.memory.buffer).set(bytes, this.code + offset);
  }

  get cr2(): bigint {
    return this.view.getBigUint64(this.cpu + off.cr2, true);
  }
}

describe("an instruction that goes on behind", () => {
  it("the last byte of a flat 32-bit segment raises #GP, whatever lies at address 0", async () => {
    const rig = await Rig.create(32);
    rig.put(PAGE - 2, MOV.slice(0, 2));
    rig.enter(LAST_32 + BigInt(PAGE - 2));
    expect(rig.machine.run()).toMatchObject({ vector: GP, error: 0, rip: LAST_32 + BigInt(PAGE - 2) });
    expect(rig.cr2).toBe(UNTOUCHED);
  });

  it("the last byte of a segment that ends with a page raises #GP, not #PF", async () => {
    const rig = await Rig.create(32);
    rig.put(PAGE - 2, MOV.slice(0, 2));
    const rip = BigInt(SHOWN_AT + PAGE - 2);
    rig.enter(rip, 0n, SHOWN_AT + PAGE - 1);
    expect(rig.machine.run()).toMatchObject({ vector: GP, error: 0, rip });
    rig.enter(rip);
    expect(rig.machine.run()).toMatchObject({ vector: PF, rip });
    expect(rig.cr2).toBe(BigInt(SHOWN_AT + PAGE));
  });

  it("linear address 4 GiB, inside a segment with a base, goes on at 0", async () => {
    const rig = await Rig.create(32);
    rig.put(PAGE - 2, MOV.slice(0, 2));
    const base = 0x10000n;
    const rip = LAST_32 + BigInt(PAGE - 2) - base;
    rig.enter(rip, base);
    expect(rig.machine.run()).toMatchObject({ vector: PF, rip });
    expect(rig.cr2).toBe(0n);
    rig.machine.remapUser(0, FREE_PAGE);
    new Uint8Array(rig.core.memory.buffer).set(MOV.slice(2), rig.machine.at(FREE_PAGE));
    for (let time = 0; time < 2; time++) {
      rig.enter(rip, base);
      expect(rig.machine.run()).toBeNull();
      expect(rig.machine.register(RAX)).toBe(0x12345678n);
    }
    // The block is known now; a segment that ends before it does not run it, and does not look at the page behind.
    rig.machine.remapUser(0, 0n);
    rig.enter(LAST_32 + BigInt(PAGE - 2));
    expect(rig.machine.run()).toMatchObject({ vector: GP, error: 0 });
    expect(rig.cr2).toBe(UNTOUCHED);
  });

  it("the canonical addresses raises #GP", async () => {
    const rig = await Rig.create(64);
    rig.put(PAGE - 2, MOV.slice(0, 2));
    const rip = LAST_CANONICAL + BigInt(PAGE - 2);
    rig.enter(rip);
    expect(rig.machine.run()).toMatchObject({ vector: GP, error: 0, rip });
    expect(rig.cr2).toBe(UNTOUCHED);
  });

  it.each([
    ["4 GiB", 32, LAST_32],
    ["the canonical addresses", 64, LAST_CANONICAL],
  ] as const)("%s, and comes after a loop, raises #GP with and without regions", async (_, mode, last) => {
    for (const inRegions of [false, true]) {
      const rig = await Rig.create(mode);
      const loop = assembler.assemble(`.code${mode}\nagain: add eax, 1; dec ecx; jnz again`, { origin: 0 }).bytes;
      const start = PAGE - 2 - loop.length;
      rig.put(start, [...loop, ...MOV.slice(0, 2)]);
      const regions = new TestRegions(rig.core, 4);
      for (let round = 0; round < 6; round++) {
        rig.enter(last + BigInt(start));
        for (let turn = 0; turn < 20 * ROUNDS && rig.view.getUint8(rig.cpu + off.cpl) === 3; turn++) {
          rig.core.call.testRun(rig.cpu, 50);
          if (inRegions) regions.settle(rig.cpu);
        }
      }
      expect(rig.view.getBigUint64(rig.cpu + off.regionInstructions, true) > 0n).toBe(inRegions);
      expect(rig.machine.rip).toBe(HANDLERS + 16n * BigInt(GP));
      expect(rig.view.getBigUint64(rig.machine.at(STACK_TOP - 48n) + 8, true)).toBe(last + BigInt(PAGE - 2));
      expect(rig.cr2).toBe(UNTOUCHED);
      expect(rig.machine.register(RAX)).toBe(BigInt(ROUNDS));
    }
  });
});
