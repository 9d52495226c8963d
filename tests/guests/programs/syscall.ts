/**
 * SYSCALL, SYSRET, SYSENTER and SYSEXIT.
 * Proves [SDM] vol. 3, 5.8.7 and 5.8.8 (fast system calls); vol. 2, the instructions by name.
 */

import { longProgram, SEL, user } from "../support/long.js";
import { check } from "../support/program.js";

const showEntry = `entry:
    mov [user_rsp], rsp
    mov rsp, [recover_sp]
    mov rax, rcx; sub rax, [check_start]; show "rcx"
    mov rax, r11; and rax, ~0x8d5; show "r11"
    mov eax, cs; show "cs"; mov eax, ss; show "ss"
    pushfq; pop rax; and rax, ~0x8d5; show "flags"
    cmp byte ptr [returning], 0
    mov rsp, [user_rsp]
    je 1f
    o64 sysret
1:  mov rsp, [recover_sp]
    jmp qword ptr [recover]
sysenter_entry:
    mov rax, rsp; sub rax, [recover_sp]; neg rax; show "rsp"
    mov eax, cs; show "cs"; mov eax, ss; show "ss"
    pushfq; pop rax; and rax, ~0x8d5; show "flags"
    mov rsp, [recover_sp]
    jmp qword ptr [recover]
user_rsp: .quad 0
returning: .byte 0
`;

const wrmsr = (msr: number, low: string, high = "0") => `mov ecx, ${msr}; mov eax, ${low}; mov edx, ${high}; wrmsr`;
const EFER = 0xc0000080;
const compatibility = (code: string) => `${user()}push ${SEL.userCode32}; push 8f; o64 retf
8:  .code32
    ${code}
    .code64`;

export const systemCalls = longProgram(
  "system calls",
  [
    check("SYSCALL", `${user()}syscall`, "rcx=17 r11=3202 cs=8 ss=10 flags=2"),
    check("SYSCALL masks flags by FMASK", `${user(0x43202)}std; syscall`, "rcx=18 r11=43602 cs=8 ss=10 flags=2"),
    check(
      "SYSRET returns to CPL 3 with R11's flags",
      `mov byte ptr [returning], 1; ${user()}syscall; ud2`,
      "rcx=1f r11=3202 cs=8 ss=10 flags=2 v=6 ip=1f cs=2b fl=13202 ss=23 stk=3 nss=0 nfl=3002",
    ),
    check(
      "SYSRET loads DS not",
      `mov byte ptr [returning], 1; ${user()}mov eax, ${SEL.userData}; mov ds, eax; syscall; mov eax, ds; show "ds"; ud2`,
      "rcx=26 r11=3202 cs=8 ss=10 flags=2 ds=2b v=6 ip=30 cs=2b fl=13202 ss=23 stk=3 nss=0 nfl=3002",
    ),
    check(
      "single step goes on after SYSRET",
      `mov byte ptr [returning], 1; ${user()}pushfq; or dword ptr [rsp], 0x100; popfq; syscall; nop; ud2`,
      "rcx=28 r11=3302 cs=8 ss=10 flags=2 v=1 ip=28 cs=2b fl=3302 ss=23 dr6=ffff4ff0 stk=3 nss=0 nfl=3002",
    ),
    check(
      "SYSRET to compatibility mode",
      `mov rcx, 8f; mov r11d, 0x3202; mov rsp, user_stack; sysretd
8:  .code32
    int 0x30
    .code64`,
      "v=30 ip=18 cs=1b fl=3202 ss=23 stk=3 nss=0 nfl=3002",
    ),
    check(
      "SYSRETQ to a non-canonical address",
      "mov rcx, 0x800000000000; mov r11d, 2; o64 sysret",
      "v=d ip=10 fl=10002",
    ),
    check(
      "SYSCALL without EFER.SCE",
      `${wrmsr(EFER, "0xd00")}; ${user()}syscall`,
      "v=6 ip=26 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check("SYSRET without EFER.SCE", `o64 sysret`, "v=6 ip=0 fl=10002"),
    check(
      "SYSCALL in compatibility mode is Intel's #UD",
      `${wrmsr(EFER, "0xd01")}; ${compatibility("syscall")}`,
      "v=6 ip=2f cs=23 fl=13202 ss=2b stk=3 nss=0 nfl=3002",
    ),
    check("SYSENTER", `${user()}sysenter`, "rsp=100 cs=8 ss=10 flags=3002"),
    check("SYSENTER in compatibility mode", compatibility("sysenter"), "rsp=100 cs=8 ss=10 flags=3002"),
    check(
      "SYSEXIT to 64-bit code",
      "mov rdx, 8f; mov rcx, user_stack; o64 sysexit\n8:  ud2",
      "v=6 ip=11 cs=2b fl=10002 ss=33 stk=3 nss=0",
    ),
    check(
      "SYSEXIT to compatibility mode",
      `mov rdx, 8f; mov rcx, user_stack; sysexitd
8:  .code32
    ud2
    .code64`,
      "v=6 ip=10 cs=1b fl=10002 ss=23 stk=3 nss=0",
    ),
    check("SYSEXIT with SYSENTER_CS zero", `${wrmsr(0x174, "0")}; o64 sysexit`, "v=d ip=11 fl=10002"),
    check("SYSENTER with SYSENTER_CS zero", `${user()}sysenter`, "v=d ip=15 cs=33 fl=13202 ss=2b stk=3 nss=0 nfl=3002"),
  ],
  {
    prepare: `
    mov ecx, 0x30; mov rdx, stubs + 0x30*16; mov eax, 0xee00; call set_gate
    ${wrmsr(0xc0000081, "0", "0x00180008")}
    ${wrmsr(0xc0000082, "entry")}
    ${wrmsr(0xc0000084, "0x47700")}
    ${wrmsr(0x174, "8")}
    ${wrmsr(0x175, "stack_top - 256")}
    ${wrmsr(0x176, "sysenter_entry")}`,
    data: showEntry,
  },
);
