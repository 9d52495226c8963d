/**
 * Where what a processor does meets what Xen keeps, on the real core: the time record follows the guest's counter, and a
 * page walk writes nothing to a page that the domain may only read.
 */
import { describe, expect, it } from "vitest";
import { Domain } from "../../wasm-core/abi/structs/domain.js";
import { P2m } from "../../wasm-core/abi/structs/machine.js";
import { SharedInfo, VcpuInfo, VcpuTime } from "../../wasm-core/abi/structs/xen.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";

const DOMID = 1;
const PAGES = 64;
const ORIGIN = 0x10000;
/** A page directory that maps the first 4 MiB to themselves, with one large page that nobody has accessed. */
const DIRECTORY = 0x20000;
const LARGE_PAGE = 0x83;
const KIND_SHIFT = Number(P2m.values.KIND_SHIFT);

/** A guest at its first instruction. */
async function guest(source: string) {
  const { call, memory } = await makeTestCore();
  expect(call.machineInit(16384, 1, 1, 1, 0)).toBe(0);
  expect(call.domainCreate(DOMID, 1, PAGES)).toBe(0);
  expect(call.domainAddRam(DOMID, 0, PAGES)).toBe(0);
  const { bytes } = new Assembler(await loadTable()).assemble(`.code32\n${source}`, { origin: ORIGIN });
  new Uint8Array(memory.buffer).set(bytes, call.domainPage(DOMID, ORIGIN >> 12) >>> 0);
  expect(call.vcpuStartPvh(DOMID, 0, ORIGIN, 0)).toBe(0);
  const view = () => new DataView(memory.buffer);
  const domain = (at: number) => view().getUint32((call.domainAddress(DOMID) >>> 0) + at, true);
  const run = () => {
    expect(call.domainUnpause(DOMID)).toBe(0);
    for (let turn = 0; turn < 4; turn++) call.pcpuRun(0);
  };
  return { call, view, domain, run };
}

describe("the time record", () => {
  it("follows a write to IA32_TSC_ADJUST", async () => {
    const { view, domain, run } = await guest("mov ecx, 0x3b; mov eax, 0x12345; mov edx, 1; wrmsr; 1: jmp 1b");
    run();
    const record = domain(Domain.off.sharedInfo) + SharedInfo.off.vcpuInfo + VcpuInfo.off.time;
    expect(view().getBigUint64(record + VcpuTime.off.tscTimestamp, true)).toBe(0x1_0001_2345n);
    expect(view().getUint32(record, true) & 1).toBe(0);
  });
});

describe("a page walk", () => {
  const program = `mov eax, cr4; or eax, 0x10; mov cr4, eax; mov eax, 0x${DIRECTORY.toString(16)}; mov cr3, eax
    mov eax, cr0; or eax, 0x80000000; mov cr0, eax; nop; 1: jmp 1b`;

  /** What the first entry of the page directory is after it was walked. */
  async function walked(rights: number | bigint) {
    const { call, view, domain, run } = await guest(program);
    const page = call.domainPage(DOMID, DIRECTORY >> 12) >>> 0;
    view().setUint32(page, LARGE_PAGE, true);
    const node = (at: number, index: number) => view().getUint32(at + 4 * index, true);
    const leaf = node(node(domain(Domain.off.p2mRoot), 0), 0) + 4 * (DIRECTORY >> 12);
    const mfn = view().getUint32(leaf, true) & 0xfffff;
    view().setUint32(leaf, mfn | (1 << KIND_SHIFT) | Number(rights), true);
    run();
    return { entry: view().getUint32(page, true), shutdown: domain(Domain.off.shutdown) };
  }

  it("marks an entry accessed", async () => {
    expect(await walked(P2m.values.RWX)).toEqual({ entry: LARGE_PAGE | 0x20, shutdown: 0 });
  });

  it("finds no paging structure in a page that was granted for reading, and leaves it as it is", async () => {
    expect(await walked(P2m.values.R)).toEqual({ entry: LARGE_PAGE, shutdown: 1 });
  });
});
