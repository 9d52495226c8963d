/**
 * One vCPU in long mode at CPL 3, without a guest: page tables, descriptor tables and handlers made here, so that a test
 * runs single instructions and sees what they did or which exception they raised.
 */
import { FPR_STRIDE, SegmentReg, Vcpu, VEC_STRIDE } from "../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "./core.js";

const DOMID = 1;
const RAM_PAGES = 64;
const MACHINE_FRAMES = 4096;
const PAGE = 4096n;

/** Guest-physical layout of the system structures; they are mapped at the same linear addresses for the supervisor. */
const PML4 = 0x1000n;
const PDPT = 0x2000n;
const PD = 0x3000n;
const FIRST_PT = 0x4000n;
const GDT = 0x8000n;
const LDT = 0x9000n;
const IDT = 0xa000n;
const TSS = 0xb000n;
/** Where the exception handlers lie, 16 bytes each. */
export const HANDLERS = 0xc000n;
/** Where exceptions find their stack. */
export const STACK_TOP = 0xe000n;
const FIRST_USER_PAGE = 0x10000n;

const JUMP_TO_ITSELF = 0xfeeb;
const PTE = { P: 1n, W: 2n, U: 4n, A: 0x20n, D: 0x40n } as const;
const CR0 = 0x8005_0033n;
/** PAE, OSFXSR, OSXMMEXCPT, OSXSAVE. */
const CR4 = 0x40620n;
const EFER = 0xd01n;
const KERNEL_CODE = 0x10;
const GATE_PRESENT = 0x8e00n;
const GATE_USER = 0xee00n;
/** Vectors that INT n may name at CPL 3. */
const USER_VECTORS = [3, 4];
const ATTR = { code64: 0xafb, code32: 0xcfb, code16: 0x8fb, data: 0xcf3, ldt: 0x82, tss: 0x8b } as const;

/** Descriptors by index, as Linux lays its table out: kernel code 32, 64, data, none, user data, user code. */
const GDT_ENTRIES = [
  0n,
  0x00cf9b000000ffffn,
  0x00af9b000000ffffn,
  0x00cf93000000ffffn,
  0n,
  0x00cff3000000ffffn,
  0x00affb000000ffffn,
];

export interface Mapping {
  readonly linear: number;
  readonly bytes: number;
  readonly writable: boolean;
}

/** Where a program begins at CPL 3, and with what. */
export interface Start {
  readonly rip: number | bigint;
  /** All others are 0. */
  readonly registers?: Readonly<Record<number, number | bigint>>;
  readonly mode?: 32 | 64;
  readonly eflags?: number;
}

/** An exception that was delivered, from the frame on the handler's stack. */
export interface Exception {
  readonly vector: number;
  readonly error: number;
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly rflags: bigint;
}

const RSP = 4;
const MOST_RUNS = 100;
const PUSHES_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

/** The machine of the file's head. */
export class LongModeMachine {
  readonly cpu: number;
  private nextPage = FIRST_USER_PAGE;
  private nextTable = FIRST_PT;
  private readonly pages = new Map<number, number>();

  constructor(
    readonly core: TestCore,
    frames = MACHINE_FRAMES,
    ramPages = RAM_PAGES,
  ) {
    const { call } = core;
    const check = (what: string, result: number): void => {
      if (result < 0) throw new Error(`${what}: ${result}`);
    };
    check("machineInit", call.machineInit(frames, 1, 1, 1, 0));
    check("domainCreate", call.domainCreate(DOMID, 1, ramPages));
    check("domainAddRam", call.domainAddRam(DOMID, 0, ramPages));
    check("vcpuStartPvh", call.vcpuStartPvh(DOMID, 0, 0, 0));
    for (let gfn = 0; gfn < ramPages; gfn++) this.pages.set(gfn, call.domainPage(DOMID, gfn) >>> 0);
    this.cpu = call.vcpuAddress(DOMID, 0) >>> 0;
    this.makeTables();
    this.makeProcessor();
  }

  /** Made anew each time: the memory may have grown. */
  private get view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  /** Machine address of a guest-physical one. */
  at(gpa: bigint): number {
    const page = this.pages.get(Number(gpa / PAGE));
    if (page === undefined) throw new Error(`no memory at ${gpa.toString(16)}`);
    return page + Number(gpa % PAGE);
  }

  private write(gpa: bigint, value: bigint): void {
    this.view.setBigUint64(this.at(gpa), BigInt.asUintN(64, value), true);
  }

  private read(gpa: bigint): bigint {
    return this.view.getBigUint64(this.at(gpa), true);
  }

