/**
 * Code that is written while it runs.
 * Proves [SDM] vol. 3, 8.1.3 (self-modifying code), 11.6; instructions that cross pages, through two mappings.
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const B_MOV_EAX = 0xb8;
const B_RET = 0xc3;
const ALIAS = 0x40000000;

export const codeModification = longProgram(
  "self-modifying code",
  [
    check(
      "code written, run, written again",
      `mov byte ptr [area], ${B_MOV_EAX}; mov dword ptr [area + 1], 1; mov byte ptr [area + 5], ${B_RET}; call area; show "first"; mov dword ptr [area + 1], 2; call area; show "second"`,
      "first=1 second=2 ran",
    ),
    check(
      "a write just ahead in the same block",
      `mov eax, 1; mov dword ptr [8f + 1], 7; jmp 8f\n8:  mov eax, 5; show "eax"`,
      "eax=7 ran",
    ),
    check("a write to the next instruction", `mov dword ptr [8f + 1], 9\n8:  mov eax, 5; show "eax"`, "eax=9 ran"),
    check(
      "a write behind, in a loop",
      `mov ecx, 3; xor edx, edx\n8:  mov eax, 1; add edx, eax; mov dword ptr [8b + 1], 10; dec ecx; jnz 8b; mov eax, edx; show "sum"`,
      "sum=15 ran",
    ),
    check(
      "one that replaces the rest of the block by a jump",
      `mov byte ptr [8f], 0xeb; mov byte ptr [8f + 1], 2\n8:  .byte 0x90, 0x90, 0x0f, 0x0b; mov eax, 3; show "eax"`,
      "eax=3 ran",
    ),
    check(
      "REP MOVSB onto code behind it",
      `mov esi, patch; mov edi, 8f; mov ecx, 5; rep movsb\n8:  mov eax, 5; show "eax"`,
      "eax=44 ran",
    ),
    check(
      "an instruction across two pages",
      `mov byte ptr [area + 4094], ${B_MOV_EAX}; mov dword ptr [area + 4095], 0x12345678; mov byte ptr [area + 4099], ${B_RET}; mov eax, area + 4094; call rax; show "eax"`,
      "eax=12345678 ran",
    ),
    check(
      "a write to its second page",
      `mov byte ptr [area + 4096], 0xff; mov eax, area + 4094; call rax; show "eax"`,
      "eax=1234ff78 ran",
    ),
    check(
      "a write to its first page",
      `mov byte ptr [area + 4094], 0xbb; mov eax, area + 4094; xor ebx, ebx; call rax; mov eax, ebx; show "ebx"`,
      "ebx=1234ff78 ran",
    ),
    check(
      "a write through another mapping",
      `mov byte ptr [area], ${B_MOV_EAX}; mov dword ptr [area + 1], 1; mov byte ptr [area + 5], ${B_RET}; call area; mov dword ptr [${ALIAS} + area + 1], 3; call area; show "eax"`,
      "eax=3 ran",
    ),
    check(
      "code run through another mapping",
      `mov dword ptr [area + 1], 4; mov eax, ${ALIAS} + area; call rax; show "eax"; mov dword ptr [area + 1], 5; mov eax, ${ALIAS} + area; call rax; show "eax"`,
      "eax=4 eax=5 ran",
    ),
    check(
      "code on a page that is mapped elsewhere",
      `mov byte ptr [area + 8192], ${B_MOV_EAX}; mov dword ptr [area + 8193], 6; mov byte ptr [area + 8197], ${B_RET}
    mov rax, area + 7; mov [other_table], rax; mov eax, 0x80000000; invlpg [rax]; call rax; show "one"
    mov rax, area + 8192 + 7; mov [other_table], rax; mov eax, 0x80000000; invlpg [rax]; call rax; show "other"`,
      "one=5 other=6 ran",
    ),
    check(
      "a locked write to code",
      `mov byte ptr [area], ${B_MOV_EAX}; mov dword ptr [area + 1], 1; call area; lock add dword ptr [area + 1], 0x10; call area; show "eax"`,
      "eax=11 ran",
    ),
    check(
      "a write by PUSH",
      `mov byte ptr [area], ${B_MOV_EAX}; mov dword ptr [area + 1], 1; call area; mov rbx, rsp; mov esp, area + 9; mov rax, 0xc300000021; push rax; mov rsp, rbx; call area; show "eax"`,
      "eax=21 ran",
    ),
    check(
      "a write by MOVUPS",
      `call area; movups xmm0, [patch16]; movups [area], xmm0; call area; show "eax"`,
      "eax=77 ran",
    ),
    check(
      "a write by FSTP",
      `mov dword ptr [area + 1], 1; call area; fninit; fld qword ptr [patch16]; fstp qword ptr [area]; call area; show "eax"`,
      "eax=77 ran",
    ),
  ],
  {
    prepare: `
    mov rax, [page_pointers]
    mov [page_pointers + 8], rax
    mov qword ptr [page_pointers + 16], other_directory + 7
    mov qword ptr [other_directory], other_table + 7`,
    data: `patch: .byte ${B_MOV_EAX}, 0x44, 0, 0, 0
patch16: .byte ${B_MOV_EAX}, 0x77, 0, 0, 0, ${B_RET}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0`,
    bss: ".align 4096\nother_directory: .skip 4096\nother_table: .skip 4096\narea: .skip 3 * 4096",
  },
);
