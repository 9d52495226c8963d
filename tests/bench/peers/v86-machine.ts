/**
 * The program of a v86 process: reads what to boot from the JSON file that is its argument, writes the guest's serial port
 * to standard output. Only the bench starts it, compiled by esbuild, so that no TypeScript loader is in its CPU time.
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** Of v86's own interface, what is used here. */
interface Machine {
  add_listener(event: "serial0-output-byte", listener: (byte: number) => void): void;
}
type Options = Readonly<Record<string, unknown>>;
interface Library {
  readonly V86: new (options: Options) => Machine;
}

/** What peers/v86.ts writes: paths, and the rest as v86 takes it. */
export interface MachineFile {
  readonly library: string;
  readonly wasm: string;
  readonly images: Readonly<Record<"bios" | "vga_bios" | "bzimage" | "initrd", string>>;
  readonly cmdline: string;
  readonly memoryBytes: number;
}

const VGA_MEMORY_BYTES = 2 << 20;

function image(path: string): { buffer: ArrayBuffer } {
  return { buffer: Uint8Array.from(readFileSync(path)).buffer };
}

const file = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as MachineFile;
const { V86 } = (await import(pathToFileURL(file.library).href)) as Library;
const machine = new V86({
  wasm_path: file.wasm,
  memory_size: file.memoryBytes,
  vga_memory_size: VGA_MEMORY_BYTES,
  ...Object.fromEntries(Object.entries(file.images).map(([name, path]) => [name, image(path)])),
  cmdline: file.cmdline,
  autostart: true,
  disable_speaker: true,
});
machine.add_listener("serial0-output-byte", (byte) => {
  process.stdout.write(Uint8Array.of(byte));
});