  private makeTables(): void {
    this.write(PML4, PDPT | PTE.P | PTE.W | PTE.U);
    this.write(PDPT, PD | PTE.P | PTE.W | PTE.U);
    for (let page = 0n; page < FIRST_USER_PAGE; page += PAGE) this.map(page, page, PTE.W);
    for (const [i, d] of GDT_ENTRIES.entries()) this.write(GDT + 8n * BigInt(i), d);
    this.write(LDT, 0x00cffb000000ffffn);
    for (let v = 0; v < 256; v++) this.gate(v);
    this.write(TSS + 4n, STACK_TOP);
    // The I/O permission map begins beyond the limit: no port is allowed.
    this.view.setUint16(this.at(TSS + 102n), 104, true);
  }

  private gate(vector: number): void {
    const offset = HANDLERS + 16n * BigInt(vector);
    const kind = USER_VECTORS.includes(vector) ? GATE_USER : GATE_PRESENT;
    this.write(
      IDT + 16n * BigInt(vector),
      ((offset >> 16n) << 48n) | (kind << 32n) | (BigInt(KERNEL_CODE) << 16n) | (offset & 0xffffn),
    );
    this.write(IDT + 16n * BigInt(vector) + 8n, offset >> 32n);
  }

  /** Each handler is a jump to itself: who comes there stays. */
  stayInHandlers(): void {
    for (let v = 0n; v < 256n; v++) this.view.setUint16(this.at(HANDLERS + 16n * v), JUMP_TO_ITSELF, true);
  }

  private map(linear: bigint, gpa: bigint, rights: bigint): void {
    const slot = PD + 8n * (linear >> 21n);
    if (this.read(slot) === 0n) {
      this.write(slot, this.nextTable | PTE.P | PTE.W | PTE.U);
      this.nextTable += PAGE;
    }
    this.write((this.read(slot) & ~0xfffn) + 8n * ((linear >> 12n) & 511n), gpa | PTE.P | PTE.A | PTE.D | rights);
  }

  /** Maps fresh pages for CPL 3; returns their machine addresses in order. */
  mapUser(m: Mapping): number[] {
    const out: number[] = [];
    for (let at = 0; at < m.bytes; at += Number(PAGE)) {
      this.map(BigInt(m.linear + at), this.nextPage, PTE.U | (m.writable ? PTE.W : 0n));
      out.push(this.at(this.nextPage));
      this.nextPage += PAGE;
    }
    this.core.call.testFlush(this.cpu);
    return out;
  }

  /** Maps as many fresh pages for CPL 3 as the bytes need, and puts them there; the pages' machine addresses in order. */
  placeUser(linear: number, bytes: Uint8Array, writable: boolean): number[] {
    const pages = this.mapUser({ linear, bytes: bytes.length, writable });
    const memory = new Uint8Array(this.core.memory.buffer);
    const size = Number(PAGE);
    for (const [i, page] of pages.entries()) memory.set(bytes.subarray(i * size, (i + 1) * size), page);
    return pages;
  }

  /** Pages that nothing is mapped to yet, by guest-physical address. */
  reserve(pages: number): bigint[] {
    return Array.from({ length: pages }, () => {
      const gpa = this.nextPage;
      this.nextPage += PAGE;
      return gpa;
    });
  }

  /** Maps one page for CPL 3 where another may have been. */
  remapUser(linear: number, gpa: bigint, writable = true): void {
    this.map(BigInt(linear), gpa, PTE.U | (writable ? PTE.W : 0n));
    this.core.call.testFlush(this.cpu);
  }

  /** The same, as a guest does it that drops the translation of that page alone. */
  replaceUser(linear: number, gpa: bigint, writable = false): void {
    this.map(BigInt(linear), gpa, PTE.U | (writable ? PTE.W : 0n));
    this.core.call.testInvlpg(this.cpu, BigInt(linear));
  }

  /** The same, but what the vCPU has of the old translation stays: a guest may drop it later. */
  replaceSilently(linear: number, gpa: bigint): void {
    this.map(BigInt(linear), gpa, PTE.U);
  }

  private makeProcessor(): void {
    const { off } = Vcpu;
    const set = (at: number, v: bigint) => this.view.setBigUint64(this.cpu + at, v, true);
    set(off.cr0, CR0);
    set(off.cr3, PML4);
    set(off.cr4, CR4);
    set(off.efer, EFER);
    set(off.gdtrBase, GDT);
    set(off.idtrBase, IDT);
    this.view.setUint32(this.cpu + off.gdtrLimit, 0x7f, true);
    this.view.setUint32(this.cpu + off.idtrLimit, 0xfff, true);
    this.segment(6, 0x48, LDT, 0xfff, ATTR.ldt);
    this.segment(7, 0x40, TSS, 0x67, ATTR.tss);
  }

