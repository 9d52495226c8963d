/**
 * A trap of the core, which would be a bug of ours, while it holds the lock of the code cache: the domain that it worked
 * for is crashed, and its neighbour, which needs that lock for every instruction that it changes, goes on.
 */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CrashReason, Domain } from "../../../wasm-core/abi/structs/domain.js";
import { Frame, LOCK_DOMAIN0, MACHINE_BASE, Machine } from "../../../wasm-core/abi/structs/machine.js";
import { CodeCache, TLB_ENTRIES, TlbEntry } from "../../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../../wasm-core/isa/table.js";
import {
  type CoreInstance,
  hostOrigin,
  instantiateCore,
  readMemoryLimits,
  type WorkerReport,
} from "../../../wasm-core/worker/index.js";
import { ORIGIN } from "../support/program.js";

const DIST = new URL("../../../dist/", import.meta.url);
const PCPUS = 2;
const FRAMES = 65536;
const RAM_PAGES = 1024;
const VICTIM = 1;
const NEIGHBOUR = 2;
/** Where the neighbour counts the instructions that it has changed. */
const COUNTER = 0x200000;
const SPINS = ".code32\n1: jmp 1b\n";
const CHANGES = `
.code32
1:  inc dword ptr [${COUNTER}]
    mov eax, [${COUNTER}]
    mov [2f + 1], eax
    jmp 2f
2:  mov ebx, 0
    jmp 1b
`;

let core: CoreInstance["exports"];
let memory: WebAssembly.Memory;
const workers: Worker[] = [];
const faults: string[] = [];
const words = () => new Uint32Array(memory.buffer);
const word = (address: number) => words()[address >>> 2]!;
const until = async (what: () => boolean) => {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
};
const counter = () => word(core.domainPeek(NEIGHBOUR, COUNTER >> 12) >>> 0);
/** Two rounds of this many: it decodes code, and goes on doing so. */
const goesOn = async () => {
  const from = counter();
  await until(() => counter() - from > 1000);
};

async function start(domid: number, source: string): Promise<void> {
  const { bytes } = new Assembler(await loadTable()).assemble(source, { origin: ORIGIN });
  expect(core.domainCreate(domid, 1, RAM_PAGES)).toBe(0);
  expect(core.domainAddRam(domid, 0, RAM_PAGES)).toBe(0);
  new Uint8Array(memory.buffer).set(bytes, core.domainPage(domid, ORIGIN >> 12) >>> 0);
  expect(core.vcpuStartPvh(domid, 0, ORIGIN, 0)).toBe(0);
  expect(core.domainUnpause(domid)).toBe(0);
}

/** Makes the victim's next look for its block lead beyond the memory: its TLB says that its code is there. */
function poison(): void {
  const cpu = core.vcpuAddress(VICTIM, 0) >>> 0;
  const slot = (ORIGIN >> 12) & (TLB_ENTRIES - 1);
  const entry = word(cpu + Vcpu.off.tlbBase) + slot * TlbEntry.size;
  const code = (word(entry + TlbEntry.off.delta) + ORIGIN) >>> 12;
  expect(code).toBe((core.domainPeek(VICTIM, ORIGIN >> 12) >>> 0) >>> 12);
  const last = word(MACHINE_BASE + Machine.off.totalFrames) - 1;
  expect(last * 4096).toBeGreaterThan(memory.buffer.byteLength);
  words()[(entry + TlbEntry.off.delta) >>> 2] = (last << 12) - ORIGIN;
  const frame = word(MACHINE_BASE + Machine.off.frameTable) + code * Frame.size;
  Atomics.add(words(), (frame + Frame.off.codeGen) >>> 2, 1);
}

beforeAll(async () => {
  const wasm = new Uint8Array(readFileSync(new URL("core.wasm", DIST)));
  memory = new WebAssembly.Memory({ ...readMemoryLimits(wasm)!, shared: true });
  const module = await WebAssembly.compile(wasm);
  const origin = hostOrigin();
  const hooks = { origin, lockOwner: LOCK_DOMAIN0, random: () => 1, trace: () => {} };
  const instance = instantiateCore(module, memory, hooks);
  instance.initData();
  core = instance.exports;
  expect(core.machineInit(FRAMES, PCPUS, 0, 1, 0)).toBe(0);
  for (let pcpu = 0; pcpu < PCPUS; pcpu++) {
    const worker = new Worker(new URL("pcpu.node.js", DIST));
    worker.on("message", (report: WorkerReport) => void (report.kind === "fault" && faults.push(report.message)));
    worker.postMessage({ kind: "pcpu", module, memory, pcpu, origin });
    workers.push(worker);
  }
});

afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

it("the dead instance's lock is released, its domain crashed, and the neighbour goes on", async () => {
  await start(NEIGHBOUR, CHANGES);
  await start(VICTIM, SPINS);
  const cpu = core.vcpuAddress(VICTIM, 0) >>> 0;
  await until(() => word(cpu + Vcpu.off.icount) > 1000);
  await goesOn();
  poison();
  await until(() => faults.length > 0);
  expect(faults[0]).toContain("memory access out of bounds");
  const victim = core.domainAddress(VICTIM) >>> 0;
  expect(word(victim + Domain.off.shutdown)).toBe(1);
  expect(word(victim + Domain.off.crashReason)).toBe(CrashReason.values.INTERNAL);
  await goesOn();
  expect(faults).toHaveLength(1);
  expect(core.domainPause(NEIGHBOUR)).toBe(0);
  await until(() => core.domainQuiescent(NEIGHBOUR) === 1);
  expect(word(word(MACHINE_BASE + Machine.off.run) + CodeCache.off.lock)).toBe(0);
  for (const domid of [VICTIM, NEIGHBOUR]) expect(core.domainDestroy(domid)).toBe(0);
});
