/**
 * The core as tests drive it: built from wasm-core/assembly/testing once for each state of the sources, and instantiated
 * over fresh memory in this thread. Time and randomness are fixed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CoreExports, RegionDoors } from "../../wasm-core/abi/core-api.js";
import { compileCore, INITIAL_PAGES, MAXIMUM_PAGES } from "../../wasm-core/build/compile.js";
import { writeLayout } from "../../wasm-core/build/gen-layout.js";
import { writeTable } from "../../wasm-core/build/gen-table.js";
import { INIT_DATA } from "../../wasm-core/build/postlink.js";
import { coreSourceHash } from "../../wasm-core/build/sources.js";
import { leaveMoves, useBranchHints } from "../../wasm-core/worker/engine-flags.node.js";

// As shipped: engines lay regions out by these.
useBranchHints();
leaveMoves();

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const OUT = "dist/test";
/** Enough for the interpreter to be quick, little enough to compile in seconds. CORE_OPT=3 tests what is shipped. */
const OPTIMIZE = Number(process.env.CORE_OPT ?? 1);
const LOCK_STALE_MS = 180_000;

/** What assembly/testing/index.ts exports besides CoreExports. */
export interface TestExports extends CoreExports, RegionDoors {
  testRefresh(cpu: number): void;
  testFlush(cpu: number): void;
  testInvlpg(cpu: number, lin: bigint): void;
  testTlbSlot(lin: bigint): number;
  testKick(cpu: number): void;
  testWalks(cpu: number, lin: bigint, word: number, rounds: number): void;
  testRegions(cpu: number, pcpu: number): void;
  testRun(cpu: number, instructions: number): number;
  testDecode(at: number, avail: number, mode: number): number;
  testHandler(variant: number): number;
  readonly testUndefined: WebAssembly.Global;
}

export interface TestCore {
  readonly memory: WebAssembly.Memory;
  readonly call: TestExports;
  /** For more instances over the same memory, in other threads. */
  readonly module: WebAssembly.Module;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs `work` while no other process does. */
async function exclusively(lock: string, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - since > LOCK_STALE_MS) rmSync(lock, { recursive: true, force: true });
      await pause(200);
    }
  }
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Path of the compiled core, compiling it when the sources have changed. */
async function compiledCore(): Promise<string> {
  const name = `core-O${OPTIMIZE}-${coreSourceHash()}.wasm`;
  const path = join(ROOT, OUT, name);
  if (existsSync(path)) return path;
  mkdirSync(join(ROOT, OUT), { recursive: true });
  await exclusively(join(ROOT, OUT, "lock"), async () => {
    if (existsSync(path)) return;
    for (const old of readdirSync(join(ROOT, OUT)))
      if (old.startsWith(`core-O${OPTIMIZE}-`)) rmSync(join(ROOT, OUT, old));
    await writeLayout();
    await writeTable();
    await compileCore({
      entry: "wasm-core/assembly/testing/index.ts",
      out: `${OUT}/building.wasm`,
      optimize: OPTIMIZE,
    });
    renameSync(join(ROOT, OUT, "building.wasm"), path);
  });
  return path;
}

let compiled: Promise<WebAssembly.Module> | undefined;

const compileModule = async (): Promise<WebAssembly.Module> => WebAssembly.compile(readFileSync(await compiledCore()));

/**
 * A core over memory of its own, with its constants loaded and no machine made yet.
 * @param hostNow what it is told of the time, each time that it asks
 * @param hostNap called when a vCPU that spins lets the host's processor go
 */
export async function makeTestCore(
  hostNow = (): number => 1e9,
  hostNap = (_address: number): void => {},
): Promise<TestCore> {
  compiled ??= compileModule();
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES, shared: true });
  let seed = 1;
  const env = {
    memory,
    lockOwner: 1,
    hostNow,
    hostWallClock: () => 1.7e18,
    hostRandom: () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0),
    hostWait: () => {},
    hostNap,
    hostTrace: () => {},
    abort: () => {
      throw new Error("the core aborted");
    },
  };
  const module = await compiled;
  const { exports } = await WebAssembly.instantiate(module, { env });
  (exports[INIT_DATA] as () => void)();
  return { memory, call: exports as unknown as TestExports, module };
}
