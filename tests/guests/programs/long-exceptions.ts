/**
 * Exceptions and software interrupts in 64-bit mode: vectors, error codes, saved RIP, gates of every kind.
 * Proves [SDM] vol. 3, 6.12 to 6.15 (handlers, error codes, IDT in 64-bit mode, IST) and 4.7 (page-fault error codes).
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

export const longExceptions = longProgram(
  "exceptions and gates in 64-bit mode",
  [
    check("UD2", "ud2", "v=6 ip=0 fl=10002"),
    check("INT3 through a trap gate", "int3", "v=3 ip=1"),
    check("INT n", "int 0x30", "v=30 ip=2"),
    check("INT n on an IST stack, aligned to 16", "int 0x31", "v=31 ip=2 stk=1"),
    check("INT n to compatibility code", "int 0x32", "v=d e=18 ip=0 fl=10002"),
    check("INT n to absent code", "int 0x33", "v=b e=50 ip=0 fl=10002"),
    check("INT n through an absent gate", "int 0x34", "v=b e=1a2 ip=0 fl=10002"),
    check("INT n through a task gate", "int 0x35", "v=d e=1aa ip=0 fl=10002"),
    check("INT n to less privileged code", "int 0x36", "v=d e=30 ip=0 fl=10002"),
    check("INT n to a non-canonical address", "int 0x37", "v=d ip=0 fl=10002"),
    check("INT n beyond the IDT", "int 0x50", "v=d e=282 ip=0 fl=10002"),
    check("division by zero", "xor ecx, ecx; xor edx, edx; div ecx", "v=0 ip=4 fl=10002"),
    check("page fault on a read", "mov eax, [0x40000000]", "v=e ip=0 fl=10002 cr2=40000000"),
    check("page fault on a write", "mov dword ptr [0x40000010], 1", "v=e e=2 ip=0 fl=10002 cr2=40000010"),
    check("page fault on a fetch", "mov eax, 0x40000000; jmp rax", "v=e e=10 rip=40000000 fl=10002 cr2=40000000"),
    check("non-canonical data", "mov rax, 0x8000000000000000; mov eax, [rax]", "v=d ip=a fl=10002"),
    check("non-canonical stack", "mov rbp, 0x8000000000000000; mov eax, [rbp]", "v=c ip=a fl=10002"),
    check("non-canonical jump", "mov rax, 0x800000000000; jmp rax", "v=d ip=a fl=10002"),
    check(
      "a page fault does not change the destination",
      "mov eax, 5; mov edx, 6; add eax, [0x40000000 + rdx]",
      "v=e ip=a fl=10002 cr2=40000006",
    ),
    check("INT n with the stack on a missing page", "mov esp, 0x40001000; int 0x30", "v=8 ip=5 stk=2"),
    check("LOCK on a register", ".byte 0xf0, 0x01, 0xc0", "v=6 ip=0 fl=10002"),
    check(
      "an instruction of sixteen bytes",
      ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90",
      "v=d ip=0 fl=10002",
    ),
    check(
      "an instruction of fifteen bytes",
      ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90",
      "ran",
    ),
    check("PUSH ES does not exist", ".byte 6", "v=6 ip=0 fl=10002"),
    check("MOVAPS to an unaligned address", "movaps [stack_top - 72], xmm0", "v=d ip=0 fl=10002"),
    check(
      "alignment check only at CPL 3",
      "mov rax, cr0; bts rax, 18; mov cr0, rax; pushfq; or dword ptr [rsp], 0x40000; popfq; mov eax, [stack_top - 71]; ud2",
      "v=6 ip=1b fl=50002 nfl=40002",
    ),
    check("INT1", ".byte 0xf1; nop", "v=1 ip=1 dr6=ffff0ff0"),
  ],
  {
    prepare: `
    mov ecx, 3; mov rdx, stubs + 3*16; mov eax, 0xef00; call set_gate
    mov ecx, 0x30; mov rdx, stubs + 0x30*16; mov eax, 0xee00; call set_gate
    mov ecx, 0x31; mov rdx, stubs + 0x31*16; mov eax, 0xef01; call set_gate
    mov ecx, 0x32; mov rdx, stubs + 0x32*16; mov eax, 0xee00; call set_gate
    mov word ptr [idt + 0x32*16 + 2], 0x18
    mov ecx, 0x33; mov rdx, stubs + 0x33*16; mov eax, 0xee00; call set_gate
    mov word ptr [idt + 0x33*16 + 2], 0x50
    mov byte ptr [idt + 0x34*16 + 5], 0x0e
    mov byte ptr [idt + 0x35*16 + 5], 0xe5
    mov byte ptr [idt + 0x36*16 + 5], 0xee
    mov word ptr [idt + 0x36*16 + 2], 0x30
    mov ecx, 0x37; mov rdx, 0x800000000000; mov eax, 0xee00; call set_gate
    mov byte ptr [idt + 8*16 + 4], 2
    # An IST pointer that is not aligned.
    inc qword ptr [tss + 36]`,
  },
);