  private segment(index: number, selector: number, base: bigint, limit: number, attr: number): void {
    const at = this.cpu + Vcpu.off.seg + SegmentReg.size * index;
    this.view.setBigUint64(at + SegmentReg.off.base, base, true);
    this.view.setUint32(at + SegmentReg.off.limit, limit, true);
    this.view.setUint16(at + SegmentReg.off.selector, selector, true);
    this.view.setUint16(at + SegmentReg.off.attr, attr, true);
  }

  /** CPL 3 with 64-bit code, or with flat 32-bit code of the LDT. */
  enterUser(mode: 32 | 64, gsBase: bigint): void {
    const code32 = mode === 32;
    this.segment(0, 0x2b, 0n, 0xffffffff, ATTR.data);
    this.segment(1, code32 ? 0x07 : 0x33, 0n, 0xffffffff, code32 ? ATTR.code32 : ATTR.code64);
    this.segment(2, 0x2b, 0n, 0xffffffff, ATTR.data);
    this.segment(3, 0x2b, 0n, 0xffffffff, ATTR.data);
    this.segment(4, 0, 0n, 0, 0);
    this.segment(5, 0, gsBase, 0, 0);
    const { off } = Vcpu;
    this.view.setUint8(this.cpu + off.cpl, 3);
    this.view.setUint8(this.cpu + off.interruptShadow, 0);
    this.view.setUint8(this.cpu + off.debugShadow, 0);
    this.view.setUint32(this.cpu + off.ccOp, 0, true);
    this.view.setUint8(this.cpu + off.halted, 0);
  }

  /** Ready to run at CPL 3 from `rip` on, with all general registers and the flags set anew. */
  begin({ rip, registers = {}, mode = 64, eflags = 0x202 }: Start): void {
    this.enterUser(mode, 0n);
    const { view, cpu } = this;
    const { off } = Vcpu;
    for (let n = 0; n < 16; n++) view.setBigUint64(cpu + off.gpr + 8 * n, BigInt(registers[n] ?? 0), true);
    view.setBigUint64(cpu + off.rip, BigInt(rip), true);
    view.setUint32(cpu + off.eflags, eflags, true);
    this.refresh();
  }

  /** General register `n`. */
  register(n: number): bigint {
    return this.view.getBigUint64(this.cpu + Vcpu.off.gpr + 8 * n, true);
  }

  get rip(): bigint {
    return this.view.getBigUint64(this.cpu + Vcpu.off.rip, true);
  }

  /** After enterUser: FS or GS is a flat data segment of CPL 3 that begins at `base`. */
  dataSegment(index: 4 | 5, base: number): void {
    this.segment(index, 0x2b, BigInt(base), 0xffffffff, ATTR.data);
  }

  /** Tells the core that a page's bytes are about to be changed from outside. */
  forgetCode(host: number): void {
    for (const [gfn, page] of this.pages) if (page === host) this.core.call.domainPage(DOMID, gfn);
  }

  /** What the core derives from the state just written. */
  refresh(): void {
    this.core.call.testRefresh(this.cpu);
  }

  /** Runs the instruction at RIP; what stands behind it should be INT3. The exception that ended the run, or null. */
  run(): Exception | null {
    const start = this.rip;
    // A repeated string instruction may come back to look at events.
    for (let i = 0; i < MOST_RUNS; i++) {
      this.core.call.testRun(this.cpu, 1);
      if (this.rip !== start) break;
    }
    if (this.view.getUint8(this.cpu + Vcpu.off.cpl) === 3) return null;
    const vector = Number((this.rip - HANDLERS) / 16n);
    let at = this.register(RSP);
    const error = PUSHES_ERROR.has(vector) ? Number(this.read(at) & 0xffffffffn) : 0;
    if (PUSHES_ERROR.has(vector)) at += 8n;
    return { vector, error, rip: this.read(at), rflags: this.read(at + 16n), rsp: this.read(at + 24n) };
  }
}

/** Offset of XMM register `n` in the vCPU. */
export const xmmOffset = (n: number): number => Vcpu.off.vec + VEC_STRIDE * n;
/** Offset of physical x87 register `n` in the vCPU. */
export const fprOffset = (n: number): number => Vcpu.off.fpr + FPR_STRIDE * n;
