/**
 * A domain's memory and registers as an ELF64 core file: a PRSTATUS note per vCPU and a PT_LOAD per run of pages that
 * exist, by physical address, as gdb and crash(8) read it. [ELF] "Program Header"; Linux elfcore.h (struct elf_prstatus)
 */
import { SegIndex, SegmentReg } from "../../wasm-core/abi/structs/vcpu.js";
import { type CoreLink, domainView, PAGE_BYTES, type VcpuView, vcpuView } from "../core-link/index.js";
import { ByteWriter } from "../util/index.js";
import { GuestMemory } from "./guest-memory.js";

const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const ET_CORE = 4;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_RWX = 7;
const NT_PRSTATUS = 1;
const PRSTATUS_BYTES = 336;
const PRSTATUS_PID_OFFSET = 32;
const PRSTATUS_REGS_OFFSET = 112;
/** e_phnum is 16 bits and PN_XNUM means "look elsewhere": runs are joined until there are fewer. */
const LOADS_MAX = 0xfff0;
const CHUNK_PAGES = 64;

interface Run {
  readonly gfn: number;
  pages: number;
}

/** The file, in pieces. The domain must be paused and stay so. */
export function* dumpCore(core: CoreLink, domid: number): Generator<Uint8Array> {
  const runs = findRuns(core, domid);
  const notes = writeNotes(core, domid);
  yield writeHeaders(runs, notes.length);
  yield notes;
  for (const run of runs) yield* readRun(core, domid, run);
}

/** Runs of populated pages, in ascending order. */
function findRuns(core: CoreLink, domid: number): Run[] {
  const domain = domainView(core, domid);
  const runs: Run[] = [];
  const ranges = Math.min(domain?.get("ramRanges") ?? 0, 16);
  for (let index = 0; domain && index < ranges; index++) {
    const start = domain.get("ram", 2 * index);
    const count = domain.get("ram", 2 * index + 1);
    for (let gfn = start; gfn < start + count; gfn++) {
      if (core.calls.domainPeek(domid, gfn) !== 0) addPage(runs, gfn);
    }
  }
  return runs;
}

function addPage(runs: Run[], gfn: number): void {
  const last = runs[runs.length - 1];
  if (last && gfn === last.gfn + last.pages) last.pages++;
  else if (last && runs.length >= LOADS_MAX) last.pages = gfn - last.gfn + 1;
  else runs.push({ gfn, pages: 1 });
}

function writeHeaders(runs: readonly Run[], noteBytes: number): Uint8Array {
  const headers = runs.length + 1;
  const notesAt = EHDR_BYTES + headers * PHDR_BYTES;
  const writer = new ByteWriter()
    .u32(0x464c457f)
    .u8(2)
    .u8(1)
    .u8(1)
    .zeros(9)
    .u16(ET_CORE)
    .u16(EM_X86_64)
    .u32(1)
    .u64(0)
    .u64(EHDR_BYTES)
    .u64(0)
    .u32(0)
    .u16(EHDR_BYTES)
    .u16(PHDR_BYTES)
    .u16(headers)
    .u16(0)
    .u16(0)
    .u16(0);
  writer.u32(PT_NOTE).u32(0).u64(notesAt).u64(0).u64(0).u64(noteBytes).u64(noteBytes).u64(4);
  let offset = notesAt + noteBytes;
  for (const { gfn, pages } of runs) {
    const bytes = pages * PAGE_BYTES;
    writer
      .u32(PT_LOAD)
      .u32(PF_RWX)
      .u64(offset)
      .u64(0)
      .u64(gfn * PAGE_BYTES)
      .u64(bytes)
      .u64(bytes)
      .u64(0);
    offset += bytes;
  }
  return writer.finish();
}

function writeNotes(core: CoreLink, domid: number): Uint8Array {
  const writer = new ByteWriter();
  const vcpus = domainView(core, domid)?.get("maxVcpus") ?? 0;
  for (let id = 0; id < vcpus; id++) {
    const vcpu = vcpuView(core, domid, id);
    if (!vcpu) continue;
    writer
      .u32(5)
      .u32(PRSTATUS_BYTES)
      .u32(NT_PRSTATUS)
      .text("CORE", 8)
      .append(prstatus(core, vcpu, id));
  }
  return writer.finish();
}

/** Order of the general registers in elf_prstatus, as indices of Vcpu.gpr; -1 stands for orig_rax. */
const REGISTER_ORDER = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7, -1];

function prstatus(core: CoreLink, vcpu: VcpuView, id: number): Uint8Array {
  const writer = new ByteWriter().zeros(PRSTATUS_PID_OFFSET).u32(id + 1);
  writer.zeros(PRSTATUS_REGS_OFFSET - writer.length);
  for (const register of REGISTER_ORDER) writer.u64(register < 0 ? -1 : vcpu.getBig("gpr", register));
  const segment = (name: keyof typeof SegIndex.values) =>
    vcpu.addressOf("seg") + Number(SegIndex.values[name]) * SegmentReg.size;
  const selector = (name: keyof typeof SegIndex.values) => {
    const at = segment(name) + SegmentReg.off.selector;
    return core.memory.view(at + 2).getUint16(at, true);
  };
  const base = (name: keyof typeof SegIndex.values) => {
    const at = segment(name) + SegmentReg.off.base;
    return core.memory.view(at + 8).getBigUint64(at, true);
  };
  writer
    .u64(vcpu.getBig("rip"))
    .u64(selector("CS"))
    .u64(vcpu.get("eflags"))
    .u64(vcpu.getBig("gpr", 4))
    .u64(selector("SS"));
  writer
    .u64(base("FS"))
    .u64(base("GS"))
    .u64(selector("DS"))
    .u64(selector("ES"))
    .u64(selector("FS"))
    .u64(selector("GS"));
  return writer.zeros(PRSTATUS_BYTES - writer.length).finish();
}

function* readRun(core: CoreLink, domid: number, run: Run): Generator<Uint8Array> {
  const memory = new GuestMemory(core, domid);
  for (let first = 0; first < run.pages; first += CHUNK_PAGES) {
    const count = Math.min(CHUNK_PAGES, run.pages - first);
    const chunk = new Uint8Array(count * PAGE_BYTES);
    for (let index = 0; index < count; index++) {
      memory.read(run.gfn + first + index, chunk.subarray(index * PAGE_BYTES));
    }
    yield chunk;
  }
}
