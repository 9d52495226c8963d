/**
 * One of two machines that run the same program: the address space, handlers that go on where the program said (R15, or
 * GO_ON in 32-bit code), and the whole state.
 */
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES } from "../support/regions.js";
import { integer, lanes } from "../vectors/values.js";
import {
  ALIAS,
  ALIAS_ORDER,
  CODE,
  CODE_BYTES,
  DATA,
  DATA_BYTES,
  DEVICE_AT,
  EDGE_PAGES,
  EDGES,
  FS_BASE_32,
  GO_ON,
  GS_BASE,
  READ_ONLY,
  STACK,
  STACK_BYTES,
  STEERING,
} from "./space.js";

/** Width of the code. */
export type Mode = 32 | 64;

const PAGE = 4096;
const RAM_PAGES = 64;
const VECTORS = 256;
const SLOT = 16;
/** Of vectors that nobody raises. */
const RETURN_AT = 128 * SLOT;
const PUSHES_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);
const FILL = 0xcc;
const { off } = Vcpu;

const little = (v: number): number[] => [0, 8, 16, 24].map((s) => (v >>> s) & 0xff);

/** Sets RIP to R15 or to what GO_ON says, CS, SS, and EFLAGS without TF, NT, RF and AC in the frame, and returns. */
const RETURN = (mode: Mode): number[] =>
  [
    // MOV [RSP], R15; or PUSH RAX, MOV EAX, [GO_ON], MOV [RSP + 8], RAX, POP RAX
    mode === 64
      ? [0x4c, 0x89, 0x3c, 0x24]
      : [0x50, 0x8b, 0x04, 0x25, ...little(GO_ON), 0x48, 0x89, 0x44, 0x24, 0x08, 0x58],
    [0x48, 0xc7, 0x44, 0x24, 0x08, mode === 64 ? 0x33 : 0x07, 0, 0, 0],
    [0x81, 0x64, 0x24, 0x10, 0xff, 0xbe, 0xfa, 0xff],
    [0x48, 0xc7, 0x44, 0x24, 0x20, 0x2b, 0, 0, 0],
    [0x48, 0xcf],
  ].flat();

interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

const GPR = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
const named = (name: string, at: number, bytes: number): Field => ({ name, at, bytes });

/** Everything architectural of a vCPU, and its count of instructions. */
export const FIELDS: readonly Field[] = [
  named("icount", off.icount, 8),
  named("rip", off.rip, 8),
  ...Array.from({ length: 16 }, (_, n) => named(GPR[n] ?? `r${n}`, off.gpr + 8 * n, 8)),
  named("eflags", off.eflags, 4),
  named("cpl", off.cpl, 1),
  named("cr2", off.cr2, 8),
  named("dr6", off.dr + 48, 8),
  ...Array.from({ length: 16 }, (_, n) => named(`xmm${n}`, off.vec + 32 * n, 16)),
  ...Array.from({ length: 8 }, (_, n) => named(`fpr${n}`, off.fpr + 16 * n, 10)),
  named("fcw", off.fcw, 2),
  named("fsw", off.fsw, 2),
  named("ftw", off.ftw, 2),
  named("fop", off.fop, 2),
  named("fip", off.fip, 8),
  named("fdp", off.fdp, 8),
  named("mxcsr", off.mxcsr, 4),
  named("segments", off.seg, 128),
];

export class DiffMachine {
  readonly cpu: number;
  readonly #machine: LongModeMachine;
  readonly #code: readonly number[];
  readonly #data: number[];
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #steering: number;
  readonly #frames: readonly number[];

  constructor(
    readonly core: TestCore,
    readonly mode: Mode = 64,
  ) {
    this.#machine = new LongModeMachine(core, REGION_FRAMES);
    const map = (linear: number, bytes: number, writable: boolean) =>
      this.#machine.mapUser({ linear, bytes, writable });
    this.#data = [...map(DATA, DATA_BYTES, true), ...map(READ_ONLY, PAGE, false), ...map(STACK, STACK_BYTES, true)];
    const code = this.#machine.reserve(CODE_BYTES / PAGE);
    code.forEach((gpa, i) => {
      this.#machine.remapUser(CODE + i * PAGE, gpa);
      this.#machine.remapUser(ALIAS + i * PAGE, code[ALIAS_ORDER[i]!]!);
    });
    this.#code = code.map((gpa) => this.#machine.at(gpa));
    this.#steering = map(STEERING, PAGE, true)[0]!;
    this.#data.push(this.#steering, ...this.#mapEdges());
    this.cpu = this.#machine.cpu;
    this.#memory = new Uint8Array(core.memory.buffer);
    this.#view = new DataView(core.memory.buffer);
    this.#frames = Array.from({ length: RAM_PAGES }, (_, gfn) => this.#machine.at(BigInt(gfn * PAGE)));
    this.#writeHandlers();
  }

