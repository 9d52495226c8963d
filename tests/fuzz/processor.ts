/**
 * A vCPU in a random state: mode, registers, segments, page tables and descriptor tables, with random bytes or loosely
 * well-formed instructions to run. It is driven without a scheduler; what it may do is everything that a guest may.
 */
import { SegmentReg, Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "../support/core.js";
import type { Random } from "../support/random.js";

export const FUZZED_PAGES = 64;
const PAGE = 4096;
/** Guest-physical layout; linear addresses are the same where the page tables are kind. */
const TABLES = 1;
const GDT = 8;
const IDT = 9;
const TSS = 10;
const HANDLERS = 11;
const FIRST_CODE = 16;
const CODE_PAGES = 4;
const STACK_TOP = 0xf000;
const CR0 = { real: 0x10n, protected: 0x11n, paged: 0x8000_0011n } as const;
const EFER_LONG = 0xd01n;
const ATTR = { code16: 0x09b, code32: 0xc9b, code64: 0xa9b, data: 0xc93, ldt: 0x82, tss32: 0x8b, tss64: 0x8b } as const;
const INTERESTING = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn];
const FLAGS_MASK = 0x3f7fd5;
const SEGMENTS = 8;
const CS = 1;
const LDTR = 6;
const TR = 7;

export const MODES = ["real", "protected", "paged32", "pae", "long", "compatibility"] as const;
export type FuzzMode = (typeof MODES)[number];

const isPaged = (mode: FuzzMode): boolean => mode !== "real" && mode !== "protected";
const isLong = (mode: FuzzMode): boolean => mode === "long" || mode === "compatibility";

/** Bytes of a random instruction stream, half of it shaped like instructions. */
export function randomCode(random: Random, bytes: number): Uint8Array {
  const out: number[] = [];
  while (out.length < bytes) {
    if (random.once(8)) {
      for (let i = random.below(16); i >= 0; i--) out.push(random.below(256));
      continue;
    }
    for (let i = random.once(2) ? random.below(3) : 0; i > 0; i--) {
      out.push(random.pick([0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x65]));
    }
    if (random.once(2)) out.push(0x40 + random.below(16));
    if (random.once(2)) out.push(0x0f);
    if (random.once(12)) out.push(0x0f, random.pick([0x38, 0x3a]));
    out.push(random.below(256), random.below(256));
    if (random.once(3)) out.push(random.below(256));
    if (random.once(3)) out.push(random.below(256), random.below(256), random.below(256), random.below(256));
    // Hypercalls are two in a million of random bytes.
    if (random.once(16)) out.push(0x0f, 0x01, 0xc1);
  }
  return Uint8Array.from(out.slice(0, bytes));
}

export class FuzzedProcessor {
  readonly #pages: number[] = [];
  readonly #cpu: number;
  #view: DataView;

  constructor(
    private readonly core: TestCore,
    private readonly domid: number,
    private readonly random: Random,
  ) {
    this.#cpu = core.call.vcpuAddress(domid, 0) >>> 0;
    this.#view = new DataView(core.memory.buffer);
  }

