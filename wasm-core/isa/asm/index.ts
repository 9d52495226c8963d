/** The assembler and the disassembler, both driven by the instruction table. */
export { type AssembleOptions, Assembler, type Image } from "./assemble.js";
export { Disassembler, type Line } from "./disassemble.js";
export { pvhElf } from "./elf.js";
export type { Mode } from "./select.js";
export { AssemblyError } from "./source.js";
