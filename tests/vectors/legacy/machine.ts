/**
 * One vCPU in the settings of 16- and 32-bit vectors, without a guest: tables and handlers made here, so that a test runs
 * single instructions and sees what they did or which exception they raised.
 */
import { SegmentReg, Vcpu } from "../../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "../../support/core.js";
import { NO_TRAP } from "../layout.js";
import {
  type Descriptor,
  descriptorBits,
  descriptorOf,
  globalTable,
  HOLES,
  Kind,
  LOCAL_TABLE,
  SEL,
  USER_PAGES,
  USER_VECTORS,
  WITH_ERROR,
} from "./settings.js";

const DOMID = 1;
const RAM_PAGES = 0x60;
const MACHINE_FRAMES = 2048;
const PAGE = 4096;
/** Guest-physical layout; supervisor pages map the first 4 MiB to themselves. The real-mode vectors lie at 0. */
const DIRECTORY = 0x1000;
const FIRST_TABLE = 0x2000;
const GDT = 0x8000;
const LDT = 0x9000;
const IDT = 0xa000;
const TSS = 0xb000;
const HANDLERS = 0xc000;
const STACK_TOP = 0xe000;
const GATE_SUPERVISOR = 0x8e00;
const GATE_USER = 0xee00;
const CR0 = { protected: 0x80010031n, real: 0x30n } as const;
const BIG_LIMIT = 8;
const MOST_RUNS = 100;
const [CS, SS, LDTR, TR] = [1, 2, 6, 7] as const;
const RSP = 4;

/** How an instruction ended: NO_TRAP, or the exception with what its frame holds. */
export interface Outcome {
  readonly trap: number;
  readonly error: number;
  readonly rip: bigint;
  readonly flags: number;
  readonly rsp: bigint;
  /** ES CS SS DS FS GS. */
  readonly selectors: readonly number[];
}

/** The machine of the file's head. */
export class LegacyMachine {
  readonly cpu: number;
  private view: DataView;
  private readonly pages: number[];
  private kind: Kind = Kind.PROTECTED;

  constructor(
    readonly core: TestCore,
    frames = MACHINE_FRAMES,
  ) {
    const { call } = core;
    const check = (what: string, result: number): void => {
      if (result < 0) throw new Error(`${what}: ${result}`);
    };
    check("machineInit", call.machineInit(frames, 1, 1, 1, 0));
    check("domainCreate", call.domainCreate(DOMID, 1, RAM_PAGES));
    check("domainAddRam", call.domainAddRam(DOMID, 0, RAM_PAGES));
    check("vcpuStartPvh", call.vcpuStartPvh(DOMID, 0, 0, 0));
    this.pages = Array.from({ length: RAM_PAGES }, (_, gfn) => call.domainPage(DOMID, gfn) >>> 0);
    this.cpu = call.vcpuAddress(DOMID, 0) >>> 0;
    this.view = new DataView(core.memory.buffer);
    this.makePages();
    this.makeTables();
  }

  /** Machine address of a guest-physical one. */
  at(gpa: number): number {
    return this.pages[gpa >>> 12]! + (gpa % PAGE);
  }

  private put32(gpa: number, value: number): void {
    this.view.setUint32(this.at(gpa), value, true);
  }

  private put64(gpa: number, value: bigint): void {
    this.view.setBigUint64(this.at(gpa), value, true);
  }

  private makePages(): void {
    const tables = new Map<number, number>();
    const tableOf = (linear: number): number => {
      const index = linear >>> 22;
      const table = tables.get(index) ?? FIRST_TABLE + tables.size * PAGE;
      tables.set(index, table);
      this.put32(DIRECTORY + 4 * index, table | 7);
      return table + ((linear >>> 12) & 0x3ff) * 4;
    };
    for (let page = 0; page < 0x400000; page += PAGE) this.put32(tableOf(page), page | 0x63);
    for (const p of USER_PAGES) this.put32(tableOf(p.linear), p.physical | (p.writable ? 0x67 : 0x65));
    for (const hole of HOLES) this.put32(tableOf(hole), 0);
  }

