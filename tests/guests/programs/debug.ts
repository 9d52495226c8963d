/**
 * Single step, breakpoints and debug registers.
 * Proves [SDM] vol. 3, 18.2 (debug registers), 18.3.1 (debug exceptions, single step and MOV SS), 6.8.1 (RF), 2.3.
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const resuming = "mov byte ptr [resuming], 1; ";
const off = "; xor eax, eax; mov dr7, rax; nop";

export const debugging = longProgram(
  "single step and debug registers",
  [
    check(
      "single step traps after each instruction, and not after MOV SS",
      `${resuming}pushfq; or dword ptr [rsp], 0x100; popfq; nop; nop; mov eax, 0x10; mov ss, eax; nop; pushfq; and dword ptr [rsp], ~0x100; popfq; nop`,
      "v=1 ip=12 fl=102 dr6=ffff4ff0 v=1 ip=13 fl=102 dr6=ffff4ff0 v=1 ip=18 fl=102 dr6=ffff4ff0 v=1 ip=1b fl=102 dr6=ffff4ff0 v=1 ip=1c fl=102 dr6=ffff4ff0 v=1 ip=23 fl=102 dr6=ffff4ff0 v=1 ip=24 dr6=ffff4ff0 ran",
    ),
    check(
      "single step of a repeated string instruction",
      `${resuming}mov edi, scratch; mov ecx, 3; pushfq; or dword ptr [rsp], 0x100; popfq; rep stosb; pushfq; and dword ptr [rsp], ~0x100; popfq; nop`,
      "v=1 ip=1b fl=102 dr6=ffff4ff0 v=1 ip=1b fl=102 dr6=ffff4ff0 v=1 ip=1d fl=102 dr6=ffff4ff0 v=1 ip=1e fl=102 dr6=ffff4ff0 v=1 ip=25 fl=102 dr6=ffff4ff0 v=1 ip=26 dr6=ffff4ff0 ran",
    ),
    check(
      "single step over INT n enters the handler without it",
      `pushfq; or dword ptr [rsp], 0x100; popfq; int 0x30`,
      "v=30 ip=b fl=102",
    ),
    check(
      "write breakpoint of four bytes",
      `${resuming}mov eax, scratch; mov dr0, rax; mov eax, 0xd0001; mov dr7, rax; mov dword ptr [scratch], 1; nop; mov ecx, [scratch]; mov byte ptr [scratch + 3], 1; mov byte ptr [scratch + 4], 1${off}`,
      "v=1 ip=23 dr6=ffff0ff1 v=1 ip=33 dr6=ffff0ff1 ran",
    ),
    check(
      "read and write breakpoint of eight bytes",
      `${resuming}mov eax, scratch; mov dr1, rax; mov eax, 0xb00004; mov dr7, rax; mov qword ptr [scratch], 1; nop; mov cl, [scratch + 7]${off}`,
      "v=1 ip=24 dr6=ffff0ff2 v=1 ip=2c dr6=ffff0ff2 ran",
    ),
    check(
      "a breakpoint hit by a part of an access",
      `${resuming}mov eax, scratch + 2; mov dr2, rax; mov eax, 0x1000010; mov dr7, rax; mov dword ptr [scratch], 1; mov word ptr [scratch], 1; mov word ptr [scratch + 3], 1${off}`,
      "v=1 ip=23 dr6=ffff0ff4 ran",
    ),
    check(
      "execution breakpoint is a fault",
      `mov rax, 8f; mov dr0, rax; mov eax, 1; mov dr7, rax; nop\n8:  nop; ud2`,
      "v=1 ip=13 dr6=ffff0ff1",
    ),
    check(
      "RF lets the instruction run once",
      `xor eax, eax; mov dr7, rax; mov rax, 8f; mov dr0, rax; mov eax, 1; mov dr7, rax; mov rcx, rsp; push 0x10; push rcx; push 0x10002; push 8; push 8f; iretq\n8:  nop; ud2`,
      "v=6 ip=2c fl=10002",
    ),
    check(
      "DR7.GD catches access to debug registers",
      `mov eax, 0x2000; mov dr7, rax; mov rax, dr0`,
      "v=1 ip=8 fl=10002 dr6=ffff2ff0",
    ),
    check("GD is cleared on the way", `mov rax, dr7; show "dr7"`, "dr7=400 ran"),
    check("DR4 is DR6", `mov rax, dr4; show "dr4"`, "dr4=ffff0ff0 ran"),
    check("DR5 with CR4.DE", `mov rax, cr4; or eax, 8; mov cr4, rax; mov rax, dr5`, "v=6 ip=9 fl=10002"),
    check("DR6 keeps its upper half zero", `mov rax, 0x100000000; mov dr6, rax`, "v=d ip=a fl=10002"),
    check("DR7 keeps its upper half zero", `mov rax, 0x100000000; mov dr7, rax`, "v=d ip=a fl=10002"),
    check("DR6's fixed bits", `xor eax, eax; mov dr6, rax; mov rax, dr6; show "dr6"`, "dr6=ffff0ff0 ran"),
    check("DR7's fixed bits", `xor eax, eax; mov dr7, rax; mov rax, dr7; show "dr7"`, "dr7=400 ran"),
    check(
      "I/O breakpoint",
      `${resuming}mov eax, 0x80; mov dr3, rax; mov eax, 0x20000040; mov dr7, rax; in al, 0x80; nop; in al, 0x81${off}`,
      "v=1 ip=1a dr6=ffff0ff8 ran",
    ),
    check("INT1 sets nothing in DR6", ".byte 0xf1; nop", "v=1 ip=1 dr6=ffff0ff0"),
    check(
      "a data breakpoint and single step together",
      `${resuming}mov eax, scratch; mov dr0, rax; mov eax, 0xd0001; mov dr7, rax; pushfq; or dword ptr [rsp], 0x100; popfq; mov dword ptr [scratch], 1; pushfq; and dword ptr [rsp], ~0x100; popfq${off}`,
      "v=1 ip=2c fl=102 dr6=ffff4ff1 v=1 ip=2d fl=102 dr6=ffff4ff0 v=1 ip=34 fl=102 dr6=ffff4ff0 v=1 ip=35 dr6=ffff4ff0 ran",
    ),
    check(
      "a breakpoint on the stack holds back behind MOV SS",
      `${resuming}mov eax, far_pointer; mov dr0, rax; mov eax, 0xf0001; mov dr7, rax; mov dword ptr [far_pointer], 0x10; mov ss, [far_pointer]; nop; nop${off}`,
      "v=1 ip=23 dr6=ffff0ff1 v=1 ip=2b dr6=ffff0ff1 ran",
    ),
  ],
  {
    prepare: `
    mov ecx, 0x30; mov rdx, stubs + 0x30*16; mov eax, 0xee00; call set_gate`,
    data: ".align 16\nscratch: .quad 0, 0",
  },
);
