/**
 * A core of the SSE and state-save rows alone, for tests: their generated handlers over wasm memory that is guest memory
 * at the same addresses (paging and segments have tests of their own). Compiled in memory; nothing is written.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { Vcpu } from "../../../abi/structs/vcpu.js";
import { layoutSource } from "../../../build/gen-layout.js";
import { handlersSource, makeHandlers } from "../../../isa/gen/handlers.js";
import type { Family, Row } from "../../../isa/row.js";
import { loadTable } from "../../../isa/table.js";
import { buildTree } from "../../../isa/tree.js";
import { type Variant, variantsOf } from "../../../isa/variants.js";

const ASSEMBLY = fileURLToPath(new URL("../../", import.meta.url));

const ENTRY = `
import { HANDLERS } from "./gen/handlers";
import { Vcpu } from "./gen/layout";
import { Rec } from "./decode/record";
import { readFlags } from "./cpu/flags";
export function run(i: u32, cpu: usize, rec: usize): i32 { return HANDLERS[i](changetype<Vcpu>(cpu), changetype<Rec>(rec)); }
export function flags(cpu: usize): u32 { return readFlags(changetype<Vcpu>(cpu)); }
`;

const GLUE = `
import { Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { raise, Vector } from "../cpu/faults";
export function canLock(cpu: Vcpu, p: usize, size: usize): bool { return true; }
export function endBlock(status: i32): i32 { return status; }
export function splitLock(cpu: Vcpu, p: usize): void {}
export function splitUnlock(cpu: Vcpu): void {}
export function undefinedOpcode(cpu: Vcpu, rec: Rec): i32 { return raise(cpu, Vector.UD); }
`;

/** Accesses from this address on fault, so that tests can see what a fault leaves behind. */
export const UNMAPPED = 0x3f0000;

const ACCESS = `
import { Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { raisePageFault } from "../cpu/faults";
export namespace Door { export const READ: u32 = 0; export const WRITE: u32 = 1; export const UPDATE: u32 = 2; }
export function memAddr(cpu: Vcpu, rec: Rec): u64 { return load<u64>(changetype<usize>(cpu) + rec.rm) + <u64>rec.disp; }
export function memSeg(rec: Rec): u32 { return 3; }
export function segBase(cpu: Vcpu, seg: u32): u64 { return 0; }
export function linR(cpu: Vcpu, lin: u64, size: u32, ss: bool): usize { return segAccess(cpu, 0, lin, size, 0); }
export function segAccess(cpu: Vcpu, seg: u32, off: u64, size: u32, door: u32): usize {
  if (off + size <= ${UNMAPPED}) return <usize>off;
  raisePageFault(cpu, off, 0);
  return 0;
}
export function segR(cpu: Vcpu, seg: u32, off: u64, size: u32): usize { return segAccess(cpu, seg, off, size, 0); }
export function segW(cpu: Vcpu, seg: u32, off: u64, size: u32): usize { return segAccess(cpu, seg, off, size, 1); }
export function segRW(cpu: Vcpu, seg: u32, off: u64, size: u32): usize { return segAccess(cpu, seg, off, size, 2); }
export function memR(cpu: Vcpu, rec: Rec, size: u32): usize { return segAccess(cpu, 3, memAddr(cpu, rec), size, 0); }
export function memW(cpu: Vcpu, rec: Rec, size: u32): usize { return segAccess(cpu, 3, memAddr(cpu, rec), size, 1); }
export function memRW(cpu: Vcpu, rec: Rec, size: u32): usize { return segAccess(cpu, 3, memAddr(cpu, rec), size, 2); }
export function memAligned(cpu: Vcpu, rec: Rec, door: u32): usize { return segAccess(cpu, 3, memAddr(cpu, rec), 16, door); }
export function memDone(cpu: Vcpu, p: usize): void {}
`;

/** One generated handler. */
export interface Form {
  readonly row: Row;
  readonly family: Family;
  readonly variant: Variant;
  /** Index in the handler table. */
  readonly index: number;
}