  private makeTables(): void {
    globalTable(TSS, LDT).forEach((d, n) => {
      this.put64(GDT + 8 * n, descriptorBits(d));
    });
    LOCAL_TABLE.forEach((d, n) => {
      this.put64(LDT + 8 * n, descriptorBits(d));
    });
    for (let v = 0; v < 256; v++) {
      const offset = HANDLERS + 16 * v;
      this.put32(IDT + 8 * v, (SEL.code << 16) | offset);
      this.put32(IDT + 8 * v + 4, USER_VECTORS(v) ? GATE_USER : GATE_SUPERVISOR);
      this.put32(4 * v, offset);
    }
    this.put32(TSS + 4, STACK_TOP);
    this.put32(TSS + 8, SEL.data);
    this.put32(TSS + 100, 0x68 << 16);
  }

  private segment(index: number, selector: number, d: Descriptor): void {
    const at = this.cpu + Vcpu.off.seg + SegmentReg.size * index;
    const limit = d.flags & BIG_LIMIT ? d.limit * PAGE + 0xfff : d.limit;
    this.view.setBigUint64(at + SegmentReg.off.base, BigInt(d.base), true);
    this.view.setUint32(at + SegmentReg.off.limit, limit, true);
    this.view.setUint16(at + SegmentReg.off.selector, selector, true);
    this.view.setUint16(at + SegmentReg.off.attr, d.access | (d.flags << 8), true);
  }

  /** Throws unless Vcpu.notFlat says of ES, CS, SS, DS, FS and GS what their hidden parts do. */
  checkFlat(): void {
    let derived = 0;
    for (let index = 0; index < 6; index++) {
      const at = this.cpu + Vcpu.off.seg + SegmentReg.size * index;
      const base = this.view.getBigUint64(at + SegmentReg.off.base, true);
      const access = this.view.getUint16(at + SegmentReg.off.attr, true) & 0xff;
      // Present, data, expanding upwards, writable.
      const isData = (access & 0b1000_1110) === 0b1000_0010;
      const ends = this.view.getUint32(at + SegmentReg.off.limit, true) === 0xffffffff;
      if (!ends || (base !== 0n && index < 4) || (!isData && index !== 1)) derived |= 1 << index;
    }
    const noted = this.view.getUint32(this.cpu + Vcpu.off.notFlat, true);
    if (noted !== derived) throw new Error(`notFlat is ${noted}, by the segment registers it is ${derived}`);
  }

  private selector(index: number): number {
    return this.view.getUint16(this.cpu + Vcpu.off.seg + SegmentReg.size * index + SegmentReg.off.selector, true);
  }

  /** Mode and segments; general registers, RIP, flags and memory are the caller's. */
  enter(kind: Kind, selectors: readonly number[]): void {
    this.view = new DataView(this.core.memory.buffer);
    const { off } = Vcpu;
    const { cpu, view } = this;
    const set = (at: number, v: bigint) => view.setBigUint64(cpu + at, v, true);
    const real = kind === Kind.REAL;
    set(off.cr0, real ? CR0.real : CR0.protected);
    set(off.cr2, 0n);
    set(off.cr3, BigInt(DIRECTORY));
    set(off.cr4, 0x10n);
    set(off.efer, 0n);
    set(off.gdtrBase, BigInt(GDT));
    set(off.idtrBase, real ? 0n : BigInt(IDT));
    view.setUint32(cpu + off.gdtrLimit, 8 * globalTable(0, 0).length - 1, true);
    view.setUint32(cpu + off.idtrLimit, real ? 0x3ff : 0x7ff, true);
    selectors.forEach((s, n) => {
      this.segment(n, s, descriptorOf(kind, s));
    });
    const [tss, ldt] = globalTable(TSS, LDT).slice(-2) as [Descriptor, Descriptor];
    this.segment(LDTR, SEL.ldt, ldt);
    this.segment(TR, SEL.tss, tss);
    view.setUint8(cpu + off.cpl, real ? 0 : 3);
    view.setUint8(cpu + off.interruptShadow, 0);
    view.setUint8(cpu + off.debugShadow, 0);
    view.setUint32(cpu + off.ccOp, 0, true);
    view.setUint8(cpu + off.halted, 0);
    const paging = (this.kind === Kind.REAL) !== real;
    this.kind = kind;
    if (paging) this.core.call.testFlush(cpu);
  }

