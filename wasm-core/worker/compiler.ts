/** The life of the compiler's worker: sleep until a hot block asks for a region, compile what was asked for, for ever. */
import { type CompilerMemory, RegionCompiler } from "../jit/compiler.js";
import { failureText } from "./messages.js";

/** @param failed called with what went wrong: a mistake of ours, that costs the guest speed and nothing else */
export function runCompiler(host: CompilerMemory, failed: (message: string) => void): never {
  const compiler = new RegionCompiler(host);
  for (;;) {
    const { word, value } = compiler.waitingFor();
    try {
      compiler.drain();
    } catch (error) {
      failed(failureText(error));
    }
    Atomics.wait(new Int32Array(host.memory.buffer), word, value);
  }
}
