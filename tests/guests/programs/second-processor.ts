/**
 * A second vCPU: INIT and SIPI, where it starts, IPIs to it, code that the first changes under it.
 * MONITOR and MWAIT. Proves [SDM] vol. 3, 8.10.4 (MONITOR and MWAIT), 8.4 (multiple-processor initialisation), 10.1.4 and table 9-1 (state after INIT), 11.6 (IPIs),
 * 8.1.3 (cross-modifying code), 6.7 (NMI).
 *
 * The second processor runs real-mode code at 0x8000 and leaves what it saw in words from 0x9000.
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const APIC = 0x40000000;
/** To the second processor, by the APIC identifier that it has left. */
const ipi = (command: number) =>
  `movzx eax, word ptr [0x9012]; shl eax, 24; mov [${APIC} + 0x310], eax; mov dword ptr [${APIC} + 0x300], ${command}; `;
const toOthers = (command: number) => `mov dword ptr [${APIC} + 0x300], 0xc0000 | ${command}; `;
const INIT = 0x4500;
const SIPI = 0x4608;
const NMI = 0x4400;
const spin = "mov ecx, 2000000\n7:  dec ecx; jnz 7b\n    ";
const word = (offset: number, name: string) => `movzx eax, word ptr [0x9000 + ${offset}]; show "${name}"; `;

const TRAMPOLINE = `
.code16
trampoline:
    mov bx, ds
    xor ax, ax
    mov ds, ax
    mov [0x9002], cs
    mov [0x9004], bx
    pushf
    pop word ptr [0x9006]
    mov eax, cr0
    mov [0x9008], ax
    mov eax, 1; cpuid; shr ebx, 24; mov [0x9012], bx
    xor ax, ax
    mov ss, ax
    mov sp, 0x7000
    # Fixed interrupts need the local APIC enabled; in real mode it is within reach as x2APIC.
    mov ecx, 0x1b; rdmsr; or eax, 0xc00; wrmsr
    mov ecx, 0x80f; mov eax, 0x1ff; xor edx, edx; wrmsr
    mov word ptr [0x44 * 4], interrupt_44 - trampoline + 0x8000; mov word ptr [0x44 * 4 + 2], 0
    mov word ptr [2 * 4], interrupt_2 - trampoline + 0x8000; mov word ptr [2 * 4 + 2], 0
    inc word ptr [0x9000]
trampoline_spin:
    jmp trampoline_spin
    mov word ptr [0x900c], 1
    sti
1:  hlt
    cmp word ptr [0x9014], 1
    jne 1b
2:  mov eax, 0x9080
    xor ecx, ecx
    xor edx, edx
    monitor
    cmp word ptr [0x9080], 0
    jne 3f
    xor eax, eax
    mwait
    inc word ptr [0x9018]
    jmp 2b
3:  mov word ptr [0x901a], 1
    mov word ptr [0x9014], 0
    jmp 1b
interrupt_44:
    inc word ptr [0x900e]
    mov ecx, 0x80b; xor eax, eax; xor edx, edx; wrmsr
    iret
interrupt_2:
    inc word ptr [0x9010]
    iret
trampoline_end:
.code64
`;

export const secondProcessor = longProgram(
  "a second processor",
  [
    check("it waits for SIPI", `${spin}${word(0, "started")}`, "started=0 ran"),
    check(
      "SIPI without INIT still starts it, as it waits from reset",
      `${toOthers(SIPI)}${spin}${word(0, "started")}`,
      "started=1 ran",
    ),
    check(
      "it starts at the vector's page in real mode",
      `${word(2, "cs")}${word(4, "ds")}${word(6, "flags")}${word(8, "cr0")}`,
      "cs=800 ds=0 flags=46 cr0=10 ran",
    ),
    check("SIPI is ignored once it runs", `${ipi(SIPI)}${spin}${word(0, "started")}`, "started=1 ran"),
    check(
      "it goes on when its code is changed",
      `${word(12, "before")}mov word ptr [0x8000 + trampoline_spin - trampoline], 0x9090; ${spin}${word(12, "after")}`,
      "before=0 after=1 ran",
    ),
    check("an IPI wakes it from HLT", `${ipi(0x4044)}${spin}${word(14, "count")}`, "count=1 ran"),
    check("NMI", `${ipi(NMI)}${spin}${word(16, "count")}`, "count=1 ran"),
    check("all but self", `${toOthers(0x4044)}${spin}${word(14, "count")}`, "count=2 ran"),
    check(
      "it waits in MWAIT",
      `mov word ptr [0x9014], 1; ${ipi(0x4044)}${spin}${word(24, "woken")}${word(26, "done")}`,
      "woken=0 done=0 ran",
    ),
    check(
      "a write to another line leaves it there",
      `mov word ptr [0x90c0], 1; ${spin}${word(24, "woken")}`,
      "woken=0 ran",
    ),
    check(
      "a write to the line that MONITOR armed wakes it",
      `mov word ptr [0x9080], 1; ${spin}${word(24, "woken")}${word(26, "done")}`,
      "woken=1 done=1 ran",
    ),
    check(
      "INIT stops it",
      `${ipi(INIT)}${spin}${ipi(0x4044)}${spin}${word(14, "count")}${word(0, "started")}`,
      "count=3 started=1 ran",
    ),
    check(
      "and SIPI starts it again",
      `mov word ptr [0x8000 + trampoline_spin - trampoline], 0xfeeb; ${ipi(SIPI)}${spin}${word(0, "started")}`,
      "started=2 ran",
    ),
    check(
      "an IPI to nobody",
      `mov dword ptr [${APIC} + 0x310], 0x55 << 24; mov dword ptr [${APIC} + 0x300], 0x4044; mov eax, [${APIC} + 0x300]; and eax, 0x1000; show "pending"`,
      "pending=0 ran",
    ),
  ],
  {
    vcpus: 2,
    prepare: `
    mov qword ptr [page_pointers + 8], apic_directory + 7
    mov eax, 0xfee00000 | 0x97
    mov [apic_directory], rax
    mov dword ptr [${APIC} + 0xf0], 0x1ff
    mov esi, trampoline; mov edi, 0x8000; mov ecx, trampoline_end - trampoline; rep movsb
    mov edi, 0x9000; mov ecx, 256; xor eax, eax; rep stosb`,
    data: TRAMPOLINE,
    bss: ".align 4096\napic_directory: .skip 4096",
  },
);