  /** Machine addresses of the pages side by side that are memory. */
  #mapEdges(): number[] {
    const [twin] = this.#machine.reserve(1);
    const out = [this.#machine.at(twin!)];
    for (const [i, what] of EDGE_PAGES.entries()) {
      const linear = EDGES + i * PAGE;
      if (what === "twin") this.#machine.remapUser(linear, twin!);
      else if (what === "device") this.#machine.remapUser(linear, DEVICE_AT, false);
      else if (what !== "none")
        out.push(...this.#machine.mapUser({ linear, bytes: PAGE, writable: what === "writable" }));
    }
    return out;
  }

  #writeHandlers(): void {
    const page = this.#machine.at(HANDLERS);
    for (let v = 0; v < VECTORS; v++) {
      const pop = PUSHES_ERROR.has(v) ? [0x48, 0x83, 0xc4, 0x08] : [];
      const from = v * SLOT + pop.length + 5;
      const d = RETURN_AT - from;
      if (v * SLOT < RETURN_AT)
        this.#memory.set([...pop, 0xe9, d & 0xff, (d >> 8) & 0xff, (d >> 16) & 0xff, d >> 24], page + v * SLOT);
    }
    this.#memory.set(RETURN(this.mode), page + RETURN_AT);
  }

  /** Program, registers and memory; equal seeds give equal states. A fault goes on at `end` until R15 says otherwise. */
  load(code: Uint8Array, seed: number, end: number): void {
    const random = new Random(seed);
    for (const [i, page] of this.#code.entries()) {
      this.#machine.forgetCode(page);
      this.#memory.fill(FILL, page, page + PAGE);
      this.#memory.set(code.subarray(i * PAGE, (i + 1) * PAGE), page);
    }
    for (const page of this.#data) {
      this.#machine.forgetCode(page);
      for (let at = 0; at < PAGE; at += 16)
        this.#memory.set(lanes(random, random.pick([8, 16, 32, 64, "f32", "f64"])), page + at);
    }
    const { cpu, mode } = this;
    this.#machine.enterUser(mode, BigInt(GS_BASE));
    if (mode === 32) {
      this.#machine.dataSegment(4, FS_BASE_32);
      this.#machine.dataSegment(5, GS_BASE);
    }
    for (let n = 0; n < 16; n++) this.#view.setBigUint64(cpu + off.gpr + 8 * n, integer(random, mode), true);
    this.#view.setBigUint64(cpu + off.gpr + 8 * 15, BigInt(end), true);
    for (let n = 0; n < 16; n++)
      this.#memory.set(lanes(random, random.pick([32, "f32", "f64"])), cpu + off.vec + 32 * n);
    this.#memory.fill(0, cpu + off.fpr, cpu + off.fpr + 128);
    new DataView(this.#memory.buffer).setUint32(this.#steering, end, true);
    this.#view.setBigUint64(cpu + off.rip, BigInt(CODE), true);
    this.#view.setUint32(cpu + off.eflags, 0x202, true);
    this.#view.setUint16(cpu + off.fcw, 0x37f, true);
    this.#view.setUint16(cpu + off.fsw, 0, true);
    this.#view.setUint16(cpu + off.ftw, 0xffff, true);
    this.#view.setUint32(cpu + off.mxcsr, 0x1f80, true);
    this.#view.setBigUint64(cpu + off.icount, 0n, true);
    this.#machine.refresh();
  }

  /** From now on each instruction is a block of its own. */
  stepSingly(): void {
    this.#view.setUint8(this.cpu + off.forceSingleStep, 1);
    this.#machine.refresh();
  }

  run(instructions: number): void {
    this.core.call.testRun(this.cpu, instructions);
  }

  get icount(): number {
    return Number(this.#view.getBigUint64(this.cpu + off.icount, true));
  }

  get rip(): number {
    return Number(this.#view.getBigUint64(this.cpu + off.rip, true));
  }

  get regionInstructions(): number {
    return Number(this.#view.getBigUint64(this.cpu + off.regionInstructions, true));
  }

  get regionEntries(): number {
    return Number(this.#view.getBigUint64(this.cpu + off.regionEntries, true));
  }

  get regionHandlers(): number {
    return Number(this.#view.getBigUint64(this.cpu + off.regionHandlers, true));
  }

  field(f: Field): Uint8Array {
    return this.#memory.subarray(this.cpu + f.at, this.cpu + f.at + f.bytes);
  }

  /** The domain's page `gfn`. */
  page(gfn: number): Uint8Array {
    return this.#memory.subarray(this.#frames[gfn]!, this.#frames[gfn]! + PAGE);
  }
}

const hex = (b: Uint8Array): string => Buffer.from(b).reverse().toString("hex");

/** What differs between the two, a line each: "name  a  b". */
export function differences(a: DiffMachine, b: DiffMachine): string[] {
  const out: string[] = [];
  for (const f of FIELDS) {
    if (Buffer.compare(a.field(f), b.field(f)) !== 0) out.push(`${f.name}  ${hex(a.field(f))}  ${hex(b.field(f))}`);
  }
  for (let gfn = 0; gfn < RAM_PAGES; gfn++) {
    const [x, y] = [a.page(gfn), b.page(gfn)];
    if (Buffer.compare(x, y) === 0) continue;
    const at = x.findIndex((byte, i) => byte !== y[i]) & ~15;
    out.push(
      `page ${gfn.toString(16)} + ${at.toString(16)}  ${hex(x.slice(at, at + 16))}  ${hex(y.slice(at, at + 16))}`,
    );
  }
  return out;
}
