/**
 * The devices that a plain PVH machine lacks: UART, debug console, PIT, ACPI timer, I/O APIC; and what is not there.
 * Proves the 16550's data sheet (scratch, FIFO, line status, loopback), the 8254's (mode 2 and 3, latch), [ACPI] 4.8.3.3
 * (PM timer), the 82093AA's (index and data register, redirection), ISA's floating bus.
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const input = (port: number, name = "al") => `mov edx, ${port}; in al, dx; movzx eax, al; show "${name}"; `;
const output = (port: number, value: number) => `mov edx, ${port}; mov al, ${value}; out dx, al; `;
const COM1 = 0x3f8;
const IOAPIC = 0x40000000;
const ioapic = (index: number) => `mov dword ptr [${IOAPIC}], ${index}; mov eax, [${IOAPIC} + 0x10]; `;
const spin = "mov ecx, 100000\n7:  dec ecx; jnz 7b\n    ";

export const devices = longProgram(
  "devices",
  [
    check(
      "a port that nothing listens to reads all ones",
      `${input(0x999)}in ax, dx; movzx eax, ax; show "ax"; in eax, dx; show "eax"`,
      "al=ff ax=ffff eax=ffffffff ran",
    ),
    check(
      "memory that nothing listens to reads all ones",
      `mov eax, [${IOAPIC} + 0x100000]; show "eax"`,
      "eax=ffffffff ran",
    ),
    check("the debug console reads as itself", input(0xe9), "al=e9 ran"),
    check("UART scratch register", `${output(COM1 + 7, 0x5a)}${input(COM1 + 7)}`, "al=5a ran"),
    check("UART is ready to send", input(COM1 + 5), "al=60 ran"),
    check("UART has no interrupt", input(COM1 + 2), "al=1 ran"),
    check("UART FIFO on", `${output(COM1 + 2, 1)}${input(COM1 + 2)}`, "al=c1 ran"),
    check(
      "UART divisor latch",
      `${output(COM1 + 3, 0x83)}${output(COM1, 12)}${input(COM1)}${output(COM1 + 3, 3)}${input(COM1 + 3)}`,
      "al=c al=3 ran",
    ),
    check(
      "UART loops back",
      `${output(COM1 + 4, 0x10)}${output(COM1, 0x77)}${input(COM1 + 5)}${input(COM1)}${output(COM1 + 4, 0)}`,
      "al=61 al=77 ran",
    ),
    check(
      "PIT counts down",
      `${output(0x43, 0x34)}${output(0x40, 0)}${output(0x40, 0)}${spin}${output(0x43, 0)}mov edx, 0x40; in al, dx; mov bl, al; in al, dx; mov bh, al
    ${spin}${output(0x43, 0)}mov edx, 0x40; in al, dx; mov cl, al; in al, dx; mov ch, al; cmp cx, bx; setb al; movzx eax, al; show "less"`,
      "less=1 ran",
    ),
    check(
      "PIT reads back its mode",
      `${output(0x43, 0x34)}${output(0x40, 0)}${output(0x40, 0x10)}${output(0x43, 0xe2)}mov edx, 0x40; in al, dx; and eax, 0x3f; show "status"`,
      "status=34 ran",
    ),
    check(
      "PM timer runs",
      `mov edx, [pm_port]; in eax, dx; mov ebx, eax; ${spin}in eax, dx; sub eax, ebx; and eax, 0xffffff; cmp eax, 100; seta al; movzx eax, al; show "ran"`,
      "ran=1 ran",
    ),
    check("I/O APIC version", `${ioapic(1)}and eax, 0xff00ff; show "version"`, "version=170020 ran"),
    check("I/O APIC entries begin masked", `${ioapic(0x10)}show "entry"`, "entry=10000 ran"),
    check(
      "I/O APIC entries keep what is written",
      `mov dword ptr [${IOAPIC}], 0x12; mov dword ptr [${IOAPIC} + 0x10], 0x10045; ${ioapic(0x12)}show "entry"`,
      "entry=10045 ran",
    ),
  ],
  {
    prepare: `
    # 1 GiB shows the I/O APIC's page and what follows it.
    mov qword ptr [page_pointers + 8], io_directory + 7
    mov eax, 0xfec00000 | 0x97
    mov [io_directory], rax`,
    data: "pm_port: .long 0x608",
    bss: ".align 4096\nio_directory: .skip 4096",
  },
);
