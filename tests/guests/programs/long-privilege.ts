/**
 * What CPL 3 may not do, and how it comes back to CPL 0, in 64-bit mode and in compatibility mode.
 * Proves [SDM] vol. 3, 5.5 to 5.10 (privilege levels, gates, stack switching), 5.9 (privileged instructions), 18.5.2 of
 * vol. 1 (I/O permission bit map), 6.12.1 (stack switch of interrupts); vol. 2, POPF, CLI, IRET.
 */

import { longProgram, SEL, user } from "../support/long.js";
import { check } from "../support/program.js";

const NO_IO = 0x202;
const compatibility = (code: string) => `${user()}push ${SEL.userCode32}; push 8f; o64 retf
8:  .code32
    ${code}
    .code64`;

export const longPrivilege = longProgram(
  "privilege changes in 64-bit mode",
  [
    check("UD2 at CPL 3 switches to RSP0", `${user()}ud2`, "v=6 ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("INT n that is allowed", `${user()}int 0x30`, "v=30 ip=17 cs=33 fl=3202 ss=2b stk=3 nss=0 nfl=3002"),
    check(
      "INT n that is allowed, on an IST stack",
      `${user()}int 0x31`,
      "v=31 ip=17 cs=33 fl=3202 ss=2b stk=1 nss=0 nfl=3202",
    ),
    check("INT n that is not", `${user()}int 0x20`, "v=d e=102 ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("INT3", `${user()}int3`, "v=3 ip=16 cs=33 fl=3202 ss=2b stk=3 nss=0 nfl=3202"),
    check(
      "INT1 needs no privilege",
      `${user()}.byte 0xf1`,
      "v=1 ip=16 cs=33 fl=3202 ss=2b dr6=ffff0ff0 stk=3 nss=0 nfl=3002",
    ),
    check(
      "page fault",
      `${user()}mov eax, [0x40000000]`,
      "v=e e=4 ip=15 cs=33 fl=13202 ss=2b cr2=40000000 stk=3 nss=0 nfl=3002",
    ),
    check("HLT", `${user()}hlt`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("CLI with IOPL 3", `${user()}cli; ud2`, "v=6 ip=16 cs=33 fl=13002 ss=2b stk=3 nss=0 nfl=3002"),
    check("CLI with IOPL 0", `${user(NO_IO)}cli; ud2`, "v=d ip=15 cs=33 fl=10202 ss=2b stk=3 nss=0"),
    check(
      "POPF cannot change IOPL, nor IF with IOPL 0",
      `${user(NO_IO)}push 0x3002; popfq; ud2`,
      "v=6 ip=1b cs=33 fl=10202 ss=2b stk=3 nss=0",
    ),
    check(
      "POPF changes IF with IOPL 3, but not IOPL",
      `${user()}push 0x2; popfq; ud2`,
      "v=6 ip=18 cs=33 fl=13002 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check("RDMSR", `${user()}rdmsr`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("WRMSR", `${user()}wrmsr`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("MOV from CR0", `${user()}mov rax, cr0`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("MOV from DR7", `${user()}mov rax, dr7`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("IN with IOPL 0 and no bit map", `${user(NO_IO)}in al, 0x80`, "v=d ip=15 cs=33 fl=10202 ss=2b stk=3 nss=0"),
    check("IN with IOPL 3", `${user()}in al, 0x80; ud2`, "v=6 ip=17 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("LGDT", `${user()}lgdt [gdt_pointer]`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check(
      "SGDT needs no privilege",
      `${user()}sgdt [0x40000000]`,
      "v=e e=6 ip=15 cs=33 fl=13202 ss=2b cr2=40000000 stk=3 nss=0 nfl=3002",
    ),
    check("LMSW", `${user()}lmsw ax`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("CLTS", `${user()}clts`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("INVLPG", `${user()}invlpg [rax]`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("LTR", `${user()}ltr ax`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("LLDT", `${user()}lldt ax`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("SWAPGS", `${user()}swapgs`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("WBINVD", `${user()}wbinvd`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("SYSRET", `${user()}sysretq`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("SYSEXIT", `${user()}sysexitq`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("CLAC", `${user()}clac`, "v=6 ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check("XSETBV", `${user()}xsetbv`, "v=6 ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check(
      "DS of CPL 0",
      `${user()}mov eax, ${SEL.data}; mov ds, eax`,
      "v=d e=10 ip=1a cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "SS of CPL 0",
      `${user()}mov eax, ${SEL.data}; mov ss, eax`,
      "v=d e=10 ip=1a cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check("SS null", `${user()}xor eax, eax; mov ss, eax`, "v=d ip=17 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
    check(
      "a far call to CPL 0 code",
      `${user()}mov word ptr [far_pointer + 4], 8; call far fword ptr [far_pointer]`,
      "v=d e=8 ip=1f cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "a call gate switches to RSP0",
      `${user()}mov word ptr [far_pointer + 4], ${SEL.callGate | 3}; call far fword ptr [far_pointer]`,
      "pushed=5060 ss=0",
    ),
    check(
      "IRETQ to CPL 0",
      `${user()}push 0x10; push 0; push 2; push 8; push 0; iretq`,
      "v=d e=8 ip=1f cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "RETF to CPL 0",
      `${user()}push 8; push 0; o64 retf`,
      "v=d e=8 ip=19 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "a return to CPL 3 clears data segments of CPL 0",
      `mov eax, ${SEL.data}; mov ds, eax; mov es, eax; ${user()}mov eax, ds; show "ds"; mov eax, es; show "es"; ud2`,
      "ds=0 es=0 v=6 ip=32 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "IRETQ to CPL 3 with SS null",
      `push 3; push user_stack; push 0x3202; push ${SEL.userCode}; push 8f; iretq\n8:  ud2`,
      "v=d ip=13 fl=10002",
    ),
    check(
      "alignment check at CPL 3",
      `mov rax, cr0; bts rax, 18; mov cr0, rax; ${user(0x43202)}mov eax, [user_stack - 7]`,
      "v=11 ip=20 cs=33 fl=53202 ss=2b stk=3 nss=0 nfl=43002",
    ),
    check(
      "alignment check spares CPL 0",
      `mov rax, cr0; btr rax, 18; mov cr0, rax; ${user(0x43202)}mov eax, [user_stack - 7]; ud2`,
      "v=6 ip=27 cs=33 fl=53202 ss=2b stk=3 nss=0 nfl=43002",
    ),
    check(
      "INT n from compatibility mode",
      compatibility("int 0x30"),
      "v=30 ip=20 cs=23 fl=3202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "undefined opcode in compatibility mode",
      compatibility("ud2"),
      "v=6 ip=1e cs=23 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "PUSH in compatibility mode is four bytes",
      compatibility("mov ebx, esp; push eax; sub ebx, esp; cmp ebx, 4; jne 7f; ud2\n7:  hlt"),
      "v=6 ip=28 cs=23 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "addresses wrap at 4 GiB in compatibility mode",
      compatibility("mov eax, 0x2b; mov ds, eax; mov eax, 0xffffffff; mov ecx, [eax + far_pointer + 1]; ud2"),
      "v=6 ip=30 cs=23 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "DS null in compatibility mode",
      compatibility("mov ecx, [far_pointer]"),
      "v=d ip=1e cs=23 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check(
      "40 to 4F are INC and DEC in compatibility mode",
      compatibility("xor eax, eax; .byte 0x40; cmp eax, 1; jne 7f; ud2\n7:  hlt"),
      "v=6 ip=26 cs=23 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
  ],
  {
    prepare: `
    mov ecx, 3; mov rdx, stubs + 3*16; mov eax, 0xef00; call set_gate
    mov ecx, 0x30; mov rdx, stubs + 0x30*16; mov eax, 0xee00; call set_gate
    mov ecx, 0x31; mov rdx, stubs + 0x31*16; mov eax, 0xef01; call set_gate`,
  },
);