  /** Puts everything into a random state of `mode`. False when the guest has given its memory away. */
  prepare(mode: FuzzMode): boolean {
    const { call } = this.core;
    if (call.vcpuStartPvh(this.domid, 0, 0, 0) < 0) return false;
    for (let gfn = 0; gfn < FUZZED_PAGES; gfn++) this.#pages[gfn] = call.domainPage(this.domid, gfn) >>> 0;
    if (this.#pages.includes(0)) return false;
    this.#view = new DataView(this.core.memory.buffer);
    this.#writeCode();
    this.#writeDescriptors(mode);
    const user = mode !== "real" && this.random.once(3);
    if (isPaged(mode)) this.#writePageTables(mode, user);
    this.#writeRegisters(mode, user);
    call.testFlush(this.#cpu);
    return true;
  }

  /** Runs some instructions; the reason why that ended. */
  run(instructions: number): number {
    return this.core.call.testRun(this.#cpu, instructions);
  }

  #bytes(gfn: number): Uint8Array {
    return new Uint8Array(this.core.memory.buffer, this.#pages[gfn]!, PAGE);
  }

  #set64(gfn: number, offset: number, value: bigint): void {
    this.#view.setBigUint64(this.#pages[gfn]! + offset, BigInt.asUintN(64, value), true);
  }

  #writeCode(): void {
    for (let i = 0; i < CODE_PAGES; i++) this.#bytes(FIRST_CODE + i).set(randomCode(this.random, PAGE));
    this.#bytes(HANDLERS).set(randomCode(this.random, PAGE));
  }

  #writeDescriptors(mode: FuzzMode): void {
    const { random } = this;
    const kind = (random.once(4) ? 0xef : 0x8e) + (random.once(8) ? 1 : 0);
    for (let i = 0; i < 64; i++) {
      this.#set64(GDT, 8 * i, random.u64());
      this.#set64(TSS, 8 * i, random.u64());
    }
    if (!random.once(8)) {
      // ESP0 and SS0, or RSP0.
      this.#view.setUint32(this.#pages[TSS]! + 4, STACK_TOP, true);
      this.#view.setUint32(this.#pages[TSS]! + 8, isLong(mode) ? 0 : 0x18, true);
    }
    [0n, 0xcf9b000000ffffn, 0xaf9b000000ffffn, 0xcf93000000ffffn, 0x9b000000ffffn, 0xcff3000000ffffn].forEach(
      (d, i) => {
        this.#set64(GDT, 8 * i, d);
      },
    );
    const step = isLong(mode) ? 16 : mode === "real" ? 4 : 8;
    const code = isLong(mode) ? 0x10n : 0x08n;
    for (let v = 0; v < PAGE / step; v++) {
      const handler = BigInt(HANDLERS * PAGE + random.below(PAGE));
      if (mode === "real") this.#view.setUint32(this.#pages[0]! + ((4 * v) % PAGE), Number(handler & 0xffffn), true);
      else {
        this.#set64(IDT, v * step, (BigInt(kind) << 40n) | (code << 16n) | (handler & 0xffffn));
        if (step === 16) this.#set64(IDT, v * step + 8, 0n);
      }
    }
  }

