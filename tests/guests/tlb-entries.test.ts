/**
 * Pages that share an entry of the TLB: two stay in it side by side, and whatever drives out what, each access finds the
 * page that is mapped when the guest has dropped the old one.
 */
import { describe, expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const PAGE = 4096;
const [RDX, RSI] = [2, 6];
const CODE = 0x500000;
const ORDERS = 0x501000;
const ORDERS_BYTES = 4 * PAGE;
/**
 * Three rows of pages. Page `i` of the first and page `i ^ 1` of the second have one entry; where the other of the two goes,
 * page `i` of the third has its own.
 */
const ROWS = [0x400000, 0xc00000, 0x600000] as const;
const PAGES = 8;
const WRITE = 1n << 62n;
const MASK = 2n ** 64n - 1n;
const PTE_A = 0x20n;
const MOST_TURNS = 10_000;
const TURN = 300;

/** Follows orders: addresses to add to RDX from, or to write RDX to; 0 at the end. */
const program = `.code64
again:  lodsq
        test rax, rax
        jz out
        btr rax, 62
        jc write
        add rdx, [rax]
        ror rdx, 7
        jmp again
write:  mov [rax], rdx
        jmp again
out:    jmp out`;
const driver = new Assembler(await loadTable()).assemble(program, { origin: CODE });

class Guest {
  readonly #machine: LongModeMachine;
  readonly #regions: TestRegions;
  readonly #orders: readonly number[];
  /** Guest-physical pages, and which of them is mapped where. */
  readonly #free: bigint[];
  readonly #mapped = new Map<number, bigint>();
  /** What each guest-physical quadword holds that is not 0. */
  readonly #model = new Map<bigint, bigint>();

  private constructor(
    readonly core: TestCore,
    readonly inRegions: boolean,
  ) {
    this.#machine = new LongModeMachine(core, REGION_FRAMES, 128);
    this.#regions = new TestRegions(core, 4);
    this.#machine.placeUser(CODE, driver.bytes, false);
    this.#orders = this.#machine.mapUser({ linear: ORDERS, bytes: ORDERS_BYTES, writable: false });
    this.#free = this.#machine.reserve(ROWS.length * PAGES + 8);
    for (const row of ROWS) {
      for (let i = 0; i < PAGES; i++) {
        const gpa = this.#free.pop()!;
        this.#machine.remapUser(row + i * PAGE, gpa);
        this.#mapped.set(row + i * PAGE, gpa);
      }
    }
  }

  static async create(inRegions: boolean): Promise<Guest> {
    return new Guest(await makeTestCore(), inRegions);
  }

  get #view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  /** Follows the orders from RDX = 1 on. */
  run(orders: readonly bigint[]): bigint {
    if (8 * orders.length + 8 > ORDERS_BYTES) throw new Error("too many orders");
    [...orders, 0n].forEach((order, i) => {
      this.#view.setBigUint64(this.#orders[(8 * i) >> 12]! + ((8 * i) & (PAGE - 1)), order, true);
    });
    const { cpu } = this.#machine;
    this.#machine.begin({ rip: CODE, registers: { [RDX]: 1, [RSI]: ORDERS } });
    const end = driver.symbols.get("out");
    for (let turn = 0; this.#machine.rip !== end; turn++) {
      if (turn === MOST_TURNS) throw new Error("the program does not end");
      this.core.call.testRun(cpu, TURN);
      if (this.inRegions) this.#regions.settle(cpu);
    }
    return this.#machine.register(RDX);
  }

  /** The same, by what is mapped. */
  expected(orders: readonly bigint[]): bigint {
    let rdx = 1n;
    for (const order of orders) {
      const at = order & ~WRITE;
      const bytes = Array.from({ length: 8 }, (_, i) => this.#gpa(at + BigInt(i)));
      if (order & WRITE) bytes.forEach((gpa, i) => void this.#model.set(gpa, (rdx >> BigInt(8 * i)) & 0xffn));
      else {
        const value = bytes.reduceRight((sum, gpa) => (sum << 8n) | (this.#model.get(gpa) ?? 0n), 0n);
        const sum = (rdx + value) & MASK;
        rdx = (sum >> 7n) | ((sum << 57n) & MASK);
      }
    }
    return rdx;
  }

  #gpa(lin: bigint): bigint {
    return this.#mapped.get(Number(lin & ~0xfffn))! + (lin & 0xfffn);
  }

  /** Maps another guest-physical page, whose contents stay, and drops the translation as a guest does. */
  replace(linear: number): void {
    this.#free.unshift(this.#mapped.get(linear)!);
    const gpa = this.#free.pop()!;
    this.#mapped.set(linear, gpa);
    this.#machine.replaceUser(linear, gpa, true);
  }

  #leaf(linear: number): number {
    let table = this.#view.getBigUint64(this.#machine.cpu + Vcpu.off.cr3, true);
    for (const shift of [39n, 30n, 21n]) {
      const entry = this.#machine.at((table & ~0xfffn) + 8n * ((BigInt(linear) >> shift) & 511n));
      table = this.#view.getBigUint64(entry, true);
    }
    return this.#machine.at((table & ~0xfffn) + 8n * ((BigInt(linear) >> 12n) & 511n));
  }

  /** Clears the accessed flag; the guest drops no translation. */
  clearAccessed(linear: number): void {
    const at = this.#leaf(linear);
    this.#view.setBigUint64(at, this.#view.getBigUint64(at, true) & ~PTE_A, true);
  }

  /** Whether the page was walked since its flag was cleared. */
  wasWalked(linear: number): boolean {
    return (this.#view.getBigUint64(this.#leaf(linear), true) & PTE_A) !== 0n;
  }
}

function makeOrders(random: Random, count: number): bigint[] {
  return Array.from({ length: count }, () => {
    const row = ROWS[random.below(ROWS.length)]!;
    // Now and then over the end of a page, but not of the row.
    const page = random.below(PAGES - 1);
    const offset = random.once(8) ? PAGE - 1 - random.below(7) : random.below(PAGE / 8) * 8;
    return BigInt(row + page * PAGE + offset) | (random.once(3) ? WRITE : 0n);
  });
}

describe.each([false, true])("pages that share an entry, in regions: %s", (inRegions) => {
  it("two of them stay", async () => {
    const guest = await Guest.create(inRegions);
    const two = [ROWS[0], ROWS[1] + PAGE];
    const orders = Array.from({ length: 400 }, (_, i) => BigInt(two[i & 1]!) | (i % 3 === 0 ? WRITE : 0n));
    guest.expected(orders);
    guest.run(orders);
    two.forEach((page) => void guest.clearAccessed(page));
    expect(guest.run(orders)).toBe(guest.expected(orders));
    expect(two.map((page) => guest.wasWalked(page))).toEqual([false, false]);
  });

  it("of any number each is found, and what is mapped in its place", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new Random(seed);
      const guest = await Guest.create(inRegions);
      for (let round = 0; round < 12; round++) {
        const orders = makeOrders(random, 600);
        expect(guest.run(orders), `seed ${seed}, round ${round}`).toBe(guest.expected(orders));
        for (let n = 0; n < 3; n++) guest.replace(ROWS[random.below(ROWS.length)]! + random.below(PAGES) * PAGE);
      }
    }
  });
});
