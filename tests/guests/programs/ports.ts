/**
 * Port instructions of every size and their repeated forms, against the scratch register of the UART at 0x3ff and the
 * debug console at 0xe9, which reads as its own number.
 * Proves [SDM] vol. 2, IN, OUT, INS, OUTS; vol. 1, 19.3 (wider accesses reach the ports behind).
 * QEMU 7.2 saves RF clear when INS faults; [SDM] vol. 3, 18.3.1.1 has it set for faults.
 */
import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const scratch = "mov dx, 0x3ff";
/** Byte `n` of a register that was read from 0x3ff - n. */
const show = (register: string, shift: number): string => `mov eax, ${register}; shr eax, ${shift}; show "scratch"`;

export const ports = longProgram(
  "ports",
  [
    check(
      "OUT and IN of a byte",
      `${scratch}; mov al, 0x5a; out dx, al; xor eax, eax; in al, dx; show "scratch"`,
      "scratch=5a ran",
    ),
    check("IN keeps the rest of EAX", `${scratch}; mov eax, 0x12345678; in al, dx; show "eax"`, "eax=1234565a ran"),
    check(
      "a word reaches two ports",
      `mov dx, 0x3fe; mov eax, 0xa5ff; out dx, ax; xor ecx, ecx; in ax, dx; mov cx, ax; ${show("ecx", 8)}`,
      "scratch=a5 ran",
    ),
    check(
      "a doubleword reaches four",
      `mov dx, 0x3fc; mov eax, 0x3c000000; out dx, eax; xor eax, eax; in eax, dx; ${show("eax", 24)}`,
      "scratch=3c ran",
    ),
    check(
      "IN of 32 bits clears the upper half of RAX",
      'mov dx, 0x3fc; mov rax, -1; in eax, dx; shr rax, 32; show "high"',
      "high=0 ran",
    ),
    check(
      "OUT to a port in the instruction",
      "mov eax, 'x' << 8 | ' '; out 0xe9, al; mov al, ah; out 0xe9, al",
      "x ran",
    ),
    check(
      "IN from a port in the instruction",
      `xor eax, eax; in al, 0xe9; show "al"; in ax, 0x80; show "ax"; in eax, 0x80; show "eax"`,
      "al=e9 ax=ffff eax=ffffffff ran",
    ),
    check("OUT of more than a byte to a port in the instruction", "mov eax, 1; out 0x80, ax; out 0x80, eax"),
    check(
      "REP OUTSB",
      `mov esi, text; mov ecx, 6; mov dx, 0xe9; rep outsb; mov eax, ecx; show "left"; mov rax, rsi; sub rax, text; show "rsi"`,
      "hello left=0 rsi=6 ran",
    ),
    check(
      "REP OUTSB going down",
      `mov esi, backwards + 5; mov ecx, 6; mov dx, 0xe9; std; rep outsb; cld; mov rax, rsi; sub rax, backwards; show "rsi"`,
      "hello rsi=ffffffffffffffff ran",
    ),
    check(
      "OUTSW and OUTSD",
      `mov dx, 0x3fe; mov esi, words; outsw; mov dx, 0x3ff; xor eax, eax; in al, dx; show "scratch"; mov dx, 0x3fc; outsd; mov dx, 0x3ff; in al, dx; show "scratch"; mov rax, rsi; sub rax, words; show "rsi"`,
      "scratch=66 scratch=77 rsi=6 ran",
    ),
    check(
      "REP INSB",
      `${scratch}; mov al, 0x5a; out dx, al; mov qword ptr [buffer], 0; mov edi, buffer; mov ecx, 3; rep insb; mov rax, [buffer]; show "bytes"; mov eax, ecx; show "left"; mov rax, rdi; sub rax, buffer; show "rdi"`,
      "bytes=5a5a5a left=0 rdi=3 ran",
    ),
    check(
      "INSW and INSD",
      `mov dx, 0x3fe; mov edi, buffer; insw; movzx eax, byte ptr [buffer + 1]; show "scratch"; mov dx, 0x3fc; insd; movzx eax, byte ptr [buffer + 5]; show "scratch"; mov rax, rdi; sub rax, buffer; show "rdi"`,
      "scratch=5a scratch=5a rdi=6 ran",
    ),
    check("REP INSB of nothing", `${scratch}; mov edi, 0x40000000; xor ecx, ecx; rep insb`),
    check("a page fault of INSB", `${scratch}; mov edi, 0x40000000; insb`, "v=e e=2 ip=9 fl=10002 cr2=40000000"),
  ],
  {
    data: 'text: .ascii " hello"\nbackwards: .ascii "olleh "\n.align 8\nwords: .word 0x66ff\n    .long 0x77000000\nbuffer: .quad 0, 0',
  },
);
