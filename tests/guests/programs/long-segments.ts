/**
 * Segment loads, far transfers and descriptor instructions at CPL 0 of 64-bit mode.
 * Proves [SDM] vol. 3, 5.2 to 5.8 (type and privilege checks), 3.4 (descriptors in IA-32e mode); vol. 2, MOV, LSS, JMP,
 * CALL, RET, IRET, LAR, LSL, VERR, VERW, LLDT, LTR.
 */

import { loadSegment, longProgram, SEL } from "../support/long.js";
import { check } from "../support/program.js";

const farJump = (selector: number, to = "8f") =>
  `mov dword ptr [far_pointer], ${to}; mov word ptr [far_pointer + 4], ${selector}; jmp far fword ptr [far_pointer]`;
const farCall = (selector: number, to = "8f") => farJump(selector, to).replace("jmp", "call");
const iret = (ss: number | string, flags: number | string, cs: number, rip: string) =>
  `mov rcx, rsp; push ${ss}; push rcx; push ${flags}; push ${cs}; mov rax, ${rip}; push rax; iretq`;

/** LAR, LSL, VERR and VERW of one selector. */
const describe = (name: string, selector: number, expect: string) =>
  check(
    `rights of ${name}`,
    `mov ecx, ${selector}
    mov eax, 0x5a5a; lar eax, cx; setz dl; and eax, ~0xf0000; show "lar"; movzx eax, dl; show "z"
    mov eax, 0x5a5a; lsl eax, cx; setz dl; show "lsl"; movzx eax, dl; show "z"
    verr cx; setz al; movzx eax, al; show "r"
    verw cx; setz al; movzx eax, al; show "w"`,
    expect,
  );

