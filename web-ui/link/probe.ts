/**
 * Finds out what this browser has, by trying: tiny modules through WebAssembly.validate, one worker that waits. Judging
 * the facts is state/requirements.ts's business.
 */
import type { BrowserFacts } from "../state/index.js";
import type { WorkerFacts } from "./probe-worker.js";

const WORKER_ANSWER_MS = 4000;

/** "\0asm", version 1. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** One function of type () -> (), its body in the code section. */
const EMPTY_FUNCTION = [0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00];

/** (memory 1 1) and i32.atomic.load: the core for a single thread has no more. */
const THREADS = [
  ...HEADER,
  ...EMPTY_FUNCTION,
  ...[0x05, 0x04, 0x01, 0x01, 0x01, 0x01],
  ...[0x0a, 0x0b, 0x01, 0x09, 0x00, 0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, 0x1a, 0x0b],
];
/** i32.const 0, i8x16.splat, drop. */
const SIMD = [...HEADER, ...EMPTY_FUNCTION, ...[0x0a, 0x09, 0x01, 0x07, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x1a, 0x0b]];
/** memory.fill of nothing. */
const BULK_MEMORY = [
  ...HEADER,
  ...EMPTY_FUNCTION,
  ...[0x05, 0x03, 0x01, 0x00, 0x01],
  ...[0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x41, 0x00, 0x41, 0x00, 0x41, 0x00, 0xfc, 0x0b, 0x00, 0x0b],
];

function validates(bytes: readonly number[]): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(bytes));
}

/** Facts about the page's browser. `flawed` names facts to deny, so that a test can see the page say so. */
export async function probeBrowser(flawed: readonly string[] = []): Promise<BrowserFacts> {
  const moduleWorkers = hasModuleWorkers();
  const worker = moduleWorkers ? await askWorker() : NOTHING;
  const facts: BrowserFacts = {
    wasm: typeof WebAssembly === "object",
    sharedArrayBuffer: typeof SharedArrayBuffer === "function",
    crossOriginIsolated: globalThis.crossOriginIsolated === true,
    secureContext: globalThis.isSecureContext === true,
    framed: window.top !== window.self,
    wasmThreads: validates(THREADS),
    wasmSimd: validates(SIMD),
    wasmBulkMemory: validates(BULK_MEMORY),
    bigInt64: typeof BigInt === "function" && typeof BigInt64Array === "function",
    moduleWorkers,
    atomicsWaitInWorker: worker.waits,
    originFiles: worker.originFiles,
  };
  return { ...facts, ...Object.fromEntries(flawed.filter((name) => name in facts).map((name) => [name, false])) };
}

/** A browser that knows module workers reads the `type` option. */
function hasModuleWorkers(): boolean {
  let asked = false;
  const options = {
    get type(): WorkerType {
      asked = true;
      return "module";
    },
  };
  const empty = URL.createObjectURL(new Blob([], { type: "text/javascript" }));
  try {
    new Worker(empty, options).terminate();
  } catch {
    // A policy may refuse blob: addresses, but only after the option was read.
  }
  URL.revokeObjectURL(empty);
  return asked;
}

const NOTHING: WorkerFacts = { waits: false, originFiles: false };

async function askWorker(): Promise<WorkerFacts> {
  try {
    const worker = new Worker(new URL("./probe-worker.ts", import.meta.url), { type: "module" });
    const answer = await new Promise<WorkerFacts>((resolve) => {
      worker.onmessage = (event) => resolve(event.data as WorkerFacts);
      worker.onerror = () => resolve(NOTHING);
      setTimeout(() => resolve(NOTHING), WORKER_ANSWER_MS);
    });
    worker.terminate();
    return answer;
  } catch {
    return NOTHING;
  }
}
