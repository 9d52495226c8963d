/**
 * What a browser must have for the machine to run, why, and since which version each engine has it. The probe (link/)
 * fills in what is there; this file turns that into sentences. Versions: the engines' release notes; Chromium's are
 * also Edge's and Opera's.
 */

/** What the probe found. */
export interface BrowserFacts {
  readonly wasm: boolean;
  readonly sharedArrayBuffer: boolean;
  readonly crossOriginIsolated: boolean;
  readonly secureContext: boolean;
  readonly framed: boolean;
  readonly wasmThreads: boolean;
  readonly wasmSimd: boolean;
  readonly wasmBulkMemory: boolean;
  readonly bigInt64: boolean;
  readonly moduleWorkers: boolean;
  readonly atomicsWaitInWorker: boolean;
  /** The origin private file system with access handles, which images are kept in. Guests run without. */
  readonly originFiles: boolean;
}

export interface Requirement {
  readonly name: string;
  readonly why: string;
  readonly since: { readonly chromium: string; readonly firefox: string; readonly safari: string };
}

/** The oldest versions that have everything below. */
export const SUPPORTED_BROWSERS = "Chrome, Edge or Opera from version 92, Firefox from 114, Safari from 16.4";

interface Rule extends Requirement {
  has(facts: BrowserFacts): boolean;
}

const RULES: readonly Rule[] = [
  {
    name: "WebAssembly",
    why: "The hypervisor core is a WebAssembly program.",
    since: { chromium: "57", firefox: "52", safari: "11" },
    has: (facts) => facts.wasm,
  },
  {
    name: "SharedArrayBuffer",
    why: "The machine’s memory is shared by the workers that act as its processors.",
    since: { chromium: "92", firefox: "79", safari: "15.2" },
    // Missing isolation hides it in browsers that have it: then the headers are the problem, not the browser.
    has: (facts) => facts.sharedArrayBuffer || !facts.crossOriginIsolated,
  },
  {
    name: "WebAssembly threads and atomics",
    why: "Locked instructions of the guest and the run queues are atomic operations.",
    since: { chromium: "74", firefox: "79", safari: "14.1" },
    has: (facts) => facts.wasmThreads,
  },
  {
    name: "WebAssembly SIMD",
    why: "The guest’s SSE instructions are 128-bit vector operations.",
    since: { chromium: "91", firefox: "89", safari: "16.4" },
    has: (facts) => facts.wasmSimd,
  },
  {
    name: "WebAssembly bulk memory",
    why: "Frames are cleared and copied with it.",
    since: { chromium: "75", firefox: "79", safari: "15" },
    has: (facts) => facts.wasmBulkMemory,
  },
  {
    name: "64-bit integers between WebAssembly and JavaScript",
    why: "Guest addresses are 64 bits wide.",
    since: { chromium: "85", firefox: "78", safari: "15" },
    has: (facts) => facts.bigInt64,
  },
  {
    name: "Module workers",
    why: "Domain0 and the processors are modules that run in workers.",
    since: { chromium: "80", firefox: "114", safari: "15" },
    has: (facts) => facts.moduleWorkers,
  },
  {
    name: "Atomics.wait in workers",
    why: "An idle processor sleeps on it instead of spinning.",
    since: { chromium: "68", firefox: "79", safari: "15.2" },
    // Without isolation there is no shared memory to try it on.
    has: (facts) => facts.atomicsWaitInWorker || !facts.crossOriginIsolated,
  },
];

export interface Verdict {
  readonly missing: readonly Requirement[];
  /** Whether the page is cross-origin isolated, and why not. Without it the machine has one thread. */
  readonly isolation: Isolation;
  /** Whether images can be kept here. */
  readonly images: boolean;
}

export type Isolation = "ok" | "insecure" | "framed" | "headers";

export function judge(facts: BrowserFacts): Verdict {
  const missing = RULES.filter((rule) => !rule.has(facts)).map(({ name, why, since }) => ({ name, why, since }));
  return { missing, isolation: judgeIsolation(facts), images: facts.originFiles };
}

function judgeIsolation(facts: BrowserFacts): Isolation {
  if (facts.crossOriginIsolated) return "ok";
  if (!facts.secureContext) return "insecure";
  return facts.framed ? "framed" : "headers";
}

export function canRun(verdict: Verdict): boolean {
  return verdict.missing.length === 0;
}

/** How a page that is not isolated would become so. */
export const ISOLATION_ADVICE: Readonly<Record<Exclude<Isolation, "ok">, string>> = {
  insecure: "Open it over https://, or on the computer that serves it as http://localhost, for more.",
  framed:
    "For more, open it in a tab of its own; or isolate the page around it, which must allow it to this frame: " +
    'allow="cross-origin-isolated".',
  headers:
    "For more, have its server send Cross-Origin-Opener-Policy: same-origin and " +
    "Cross-Origin-Embedder-Policy: require-corp, as the project’s own does (npm start).",
};