  /** Tells the core that a page's bytes are about to be changed from outside. */
  forgetCode(host: number): void {
    const gfn = this.pages.indexOf(host);
    if (gfn >= 0) this.core.call.domainPage(DOMID, gfn);
  }

  /** Runs the instruction at RIP; in real-address mode also the INT3 behind it, whose frame lands on the same stack. */
  run(): Outcome {
    const { call } = this.core;
    call.testRefresh(this.cpu);
    const rip = (): bigint => this.view.getBigUint64(this.cpu + Vcpu.off.rip, true);
    const start = rip();
    for (let i = 0; i < MOST_RUNS; i++) {
      call.testRun(this.cpu, 1);
      if (this.kind === Kind.REAL ? this.selector(CS) === 0 : rip() !== start || this.handled()) break;
    }
    if (this.kind === Kind.REAL) return this.realFrame();
    return this.handled() ? this.protectedFrame() : this.completed();
  }

  private handled(): boolean {
    return this.view.getUint8(this.cpu + Vcpu.off.cpl) === 0;
  }

  private gpr(n: number): bigint {
    return this.view.getBigUint64(this.cpu + Vcpu.off.gpr + 8 * n, true);
  }

  private now(): number[] {
    return Array.from({ length: 6 }, (_, n) => this.selector(n));
  }

  private completed(): Outcome {
    const rip = this.view.getBigUint64(this.cpu + Vcpu.off.rip, true);
    const flags = this.view.getUint32(this.cpu + Vcpu.off.eflags, true);
    return { trap: NO_TRAP, error: 0, rip, flags, rsp: this.gpr(RSP), selectors: this.now() };
  }

  private vector(): number {
    return (Number(this.view.getBigUint64(this.cpu + Vcpu.off.rip, true)) - HANDLERS) / 16;
  }

  private protectedFrame(): Outcome {
    const vector = this.vector();
    let at = Number(this.gpr(RSP));
    const next = (): number => {
      at += 4;
      return this.view.getUint32(this.at(at - 4), true);
    };
    const error = (WITH_ERROR as readonly number[]).includes(vector) ? next() : 0;
    const [eip, cs, flags, esp, ss] = [next(), next() & 0xffff, next(), next(), next() & 0xffff];
    const selectors = this.now();
    if (flags & 0x20000) [selectors[0], selectors[3], selectors[4], selectors[5]] = [next(), next(), next(), next()];
    selectors[CS] = cs;
    selectors[SS] = ss;
    return { trap: vector, error, rip: BigInt(eip), flags, rsp: BigInt(esp), selectors };
  }

  /** The frame of a real-mode exception lies on the stack of the interrupted code. */
  private realFrame(): Outcome {
    const selectors = this.now();
    const esp = Number(this.gpr(RSP));
    const word = (n: number): number =>
      this.view.getUint16(this.at(selectors[SS]! * 16 + ((esp + 2 * n) & 0xffff)), true);
    selectors[CS] = word(1);
    const flags = (this.view.getUint32(this.cpu + Vcpu.off.eflags, true) & 0xffff0000) | word(2);
    const rsp = BigInt((esp & 0xffff0000) | ((esp + 6) & 0xffff)) & 0xffffffffn;
    return { trap: this.vector(), error: 0, rip: BigInt(word(0)), flags, rsp, selectors };
  }
}
