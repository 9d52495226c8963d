/**
 * What the registers of descriptor tables store, the processor's number as RDPID reads it, and the cache instructions.
 * Proves [SDM] vol. 2, SGDT, SIDT, SLDT, STR, INVD, WBINVD, RDPID (which QEMU 7.2's TCG answers with #UD).
 */
import { longProgram, SEL } from "../support/long.js";
import { check } from "../support/program.js";
import { protectedProgram, SEL32 } from "../support/protected.js";

const stored = (bytes: number, table: string): string => `
    movzx eax, word ptr [far_pointer]; show "limit"
    mov ${bytes === 8 ? "rax" : "eax"}, [far_pointer + 2]; sub ${bytes === 8 ? "rax" : "eax"}, ${table}; show "base"
    movzx eax, byte ptr [far_pointer + ${2 + bytes}]; show "behind"`;
const clear = (bytes: number): string => `mov byte ptr [far_pointer + ${2 + bytes}], 0x77; `;
const GDT_LIMIT = 'mov eax, gdt_end - gdt - 1; sub ax, [far_pointer]; movzx eax, ax; show "differs"';

export const tableRegisters = longProgram("table registers in 64-bit mode", [
  check("SIDT", `${clear(8)}sidt [far_pointer]${stored(8, "idt")}`, "limit=3ff base=0 behind=77 ran"),
  check(
    "SIDT whatever the operand size",
    `${clear(8)}.byte 0x66; sidt [far_pointer]${stored(8, "idt")}`,
    "limit=3ff base=0 behind=77 ran",
  ),
  check(
    "SGDT",
    `sgdt [far_pointer]; ${GDT_LIMIT}; mov rax, [far_pointer + 2]; sub rax, gdt; show "base"`,
    "differs=0 base=0 ran",
  ),
  check(
    "STR clears the register's upper part",
    `mov rax, -1; str rax; show "tr"; mov rax, -1; str eax; show "tr"`,
    `tr=${SEL.tss.toString(16)} tr=${SEL.tss.toString(16)} ran`,
  ),
  check(
    "SLDT of a null LDT",
    `mov rax, -1; sldt rax; show "ldt"; mov rax, -1; sldt ax; show "ldt"`,
    "ldt=0 ldt=ffffffffffff0000 ran",
  ),
  check(
    "INVD and WBINVD lose nothing that was written",
    `mov dword ptr [far_pointer], 7; wbinvd; invd; mov eax, [far_pointer]; show "kept"`,
    "kept=7 ran",
  ),
  check(
    "RDPID reads IA32_TSC_AUX",
    `mov ecx, 0xc0000103; mov eax, 0x12345; xor edx, edx; wrmsr; mov rax, -1; rdpid rax; show "aux"`,
    "aux=12345 ran",
  ),
]);

export const legacyTableRegisters = protectedProgram("table registers in 32-bit mode", [
  check(
    "SIDT stores four bytes of the base",
    `${clear(4)}sidt [far_pointer]${stored(4, "idt")}`,
    "limit=1ff base=0 behind=77 ran",
  ),
  check(
    "SIDT with a 16-bit operand size stores four too",
    `${clear(4)}.byte 0x66; sidt [far_pointer]${stored(4, "idt")}`,
    "limit=1ff base=0 behind=77 ran",
  ),
  check(
    "SGDT",
    `sgdt [far_pointer]; ${GDT_LIMIT}; mov eax, [far_pointer + 2]; sub eax, gdt; show "base"`,
    "differs=0 base=0 ran",
  ),
  check("STR", `mov eax, -1; str eax; show "tr"`, `tr=${SEL32.tss.toString(16)} ran`),
]);
