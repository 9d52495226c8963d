/**
 * Virtual-8086 mode and its extensions (VME), and protected-mode virtual interrupts (PVI).
 * Proves [SDM] vol. 3, 20.2 and 20.3 (virtual-8086 mode, its interrupts), 20.3.3 table 20-2 (VME), 20.4 (PVI).
 */
import { check } from "../support/program.js";
import { protectedProgram, SEL32, user32, vm86 } from "../support/protected.js";

const IOPL3 = 0x3202;
const IOPL0 = 0x202;
const VIF = 0x80000;
const VIP = 0x100000;
const vme = "mov eax, cr4; or eax, 1; mov cr4, eax";

export const virtual8086 = protectedProgram(
  "virtual-8086 mode",
  [
    check("undefined opcode", vm86(IOPL3), "v=6 ip=0 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check("INT n with IOPL 3", vm86(IOPL3, 0xcd, 0x30), "v=30 ip=2 cs=1000 fl=23202 ss=2000 sp=3f0 stk=1"),
    check("INT n with IOPL 0", vm86(IOPL0, 0xcd, 0x30), "v=d ip=0 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("INT3 needs no IOPL", vm86(IOPL0, 0xcc), "v=3 ip=1 cs=1000 fl=20202 ss=2000 sp=3f0 stk=1"),
    check("CLI with IOPL 0", vm86(IOPL0, 0xfa), "v=d ip=0 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("CLI with IOPL 3", vm86(IOPL3, 0xfa), "v=6 ip=1 cs=1000 fl=33002 ss=2000 sp=3f0 stk=1"),
    check("STI with IOPL 3", vm86(0x3002, 0xfb, 0x90), "v=6 ip=2 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check("PUSHF with IOPL 0", vm86(IOPL0, 0x9c), "v=d ip=0 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("PUSHF with IOPL 3", vm86(IOPL3, 0x9c, 0x58), "v=6 ip=2 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check(
      "POPF with IOPL 3 keeps VM and IOPL",
      vm86(IOPL3, 0x68, 0xd7, 0x4f, 0x9d),
      "v=6 ip=4 cs=1000 fl=37702 ss=2000 sp=3f0 stk=1",
    ),
    check(
      "IRET with IOPL 3",
      vm86(IOPL3, 0x68, 0x02, 0x7e, 0x68, 0, 0x10, 0x6a, 10, 0xcf, 0x90, 0x90),
      "v=6 ip=b cs=1000 fl=37602 ss=2000 sp=3f0 stk=1",
    ),
    check("HLT", vm86(IOPL3, 0xf4), "v=d ip=0 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check("IN that the bit map allows", vm86(IOPL3, 0xe4, 0x80), "v=6 ip=2 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check(
      "IN that it does not, whatever IOPL",
      vm86(IOPL3, 0xe4, 0x81),
      "v=d ip=0 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1",
    ),
    check("LLDT does not exist", vm86(IOPL3, 0x0f, 0, 0xd0), "v=6 ip=0 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check("MOV from CR0", vm86(IOPL3, 0x0f, 0x20, 0xc0), "v=d ip=0 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check(
      "a segment load takes any value",
      vm86(IOPL3, 0xb8, 0x55, 0x55, 0x8e, 0xd8),
      "v=6 ip=5 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1",
    ),
    check("far jump", vm86(IOPL3, 0xea, 0x15, 0, 0xff, 0x0f), "v=6 ip=15 cs=fff fl=33202 ss=2000 sp=3f0 stk=1"),
    check("far return", vm86(IOPL3, 0x68, 0, 0x10, 0x6a, 6, 0xcb), "v=6 ip=6 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check("a word at FFFF", vm86(IOPL3, 0xa1, 0xff, 0xff), "v=d ip=0 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1"),
    check(
      "INT n through a task gate",
      vm86(IOPL3, 0xcd, 0x33),
      "task=40 link=38 flags=4002 old=2 ts=8 first=8b second=8b v=6 ip=2 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1",
    ),
    check(
      "PUSHFD shows neither VM nor RF",
      vm86(IOPL3, 0x66, 0x9c, 0x66, 0x58),
      "v=6 ip=4 cs=1000 fl=33202 ss=2000 sp=3f0 stk=1",
    ),
    check(
      "VME on, with the redirection map: INT 30 to the 8086 program",
      `${vme}
    mov word ptr [tss + 102], 104 + 32; mov edi, tss + 104; xor eax, eax; mov ecx, 8; rep stosd
    or byte ptr [tss + 104 + 0x31 / 8], 1 << (0x31 & 7)
    mov eax, -1; mov ecx, 23; rep stosd
    mov byte ptr [tss + 136 + 0xe9 / 8], 0
    mov dword ptr [0x30 * 4], 0x10000200; mov dword ptr [0x10200], 0x595b589c; mov dword ptr [0x10204], 0x0b0f5a`,
    ),
    check("VME: redirected INT n", vm86(IOPL0, 0xcd, 0x30), "v=6 ip=205 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("VME: with VIF", vm86(IOPL0 | VIF, 0xcd, 0x30), "v=6 ip=205 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("VME: with IOPL 3", vm86(IOPL3, 0xcd, 0x30), "v=6 ip=205 cs=1000 fl=33002 ss=2000 sp=3f0 stk=1"),
    check(
      "VME: INT n that is not redirected",
      vm86(IOPL0, 0xcd, 0x31),
      "v=d ip=0 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1",
    ),
    check("VME: CLI clears VIF", vm86(IOPL0 | VIF, 0xfa), "v=6 ip=1 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("VME: STI sets VIF", vm86(IOPL0, 0xfb), "v=6 ip=1 cs=1000 fl=b0202 ss=2000 sp=3f0 stk=1"),
    check("VME: STI with VIP", vm86(IOPL0 | VIP, 0xfb), "v=d ip=0 cs=1000 fl=130202 ss=2000 sp=3f0 stk=1"),
    check(
      "VME: PUSHF shows VIF as IF",
      vm86(IOPL0 | VIF, 0x9c, 0x58),
      "v=6 ip=2 cs=1000 fl=b0202 ss=2000 sp=3f0 stk=1",
    ),
    check("VME: POPF sets VIF", vm86(IOPL0, 0x68, 0xd7, 0x7e, 0x9d), "v=6 ip=4 cs=1000 fl=b4602 ss=2000 sp=3f0 stk=1"),
    check("VME: POPF of TF", vm86(IOPL0, 0x68, 0xd7, 0x7f, 0x9d), "v=d ip=3 cs=1000 fl=30202 ss=2000 sp=3ee stk=1"),
    check(
      "VME: POPF of IF with VIP",
      vm86(IOPL0 | VIP, 0x68, 0xd7, 0x7e, 0x9d),
      "v=d ip=3 cs=1000 fl=130202 ss=2000 sp=3ee stk=1",
    ),
    check(
      "VME: IRET",
      vm86(IOPL0, 0x68, 0x02, 0x7e, 0x68, 0, 0x10, 0x6a, 10, 0xcf, 0x90, 0x90),
      "v=6 ip=b cs=1000 fl=b4602 ss=2000 sp=3f0 stk=1",
    ),
    check("VME: PUSHFD", vm86(IOPL0, 0x66, 0x9c), "v=d ip=0 cs=1000 fl=30202 ss=2000 sp=3f0 stk=1"),
    check("PVI on", "mov eax, cr4; xor eax, 3; mov cr4, eax"),
    check("PVI: CLI", `${user32(IOPL0 | VIF)}cli; ud2`, "v=6 ip=1e cs=23 fl=10202 ss=2b sp=0 stk=1"),
    check("PVI: STI", `${user32(IOPL0)}sti; ud2`, "v=6 ip=1e cs=23 fl=90202 ss=2b sp=0 stk=1"),
    check("PVI: STI with VIP", `${user32(IOPL0 | VIP)}sti; ud2`, "v=d ip=1d cs=23 fl=110202 ss=2b sp=0 stk=1"),
  ],
  `mov ecx, 0x30; mov edx, stubs + 0x30 * 16; mov eax, ${SEL32.code} << 16 | 0xee; call set_gate
    mov ecx, 3; mov edx, stubs + 3 * 16; mov eax, ${SEL32.code} << 16 | 0xef; call set_gate
    mov dword ptr [idt + 0x33 * 8], ${SEL32.secondTask} << 16
    mov dword ptr [idt + 0x33 * 8 + 4], 0xe500`,
);
