/** Compiles the AssemblyScript core with the compiler's own API. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { DATA_BASE } from "../abi/structs/machine.js";
import { makeDataPassive, unshareMemory } from "./postlink.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** 64 KiB pages that a machine starts with: the hypervisor's own memory; frames are grown on demand. */
export const INITIAL_PAGES = 64;
export const MAXIMUM_PAGES = 65536;

export interface CompileOptions {
  /** Path below the repository root. */
  readonly entry: string;
  readonly out: string;
  /** Where the same module with unshared memory goes. */
  readonly unsharedOut?: string;
  /** asc -O level, 0 to 3. */
  readonly optimize: number;
  /** Also writes the text format beside the binary. */
  readonly text?: boolean;
}

/** Compiles `entry`; throws with the compiler's messages when it fails. */
export async function compileCore(options: CompileOptions): Promise<void> {
  const args = [
    options.entry,
    "--outFile",
    options.out,
    `-O${options.optimize}`,
    "--runtime",
    "stub",
    "--noAssert",
    "--importMemory",
    "--exportTable",
    "--sharedMemory",
    "--initialMemory",
    String(INITIAL_PAGES),
    "--maximumMemory",
    String(MAXIMUM_PAGES),
    "--enable",
    "simd",
    "--enable",
    "threads",
    "--memoryBase",
    String(DATA_BASE),
    "--baseDir",
    ROOT,
    ...(options.text ? ["--textFile", options.out.replace(/\.wasm$/, ".wat")] : []),
  ];
  const { error, stderr } = await asc.main(args, {
    readFile: (name, base) => {
      try {
        return readFileSync(join(base, name), "utf8");
      } catch {
        return null;
      }
    },
    writeFile: (name, contents, base) => {
      const path = join(base, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, contents);
    },
  });
  if (error) throw new Error(`the core does not compile:\n${stderr.toString()}`);
  const path = join(ROOT, options.out);
  const wasm = makeDataPassive(readFileSync(path));
  writeFileSync(path, wasm);
  if (options.unsharedOut !== undefined) writeFileSync(join(ROOT, options.unsharedOut), unshareMemory(wasm));
}
