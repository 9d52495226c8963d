/** A random program in the making whose items are lines of assembly, with names of registers for either mode. */
import type { Assembler } from "../../wasm-core/isa/asm/index.js";
import type { Mode } from "./machine.js";
import { SteeredDraft } from "./steering.js";

/** 32-bit names of 64-bit registers. */
const NARROW: Readonly<Record<string, string>> = {
  rax: "eax",
  rcx: "ecx",
  rdx: "edx",
  rbx: "ebx",
  rsi: "esi",
  rdi: "edi",
  rbp: "ebp",
  r8: "r8d",
  r9: "r9d",
  rsp: "esp",
};

export class Lines extends SteeredDraft {
  constructor(
    private readonly assembler: Assembler,
    mode: Mode,
  ) {
    super(mode);
  }

  add(source: string): void {
    const { bytes } = this.assembler.assemble(`.code${this.mode}\n${source}`, { origin: 0 });
    this.items.push({ kind: "bytes", bytes });
  }

  /** The mode's widest form of a 64-bit register. */
  wide(name: string): string {
    return this.mode === 64 ? name : this.narrow(name);
  }

  /** 32 bits of a register. */
  narrow(name: string): string {
    return NARROW[name] ?? name;
  }
}