  /** Identity tables with some entries random: rights, large pages, addresses without memory. */
  #writePageTables(mode: FuzzMode, user: boolean): void {
    const wide = mode !== "paged32";
    const entry = (table: number, index: number, value: bigint) => {
      const noise = this.random.once(index === 0 ? 200 : 40) ? this.random.u64() : 0n;
      if (wide) this.#set64(table, 8 * index, value ^ noise);
      else this.#view.setUint32(this.#pages[table]! + 4 * index, Number(BigInt.asUintN(32, value ^ noise)), true);
    };
    let table = TABLES;
    const next = () => BigInt((table + 1) * PAGE) | (mode === "pae" && table === TABLES ? 1n : 7n);
    for (let level = isLong(mode) ? 3 : mode === "pae" ? 2 : 1; level > 0; level--, table++) entry(table, 0, next());
    const rights = user ? 7n : this.random.pick([3n, 3n, 7n]);
    for (let gfn = 0; gfn < (wide ? 512 : 1024); gfn++) entry(table, gfn, BigInt((gfn % 80) * PAGE) | rights);
  }

  #value(): bigint {
    const { random } = this;
    switch (random.below(4)) {
      case 0:
        return random.pick(INTERESTING);
      case 1:
        return BigInt(random.below(FUZZED_PAGES * PAGE));
      case 2:
        return BigInt.asUintN(64, -BigInt(random.below(0x10000)));
      default:
        return random.u64();
    }
  }

  #segment(index: number, selector: number, base: bigint, limit: number, attr: number): void {
    const at = this.#cpu + Vcpu.off.seg + SegmentReg.size * index;
    this.#view.setBigUint64(at + SegmentReg.off.base, base, true);
    this.#view.setUint32(at + SegmentReg.off.limit, limit, true);
    this.#view.setUint16(at + SegmentReg.off.selector, selector, true);
    this.#view.setUint16(at + SegmentReg.off.attr, attr, true);
  }

  #writeSegments(mode: FuzzMode, user: boolean): void {
    const { random } = this;
    const dpl = user ? 0x60 : 0;
    for (let i = 0; i < SEGMENTS; i++) {
      const base = random.once(8) ? BigInt(random.below(0x20000)) : 0n;
      const limit = random.once(8) ? random.u32() : 0xffffffff;
      if (mode === "real") this.#segment(i, Number(base >> 4n), base & ~0xfn, 0xffff, ATTR.data);
      else this.#segment(i, user ? 0x2b : 0x18, base, limit, ATTR.data | dpl);
    }
    const code = mode === "long" ? ATTR.code64 : mode === "real" || random.once(6) ? ATTR.code16 : ATTR.code32;
    this.#segment(CS, mode === "long" ? 0x10 : 0x08, 0n, mode === "real" ? 0xffff : 0xffffffff, code | dpl);
    this.#segment(LDTR, 0x38, BigInt(GDT * PAGE), 0xff, ATTR.ldt);
    this.#segment(TR, 0x40, BigInt(TSS * PAGE), 0x67 + random.below(512), isLong(mode) ? ATTR.tss64 : ATTR.tss32);
  }

  #writeRegisters(mode: FuzzMode, user: boolean): void {
    const { random } = this;
    const { off } = Vcpu;
    const set = (at: number, value: bigint) => this.#view.setBigUint64(this.#cpu + at, BigInt.asUintN(64, value), true);
    for (let i = 0; i < 16; i++) set(off.gpr + 8 * i, this.#value());
    if (!random.once(4)) set(off.gpr + 32, BigInt(STACK_TOP - 8 * random.below(64)));
    for (let i = 0; i < 16; i++) set(off.fpr + 8 * i, this.#value());
    for (let i = 0; i < 64; i++) set(off.vec + 8 * i, this.#value());
    // SMEP and SMAP now and then: with them a supervisor cannot run from a user's pages.
    const cr4 = BigInt(random.u32()) & (random.once(4) ? 0x310fffn : 0x010fffn);
    const cr0 = mode === "real" ? CR0.real : isPaged(mode) ? CR0.paged : CR0.protected;
    set(off.cr0, cr0 | (BigInt(random.u32()) & 0x5002en));
    set(off.cr3, BigInt(TABLES * PAGE));
    const pae = mode === "pae" || isLong(mode) ? 0x20n : 0n;
    set(off.cr4, (cr4 & ~0x20020n) | pae | (random.once(2) ? 0x600n : 0n));
    set(off.efer, isLong(mode) ? EFER_LONG : 0n);
    set(off.gdtrBase, BigInt(GDT * PAGE));
    set(off.idtrBase, mode === "real" ? 0n : BigInt(IDT * PAGE));
    this.#view.setUint32(this.#cpu + off.gdtrLimit, 0x1ff, true);
    this.#view.setUint32(this.#cpu + off.idtrLimit, mode === "real" ? 0x3ff : 0xfff, true);
    this.#writeSegments(mode, user);
    this.#view.setUint8(this.#cpu + off.cpl, user ? 3 : 0);
    this.#view.setUint32(this.#cpu + off.ccOp, 0, true);
    // VM86 is entered by IRET alone; a set VM flag outside 32-bit protected mode is no state of a processor.
    this.#view.setUint32(this.#cpu + off.eflags, (random.u32() & FLAGS_MASK & ~0x20000) | 2, true);
    const start = mode === "real" ? HANDLERS * PAGE : FIRST_CODE * PAGE;
    set(off.rip, BigInt(start + random.below(mode === "real" ? PAGE : CODE_PAGES * PAGE)));
  }
}
