/**
 * Exceptions while an exception is delivered.
 * Proves [SDM] vol. 3, 6.15 "Interrupt 8", table 6-5 (which pairs make a double fault).
 */

import { longProgram, user } from "../support/long.js";
import { check } from "../support/program.js";

/** Makes a vector's gate absent for one check. */
const without = (vector: number, code: string) => `and byte ptr [idt + ${vector}*16 + 5], 0x7f; ${code}`;
const present = [6, 10, 11, 13, 14].map((v) => `or byte ptr [idt + ${v}*16 + 5], 0x80`).join("; ");
const again = check("gates back", present);

export const doubleFaults = longProgram(
  "double faults",
  [
    check("#PF with its gate absent", without(14, "mov eax, [0x40000000]"), "v=8 ip=8 stk=2"),
    check("#GP with its gate absent", without(13, "mov eax, 0x1000; mov ds, eax"), "v=8 ip=d stk=2"),
    check("#NP in delivery of #UD is #NP", without(6, "ud2"), "v=b e=33 ip=8 fl=10002"),
    check("#GP with #NP's gate absent", without(11, "mov eax, 0x1000; mov ds, eax"), "v=8 ip=d stk=2"),
    again,
    check(
      "#PF behind #UD",
      "mov dword ptr [idt + 6*16 + 8], 0; mov word ptr [idt + 6*16 + 6], 0x4000; mov word ptr [idt + 6*16], 0; ud2",
      "v=e e=10 rip=40000000 fl=10002 cr2=40000000",
    ),
    check("#PF on the stack of #PF", "mov esp, 0x40001000; mov eax, [0x40000000]", "v=8 ip=5 stk=2"),
    check("#PF on the stack of INT n", "mov esp, 0x40001000; int 0x30", "v=8 ip=5 stk=2"),
    check("#SS for a non-canonical stack, in INT n", "mov rsp, 0x900000000000; int 0x30", "v=c ip=a fl=10002 stk=1"),
    check(
      "a non-canonical RSP0 is #SS",
      `mov rax, [tss + 4]; mov [saved], rax; mov rax, 0x900000000000; mov [tss + 4], rax; ${user()}int 0x30`,
      "v=c ip=37 cs=33 fl=13202 ss=2b stk=1 nss=0 nfl=3002",
    ),
    check("RSP0 back", "mov rax, [saved]; mov [tss + 4], rax"),
  ],
  {
    prepare: `
    mov ecx, 0x30; mov rdx, stubs + 0x30*16; mov eax, 0xee00; call set_gate
    mov byte ptr [idt + 8*16 + 4], 2
    mov byte ptr [idt + 12*16 + 4], 1`,
    data: "saved: .quad 0",
  },
);