export interface SseCore {
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly forms: readonly Form[];
  /** Runs a handler with the vCPU and record at CPU and REC; a Status. */
  run(index: number): number;
  flags(): number;
}

/** Where the tests keep the vCPU, the record and the memory operand. */
export const CPU = 0x200000;
export const REC = 0x204000;
export const MEM = 0x208000;

async function compile(handlers: string): Promise<WebAssembly.Module> {
  const made: Record<string, string> = {
    "sse-testing.ts": ENTRY,
    "gen/handlers.ts": handlers,
    "gen/layout.ts": await layoutSource(),
    "interp/glue.ts": GLUE,
    "mmu/access.ts": ACCESS,
  };
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      join(ASSEMBLY, "sse-testing.ts"),
      "-O0",
      "--runtime",
      "stub",
      "--noAssert",
      "--importMemory",
      "--sharedMemory",
      "--initialMemory",
      "64",
      "--maximumMemory",
      "64",
      "--enable",
      "simd,threads",
      "--memoryBase",
      "65536",
      "-o",
      "out.wasm",
    ],
    {
      readFile: (name, base) => {
        const path = join(base, name);
        const text = made[relative(ASSEMBLY, path)];
        return text ?? (existsSync(path) ? readFileSync(path, "utf8") : null);
      },
      writeFile: (_name, contents) => {
        if (typeof contents !== "string") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || binary === undefined) throw new Error(`asc: ${error?.message}\n${stderr.toString()}`);
  return WebAssembly.compile(binary as Uint8Array<ArrayBuffer>);
}

const MINE = /^(sse-|xsave$|fxsave$)/;

/** Handlers of the rows that the SSE modules implement, in the order the generator numbers them. */
export async function sseForms(modules = MINE): Promise<{ forms: Form[]; handlers: string }> {
  const families = (await loadTable()).filter((f) => modules.test(f.module));
  const familyOf = new Map(families.flatMap((f) => f.rows.map((row) => [row, f] as const)));
  const { leaves } = buildTree(families.flatMap((f) => f.rows));
  const forms: Form[] = [];
  let index = 0;
  for (const row of leaves) {
    for (const variant of variantsOf(row)) {
      const family = familyOf.get(row);
      if (family !== undefined) forms.push({ row, family, variant, index });
      index++;
    }
  }
  return { forms, handlers: handlersSource(makeHandlers(families, leaves)) };
}

export async function sseCore(modules = MINE): Promise<SseCore> {
  const { forms, handlers } = await sseForms(modules);
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
  const env = {
    memory,
    abort: () => {
      throw new Error("abort");
    },
  };
  const { exports } = await WebAssembly.instantiate(await compile(handlers), { env });
  const { run, flags } = exports as { run(i: number, cpu: number, rec: number): number; flags(cpu: number): number };
  return {
    memory: new Uint8Array(memory.buffer),
    view: new DataView(memory.buffer),
    forms,
    run: (index) => run(index, CPU, REC),
    flags: () => flags(CPU),
  };
}

/** Clears the vCPU and gives it 64-bit mode with SSE and XSAVE enabled. */
export function resetCpu(core: SseCore): void {
  const { off } = Vcpu;
  core.memory.fill(0, CPU, CPU + Vcpu.size);
  core.view.setBigUint64(CPU + off.cr4, 0x40600n, true);
  core.view.setBigUint64(CPU + off.xcr0, 3n, true);
  core.view.setUint32(CPU + off.modeKey, 0x26, true);
  core.view.setUint16(CPU + off.fcw, 0x37f, true);
  core.view.setUint16(CPU + off.ftw, 0xffff, true);
  core.view.setUint32(CPU + off.mxcsr, 0x1f80, true);
}

/** A record whose memory operand is [RDI], with the given register fields. */
export function setRecord(core: SseCore, reg: number, rm: number, imm: number): void {
  core.memory.fill(0, REC, REC + 16);
  core.memory[REC + 4] = reg;
  core.memory[REC + 5] = rm;
  core.memory[REC + 6] = Vcpu.off.zero;
  core.view.setInt32(REC + 12, imm, true);
}
