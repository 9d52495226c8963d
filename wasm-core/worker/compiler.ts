/**
 * The life of the compiler's worker: sleep until a hot block asks for a region, compile what was asked for, and now and
 * then let the event loop have a turn, so that questions about regions get in; for ever.
 */

import { type CompilerMemory, RegionCompiler } from "../jit/compiler.js";
import { listExits } from "../jit/exits.js";
import { failureText, type RegionAnswer, type RegionQuestion } from "./messages.js";

export interface CompilerStart extends CompilerMemory {
  /** Questions come in by it. Who asks rings the word that the compiler sleeps on until it is answered. */
  readonly questions: MessagePort;
}

/** @param failed called with what went wrong: a mistake of ours, that costs the guest speed and nothing else */
export async function runCompiler(start: CompilerStart, failed: (message: string) => void): Promise<never> {
  const compiler = new RegionCompiler(start);
  start.questions.onmessage = ({ data }: MessageEvent<RegionQuestion>) =>
    start.questions.postMessage(answer(compiler, data));
  for (;;) {
    const { word, value } = compiler.waitingFor();
    while (!drained(compiler, failed));
    // By a timer: a message to oneself would come again and again before those of another port have their turn.
    await new Promise((resolve) => setTimeout(resolve));
    Atomics.wait(new Int32Array(start.memory.buffer), word, value);
  }
}

/** False after a failure: the requests that were taken are lost, others may wait. */
function drained(compiler: RegionCompiler, failed: (message: string) => void): boolean {
  try {
    compiler.drain();
    return true;
  } catch (error) {
    failed(failureText(error));
    return false;
  }
}

/** Never throws: nobody waits for the worker's answer but who has asked, and the worker has more to do. */
export function answer(compiler: RegionCompiler, question: RegionQuestion): RegionAnswer {
  const { id, about } = question;
  try {
    const view = compiler.look();
    if (about === "regions") return { id, list: compiler.book.list(view) };
    if (about === "exits") return { id, exits: listExits(view, question.clear) };
    const text = compiler.book.describe(view, question.region, question.wasm);
    return text === undefined ? { id } : { id, text };
  } catch (error) {
    return { id, error: failureText(error) };
  }
}
