/**
 * Compiles an AssemblyScript entry for a test, with the processor's side (guest-virtual access, shootdown, local APIC,
 * run loop) replaced by small stand-ins, and instantiates it over fresh memory. Time and randomness are the test's.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { vi } from "vitest";
import { layoutSource, writeLayout } from "../../../build/gen-layout.js";

// The first test of a file waits for the compiler.
vi.setConfig({ testTimeout: 120_000 });

const ASSEMBLY = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Modules of other layers and the stand-in that takes their place, relative to assembly/. */
const STAND_INS: Record<string, string> = {
  "mmu/access.ts": "xen/testing/stub-access.ts",
  "mem/shootdown.ts": "xen/testing/stub-shootdown.ts",
  "irq/lapic/index.ts": "xen/testing/stub-lapic.ts",
  "run/run.ts": "xen/testing/stub-run.ts",
  "mmu/tlb.ts": "xen/testing/stub-tlb.ts",
  "bus/index.ts": "xen/testing/stub-bus.ts",
};

export interface TestCore {
  readonly memory: WebAssembly.Memory;
  /** For more instances over the same memory, in other threads. */
  readonly module: WebAssembly.Module;
  // biome-ignore lint/suspicious/noExplicitAny: the exports of a test entry, whatever they are
  readonly call: Record<string, any>;
  /** Host time in ns, the test's to move. */
  clock: { ns: number };
  traces: [number, number, number][];
  view(): DataView;
  u32(address: number): number;
}

const compiled = new Map<string, Promise<WebAssembly.Module>>();

async function compile(entry: string): Promise<WebAssembly.Module> {
  if (!existsSync(join(ASSEMBLY, "gen/layout.ts"))) await writeLayout();
  const layout = await layoutSource();
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      entry,
      "-O0",
      "--runtime",
      "stub",
      "--noAssert",
      "--importMemory",
      "--sharedMemory",
      "--initialMemory",
      "16",
      "--maximumMemory",
      "65536",
      "--enable",
      "simd,threads",
      "--memoryBase",
      "65536",
      "-o",
      "out.wasm",
    ],
    {
      readFile: (name: string, base: string) => {
        const path = relative(ASSEMBLY, join(base, name));
        if (path === "gen/layout.ts") return layout;
        const stand = STAND_INS[path] ?? path;
        const full = path.startsWith("..") ? join(base, name) : join(ASSEMBLY, stand);
        return existsSync(full) ? readFileSync(full, "utf8") : null;
      },
      writeFile: (_name: string, data: string | Uint8Array) => {
        if (typeof data !== "string") binary = data;
      },
      listFiles: () => [],
    },
  );
  if (error || binary === undefined) throw new Error(`asc: ${error?.message}\n${stderr.toString()}`);
  return WebAssembly.compile(binary as Uint8Array<ArrayBuffer>);
}

/** One more instance over the same memory. `waits` is called where its thread would sleep for a lock. */
export async function anotherInstance(core: TestCore, waits: () => void): Promise<TestCore["call"]> {
  const nothing = () => 0;
  const env = { memory: core.memory, lockOwner: 3, hostNow: () => core.clock.ns, hostWallClock: nothing };
  const rest = { hostRandom: nothing, hostWait: waits, hostNap: nothing, hostTrace: nothing, abort: nothing };
  return (await WebAssembly.instantiate(core.module, { env: { ...env, ...rest } })).exports;
}

/** A core made of `entry` (a path below assembly/), over `initial`..`maximum` wasm pages. */
export async function testCore(entry: string, maximum = 8192): Promise<TestCore> {
  let module = compiled.get(entry);
  if (module === undefined) compiled.set(entry, (module = compile(join(ASSEMBLY, entry))));
  const memory = new WebAssembly.Memory({ initial: 16, maximum, shared: true });
  const clock = { ns: 1_000_000 };
  const traces: [number, number, number][] = [];
  let seed = 12345;
  const env = {
    memory,
    lockOwner: 1,
    hostNow: () => clock.ns,
    hostWallClock: () => 1_700_000_000e9 + clock.ns,
    hostRandom: () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0),
    hostWait: () => {},
    hostNap: () => {},
    hostTrace: (code: number, a: number, b: number) => traces.push([code, a >>> 0, b >>> 0]),
    abort: () => {
      throw new Error("abort");
    },
  };
  const instance = await WebAssembly.instantiate(await module, { env });
  return {
    memory,
    module: await module,
    call: instance.exports,
    clock,
    traces,
    view: () => new DataView(memory.buffer),
    u32: (address) => new DataView(memory.buffer).getUint32(address, true),
  };
}