export const longSegments = longProgram(
  "segments and far transfers in 64-bit mode",
  [
    check("DS absent", loadSegment("ds", SEL.dataAbsent), "v=b e=48 ip=5 fl=10002"),
    check("DS from code that cannot be read", loadSegment("ds", SEL.tss), "v=d e=38 ip=5 fl=10002"),
    check("DS from readable code", loadSegment("ds", SEL.code), "ran"),
    check("DS beyond the GDT", loadSegment("ds", 0x2000), "v=d e=2000 ip=5 fl=10002"),
    check("DS null", loadSegment("ds", 0), "ran"),
    check("SS null at CPL 0", loadSegment("ss", 0), "ran"),
    check("SS null with the wrong RPL", loadSegment("ss", 3), "v=d ip=5 fl=10002"),
    check("SS read-only", loadSegment("ss", SEL.dataReadOnly), "v=d e=58 ip=5 fl=10002"),
    check("SS absent", loadSegment("ss", SEL.dataAbsent), "v=c e=48 ip=5 fl=10002"),
    check("SS of CPL 3", loadSegment("ss", SEL.userData), "v=d e=28 ip=5 fl=10002"),
    check("ES from an LDT that is not there", loadSegment("es", 0x14), "v=d e=14 ip=5 fl=10002"),
    check("MOV to CS", "mov eax, 8; .byte 0x8e, 0xc8", "v=6 ip=5 fl=10002"),
    check(
      "a load sets the accessed bit",
      `${loadSegment("es", SEL.dataUntouched)}; movzx eax, byte ptr [gdt + ${SEL.dataUntouched} + 5]; show "rights"`,
      "rights=93 ran",
    ),
    check(
      "LFS",
      'mov word ptr [far_pointer + 4], 0x10; mov dword ptr [far_pointer], 0x1234; lfs eax, [far_pointer]; show "eax"; mov eax, fs; show "fs"',
      "eax=1234 fs=10 ran",
    ),
    check(
      "LSS with a bad selector changes nothing",
      "mov dword ptr [far_pointer], 0x1234; mov word ptr [far_pointer + 4], 0x58; lss esp, [far_pointer]",
      "v=d e=58 ip=15 fl=10002",
    ),
    check(
      "MOV from a segment register to memory is 16 bits",
      'mov dword ptr [far_pointer], -1; mov [far_pointer], ss; mov eax, [far_pointer]; show "eax"',
      "eax=ffff0010 ran",
    ),
    check(
      "JMP to compatibility mode",
      `${farJump(SEL.code32)}
8:  .code32
    int 0x30
    .code64`,
      "v=30 ip=1e cs=18",
    ),
    check("JMP to code with L and D", farJump(SEL.longAndDefault, "0"), "v=d e=68 ip=15 fl=10002"),
    check("JMP to absent code", farJump(SEL.codeAbsent, "0"), "v=b e=50 ip=15 fl=10002"),
    check("JMP to data", farJump(SEL.data, "0"), "v=d e=10 ip=15 fl=10002"),
    check("JMP to user code", farJump(SEL.userCode, "0"), "v=d e=30 ip=15 fl=10002"),
    check("JMP to null", farJump(0, "0"), "v=d ip=15 fl=10002"),
    check("JMP to the TSS", farJump(SEL.tss, "0"), "v=d e=38 ip=15 fl=10002"),
    check("CALL through a call gate", farCall(SEL.callGate, "0"), "pushed=10 ss=10"),
    check("JMP through a call gate", farJump(SEL.callGate, "0"), "pushed=0 ss=10"),
    check(
      "CALL to conforming code is compatibility mode",
      `${farCall(SEL.conforming)}\n8:  .code32\n    int 0x30\n    .code64`,
      "v=30 ip=1e cs=60",
    ),
    check(
      "CALL far pushes CS and RIP of the operand size",
      `mov rbx, rsp; ${farCall(SEL.code)}\n8:  sub rbx, rsp; mov eax, ebx; show "pushed"; mov eax, [rsp + 4]; show "cs"`,
      "pushed=8 cs=8 ran",
    ),
    check("RETF to the same level", `push 8; push 8f; o64 retf; ud2\n8:  nop`, "ran"),
    check(
      "RETF to compatibility mode",
      `push 0x18; push 8f; o64 retf\n8:  .code32\n    int 0x31\n    .code64`,
      "v=31 ip=b cs=18",
    ),
    check("RETF to null", "push 0; push 0; o64 retf", "v=d ip=4 fl=10002"),
    check(
      "RETF n",
      `mov rbx, rsp; push 5; push 6; push 8; push 8f; o64 retf 16\n8:  sub rbx, rsp; mov eax, ebx; show "left"`,
      "left=0 ran",
    ),
    check("IRETQ to the same level", `${iret("0x10", "0x2", 8, "8f")}\n8:  nop`, "ran"),
    check("IRETQ to CPL 0 with SS null", `${iret("0", "0x2", 8, "8f")}\n8:  mov eax, ss; show "ss"`, "ss=0 ran"),
    check("IRETQ with SS of another level", `${iret("0x2b", "0x2", 8, "8f")}\n8:  nop`, "v=d e=28 ip=12 fl=10002"),
    check("IRETQ to a non-canonical address", iret("0x10", "0x2", 8, "0x800000000000"), "v=d ip=15 fl=10002"),
    check(
      "IRETQ with NT",
      `pushfq; or dword ptr [rsp], 0x4000; popfq; ${iret("0x10", "0x2", 8, "8f")}\n8:  nop`,
      "v=d ip=1b fl=14002",
    ),
    check(
      "IRETQ loads the flags it may",
      `${iret("0x10", "0x247cd7", 8, "8f")}\n8:  pushfq; pop rax; show "flags"`,
      "flags=247cd7 ran",
    ),
    check("LTR of a busy TSS", "mov eax, 0x38; ltr ax", "v=d e=38 ip=5 fl=10002"),
    check("LTR of null", "xor eax, eax; ltr ax", "v=d ip=2 fl=10002"),
    check("LTR of data", "mov eax, 0x10; ltr ax", "v=d e=10 ip=5 fl=10002"),
    check("LLDT of data", "mov eax, 0x10; lldt ax", "v=d e=10 ip=5 fl=10002"),
    check("LLDT of null", 'xor eax, eax; lldt ax; sldt eax; show "ldt"', "ldt=0 ran"),
    check("STR", 'str eax; show "tr"', "tr=38 ran"),
    check("PUSH FS is eight bytes", 'mov rbx, rsp; push fs; sub rbx, rsp; mov eax, ebx; show "pushed"', "pushed=8 ran"),
    check(
      "CS, DS, ES and SS bases are ignored",
      'mov eax, [far_pointer]; mov ecx, cs:[far_pointer]; cmp eax, ecx; setz al; movzx eax, al; show "same"',
      "same=1 ran",
    ),
    check(
      "FS base",
      'mov ecx, 0xc0000100; mov eax, 0x100; xor edx, edx; wrmsr; mov qword ptr [far_pointer], 0x77; mov rax, fs:[far_pointer - 0x100]; show "rax"',
      "rax=77 ran",
    ),
    check(
      "a load of FS clears its base",
      'mov ecx, 0xc0000100; mov eax, 0x100; xor edx, edx; wrmsr; mov eax, 0x10; mov fs, eax; rdmsr; show "base"',
      "base=0 ran",
    ),
    check(
      "SWAPGS",
      'mov ecx, 0xc0000101; mov eax, 1; xor edx, edx; wrmsr; inc ecx; mov eax, 2; wrmsr; swapgs; rdmsr; show "kernel"; dec ecx; rdmsr; show "gs"',
      "kernel=1 gs=2 ran",
    ),
    check(
      "SWAPGS in a loop",
      'mov qword ptr [rsp - 64], 1; mov qword ptr [rsp - 128], 16; lea rax, [rsp - 64]; xor edx, edx; mov ecx, 0xc0000101; wrmsr; inc ecx; sub eax, 64; wrmsr; xor eax, eax; mov esi, 2000000\n7:  add rax, gs:[0]; swapgs; add rax, gs:[0]; swapgs; dec esi; jnz 7b; show "rax"',
      "rax=206cc80 ran",
    ),
    describe("null", 0, "lar=5a5a z=0 lsl=5a5a z=0 r=0 w=0 ran"),
    describe("64-bit code", SEL.code, "lar=a09b00 z=1 lsl=ffffffff z=1 r=1 w=0 ran"),
    describe("data", SEL.data, "lar=c09300 z=1 lsl=ffffffff z=1 r=1 w=1 ran"),
    describe("user code", SEL.userCode, "lar=a0fb00 z=1 lsl=ffffffff z=1 r=1 w=0 ran"),
    describe("user data with RPL 3", SEL.userData, "lar=c0f300 z=1 lsl=ffffffff z=1 r=1 w=1 ran"),
    describe("the TSS", SEL.tss, "lar=8b00 z=1 lsl=67 z=1 r=0 w=0 ran"),
    describe("the upper half of the TSS", SEL.tss + 8, "lar=5a5a z=0 lsl=5a5a z=0 r=0 w=0 ran"),
    describe("absent data", SEL.dataAbsent, "lar=c01300 z=1 lsl=ffffffff z=1 r=1 w=1 ran"),
    describe("absent code", SEL.codeAbsent, "lar=a01b00 z=1 lsl=ffffffff z=1 r=1 w=0 ran"),
    describe("read-only data", SEL.dataReadOnly, "lar=c09100 z=1 lsl=ffffffff z=1 r=1 w=0 ran"),
    describe("conforming code", SEL.conforming, "lar=c09f00 z=1 lsl=ffffffff z=1 r=1 w=0 ran"),
    describe("the call gate", SEL.callGate, "lar=10ec00 z=1 lsl=5a5a z=0 r=0 w=0 ran"),
    describe("a selector beyond the GDT", 0x1000, "lar=5a5a z=0 lsl=5a5a z=0 r=0 w=0 ran"),
  ],
  {
    prepare: `
    mov ecx, 0x30; mov rdx, stubs + 0x30*16; mov eax, 0xee00; call set_gate
    mov ecx, 0x31; mov rdx, stubs + 0x31*16; mov eax, 0xee00; call set_gate`,
  },
);
