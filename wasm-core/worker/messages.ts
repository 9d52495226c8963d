/** What Domain0 and its pCPU workers say to each other; everything that is urgent goes through shared memory instead. */

import type { RegionEntry } from "../jit/book.js";
import type { RegionExitEntry } from "../jit/exits.js";
import type { HostOrigin } from "./load.js";

/** Domain0 to a worker, once. */
export type WorkerStart =
  | {
      readonly kind: "pcpu";
      readonly module: WebAssembly.Module;
      readonly memory: WebAssembly.Memory;
      readonly pcpu: number;
      readonly origin: HostOrigin;
      /** Address of the Jit struct; 0 when the interpreter does everything. */
      readonly jit: number;
    }
  | {
      /** Compiles regions for all pCPUs. */
      readonly kind: "compiler";
      readonly memory: WebAssembly.Memory;
      readonly jit: number;
      /** Length of the core's function table: regions lie behind it. */
      readonly firstSlot: number;
      /** RegionQuestions come in by it, RegionAnswers go out. */
      readonly questions: MessagePort;
    }
  | {
      /** Watches a word for a host without Atomics.waitAsync. */
      readonly kind: "doorbell";
      readonly memory: WebAssembly.Memory;
      readonly address: number;
    };

/** A worker to Domain0. */
export type WorkerReport =
  | { readonly kind: "trace"; readonly code: number; readonly a: number; readonly b: number }
  /** A wasm trap: a bug of ours. The vCPU that ran was abandoned and its domain crashed. */
  | { readonly kind: "fault"; readonly pcpu: number; readonly message: string }
  /** The region compiler failed on something: a bug of ours. The guest goes on in the interpreter. */
  | { readonly kind: "compiler"; readonly message: string }
  | { readonly kind: "doorbell" };

/** What Domain0 asks the compiler. */
export type RegionSubject =
  | { readonly about: "regions" }
  /** One of them as text, with the WebAssembly of each instruction if wanted. */
  | { readonly about: "region"; readonly region: number; readonly wasm: boolean }
  /** The ways out of them, which if wanted are then counted anew. */
  | { readonly about: "exits"; readonly clear: boolean };

/** The number is the answer's too. */
export type RegionQuestion = RegionSubject & { readonly id: number };

/** Without a text there is no such region, unless an error says why there is no answer. */
export interface RegionAnswer {
  readonly id: number;
  readonly list?: RegionEntry[];
  readonly exits?: RegionExitEntry[];
  readonly text?: string;
  readonly error?: string;
}

/** What a report says of an exception. */
export function failureText(error: unknown): string {
  return error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
}
