/**
 * A guest program whose functions are written all the time, by orders: call one, or write one anew; and what comes out by
 * the definition of the functions.
 */
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { TLB_WRITERS } from "../../wasm-core/abi/structs/translation.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import type { CompilerLimits } from "../../wasm-core/jit/compiler.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import type { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

/** Where the program lies that follows the orders. */
export const DRIVER_AT = 0x400000;
/**
 * Two pages of functions, every 64 bytes: `mov eax, value; add eax, edx; ret`, with some NOPs, so that their blocks differ
 * in size.
 */
const FUNCTIONS = 0x401000;
const FUNCTIONS_BYTES = 0x2000;
export const COUNT = FUNCTIONS_BYTES / 64;
/** So many pages in a row have two whose frames are TLB_WRITERS apart. */
const MOST_APART = TLB_WRITERS + 64;
const NOPS = 24;
const DATA = 0x500000;
const DATA_BYTES = 0x8000;
const PAGE = 4096;
const MOST_TURNS = 100_000;
const TURN = 50;
const [RDX, RBX, RSP, RSI] = [2, 3, 4, 6];
const assembler = new Assembler(await loadTable());

/** An order of eight bytes: what, which function, and the value that is written to it. */
export const CALL = 0;
const [WRITE, END] = [1, 0x80];
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

export interface Order {
  readonly what: number;
  readonly which: number;
  readonly value: number;
}

export interface Kind {
  /** Functions that are called. */
  readonly functions: number;
  /** Values that are written to them. */
  readonly values: number;
  /** One in so many orders writes. */
  readonly calls: number;
  /** Whether both are done at two linear addresses, that of COUNT functions more being the same. */
  readonly twice?: boolean;
}

export function makeOrders(random: Random, kind: Kind): Order[] {
  const orders: Order[] = [];
  const used = Array.from({ length: kind.functions }, () => random.below(COUNT));
  const values = Array.from({ length: kind.values }, () => random.u32());
  for (let i = 0; i < DATA_BYTES / 8 - 1; i++) {
    const what = random.once(kind.calls) ? WRITE : CALL;
    const which = used[random.below(used.length)]! + (kind.twice && random.once(2) ? COUNT : 0);
    orders.push({ what, which, value: values[random.below(values.length)]! });
  }
  return [...orders, { what: END, which: 0, value: 0 }];
}

/** What EDX is at the end. `values` are those of the functions, before and after. */
export function expected(orders: readonly Order[], values = new Uint32Array(COUNT)): number {
  let edx = 0;
  for (const { what, which, value } of orders) {
    if (what === WRITE) values[which % COUNT] = value;
    else if (what === CALL) {
      const sum = (values[which % COUNT]! + edx) >>> 0;
      edx = ((sum >>> 7) | (sum << 25)) >>> 0;
    }
  }
  return edx;
}

/** Which function lies at `rip`; none where that is beyond COUNT. */
export function functionAt(rip: bigint): number {
  const which = Number(rip - BigInt(FUNCTIONS)) / 64;
  return which >= 0 ? Math.floor(which) : COUNT;
}

export class RewritingGuest {
  readonly regions: TestRegions;
  readonly #machine: LongModeMachine;
  readonly #driver: ReturnType<Assembler["assemble"]>;
  /** Machine addresses of the pages that the orders lie on. */
  readonly #orders: readonly number[];

  private constructor(
    private readonly core: TestCore,
    limits: Partial<CompilerLimits> | undefined,
  ) {
    this.#machine = new LongModeMachine(core, REGION_FRAMES + MOST_APART, MOST_APART + 64);
    this.regions = new TestRegions(core, 4, limits);
    this.#driver = assembler.assemble(DRIVER, { origin: DRIVER_AT });
    this.#machine.placeUser(DRIVER_AT, this.#driver.bytes, true);
    const one = (n: number): string => `mov eax, 0\n${"nop\n".repeat(n % NOPS)}add eax, edx; ret; .align 64\n`;
    const functions = Array.from({ length: COUNT }, (_, n) => one(n)).join("");
    const { bytes } = assembler.assemble(`.code64\n${functions}`, { origin: FUNCTIONS });
    this.#placeFunctions(bytes);
    this.#orders = this.#machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true });
  }

  static async create(limits?: Partial<CompilerLimits>): Promise<RewritingGuest> {
    return new RewritingGuest(await makeTestCore(), limits);
  }

  /** On two pages that vCPUs take for one where they look for who may write them: mmu/writers.ts. */
  #placeFunctions(bytes: Uint8Array): void {
    const place = (gpa: bigint): number => (this.#machine.at(gpa) / PAGE) % TLB_WRITERS;
    const [first, ...others] = this.#machine.reserve(MOST_APART);
    const second = others.find((gpa) => place(gpa) === place(first!))!;
    for (const [i, gpa] of [first!, second].entries()) {
      for (const linear of [FUNCTIONS, FUNCTIONS + FUNCTIONS_BYTES]) this.#machine.remapUser(linear + i * PAGE, gpa);
      const page = bytes.subarray(i * PAGE, (i + 1) * PAGE);
      new Uint8Array(this.core.memory.buffer).set(page, this.#machine.at(gpa));
    }
  }

  /** Address of the CodeCache. */
  get cache(): number {
    return this.word(MACHINE_BASE + Machine.off.run);
  }

  word(address: number): number {
    return this.#view.getUint32(address, true);
  }

  setWord(address: number, value: number): void {
    this.#view.setUint32(address, value, true);
  }

  get #view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  /** Follows the orders, with regions or without; EDX at the end. */
  run(orders: readonly Order[], inRegions: boolean): number {
    const data = new DataView(new ArrayBuffer(DATA_BYTES));
    orders.forEach(({ what, which, value }, i) => {
      data.setUint32(8 * i, what | (which << 8), true);
      data.setUint32(8 * i + 4, value, true);
    });
    const memory = new Uint8Array(this.core.memory.buffer);
    for (const [i, page] of this.#orders.entries()) memory.set(new Uint8Array(data.buffer, i * PAGE, PAGE), page);
    const registers = { [RDX]: 0, [RBX]: FUNCTIONS, [RSP]: DRIVER_AT + PAGE - 64, [RSI]: DATA };
    this.#machine.begin({ rip: DRIVER_AT, registers });
    const { cpu } = this.#machine;
    const end = this.#driver.symbols.get("out");
    for (let turn = 0; this.#machine.rip !== end; turn++) {
      if (turn === MOST_TURNS) throw new Error("the program does not end");
      this.core.call.testRun(cpu, TURN);
      if (inRegions) this.regions.settle(cpu);
    }
    return Number(this.#machine.register(RDX) & 0xffffffffn);
  }
}
