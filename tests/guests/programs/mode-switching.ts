/**
 * From real mode through every mode and back: real-mode interrupts and far transfers, 32-bit mode, long mode,
 * compatibility mode, and out of long mode again.
 * Proves [SDM] vol. 3, 10.9 (mode switching), 10.8.5 (long mode), 20.1 (real-address mode); vol. 2, INT, IRET, SMSW.
 */
import { check, descriptor, type GuestProgram } from "../support/program.js";

const LOW = 0x8000;
/** Address in the copied low part of a label of the source. */
const low = (label: string) => `(${label} - low16 + ${LOW})`;
const vector = (n: number, label: string) => `mov word ptr [${n} * 4], ${low(label)}; mov word ptr [${n} * 4 + 2], 0`;

const begin = (n: number) => `mov si, ${low(`name_${n}`)}; call print16\n`;

const checks = [
  check("real-mode INT pushes flags, clears IF", "", "flags=0247 in=0047 ran"),
  check("undefined opcode in real mode", "", "fault=06 ran"),
  check("division error in real mode", "", "fault=00 ran"),
  check("far call in real mode", "", "cs=0800 back=0000 ran"),
  check("IRET in real mode loads flags", "", "flags=7246 ran"),
  check("segment loads take any value", "", "fs=1234 ran"),
  check("a word beyond the limit of 64 KiB", "", "fault=0d ran"),
  check("SMSW", "", "msw=0010 ran"),
  check("32-bit protected mode", "", "ran"),
  check("long mode is active with paging", "", "efer=5 ran"),
  check("64-bit mode has 64-bit registers", "", "high=1 ran"),
  check("compatibility mode", "", "ran"),
  check("out of long mode", "", "efer=1 ran"),
];

const DIGITS = `
    and al, 15
    add al, '0'
    cmp al, '9'
    jbe 1f
    add al, 39
1:  out 0xe9, al`;

/** Writes one character and ends the line in 32- or 64-bit code. */
const line = (n: number) => `mov esi, ${low(`name_${n}`)}; call print32\n`;
const value = (name: string) => `${[...` ${name}=`].map((c) => `mov al, '${c}'; out 0xe9, al`).join("; ")}\n`;
const ran = `${[..." ran"].map((c) => `mov al, '${c}'; out 0xe9, al`).join("; ")}; mov al, 10; out 0xe9, al\n`;

const SOURCE = `
.code32
start:
    mov esp, 0x7000
    mov esi, low16; mov edi, ${LOW}; mov ecx, low16_end - low16; cld; rep movsb
    lgdt [gdt_pointer]
    jmp 0x18:${LOW}
.align 8
gdt: .quad 0, ${descriptor(0, 0xfffff, 0x9b, 12)}, ${descriptor(0, 0xfffff, 0x93, 12)}, ${descriptor(0, 0xffff, 0x9b)}, ${descriptor(0, 0xffff, 0x93)}, ${descriptor(0, 0xfffff, 0x9b, 10)}
gdt_pointer: .word 47
    .long gdt

low16:
.code16
    mov ax, 0x20; mov ds, ax; mov es, ax; mov ss, ax
    mov eax, cr0; and eax, ~1; mov cr0, eax
    jmp 0:${low("real")}
real:
    xor ax, ax; mov ds, ax; mov ss, ax; mov es, ax; mov sp, 0x7000
    lidt [${low("idt_real")}]
    ${vector(0x30, "interrupt")}
    ${vector(6, "fault6")}
    ${vector(13, "fault13")}
    ${vector(0, "fault0")}
    ${begin(0)}
    xor ax, ax; sti; stc
    int 0x30
    cli
    ${ran}
    ${begin(1)}
    ud2
    ${ran}
    ${begin(2)}
    xor dx, dx; xor cx, cx
    div cx
    ${ran}
    ${begin(3)}
    call 0x800:(far_target - low16)
    ${value("back")}
    mov ax, cs; call print_word
    ${ran}
    ${begin(4)}
    push 0x7246; push 0; push ${low("returned")}
    iret
returned:
    pushf; pop bx; push 2; popf
    ${value("flags")}
    mov ax, bx; call print_word
    ${ran}
    ${begin(5)}
    mov ax, 0x1234; mov fs, ax
    ${value("fs")}
    mov ax, fs; call print_word
    ${ran}
    ${begin(6)}
    mov bx, 0xffff
    mov ax, [bx]
    ${ran}
    ${begin(7)}
    smsw bx
    ${value("msw")}
    mov ax, bx; call print_word
    ${ran}
    o32 lgdt [${low("gdt_low")}]
    mov eax, cr0; or eax, 1; mov cr0, eax
    o32 jmp 8:${low("protected")}

interrupt:
    pushf; pop di
    mov bp, sp
    mov bx, [bp + 4]
    ${value("flags")}
    mov ax, bx; call print_word
    ${value("in")}
    mov ax, di; call print_word
    iret
fault6:
    mov bl, 6; jmp fault
fault13:
    mov bl, 13; jmp fault
fault0:
    mov bl, 0
fault:
    ${value("fault")}
    mov al, bl; shr al, 4; call print_digit
    mov al, bl; call print_digit
    mov bp, sp
    add word ptr [bp], 2
    iret
far_target:
    ${value("cs")}
    mov ax, cs; call print_word2
    retf
print_word2:
print_word:
    mov dx, ax
    mov cx, 4
2:  rol dx, 4
    mov al, dl
    call print_digit
    loop 2b
    ret
print_digit:
${DIGITS}
    ret
print16:
    mov al, cs:[si]; inc si
    test al, al
    jz 1f
    out 0xe9, al
    jmp print16
1:  ret
idt_real: .word 0x3ff
    .long 0
gdt_low: .word 47
    .long gdt

.code32
protected:
    mov eax, 0x10; mov ds, eax; mov ss, eax; mov es, eax
    ${line(8)}
    ${ran}
    ${line(9)}
    mov edi, 0x20000; xor eax, eax; mov ecx, 0x3000 / 4; rep stosd
    mov dword ptr [0x20000], 0x21003; mov dword ptr [0x21000], 0x22003; mov dword ptr [0x22000], 0x83
    mov eax, 0x20000; mov cr3, eax
    mov eax, cr4; or eax, 0x20; mov cr4, eax
    mov ecx, 0xc0000080; rdmsr; or eax, 0x100; wrmsr
    mov eax, cr0; bts eax, 31; mov cr0, eax
    call print_efer
    ${ran}
    jmp 0x28:${low("long")}
print_efer:
    ${value("efer")}
    mov ecx, 0xc0000080; rdmsr; shr eax, 8
    add al, '0'; out 0xe9, al
    ret
print32:
    lodsb
    test al, al
    jz 1f
    out 0xe9, al
    jmp print32
1:  ret
.code64
long:
    mov esi, ${low("name_10")}
1:  lodsb
    test al, al
    jz 2f
    out 0xe9, al
    jmp 1b
2:  ${value("high")}
    mov rax, 0x123456789; shr rax, 32
    add al, '0'; out 0xe9, al
    ${ran}
    push 8; push ${low("compatible")}; o64 retf
.code32
compatible:
    ${line(11)}
    ${ran}
    ${line(12)}
    mov eax, cr0; btr eax, 31; mov cr0, eax
    mov ecx, 0xc0000080; rdmsr
    call print_efer
    ${ran}
    xor eax, eax
    mov edx, 0xf4
    out dx, al
1:  hlt
    jmp 1b
${checks.map(({ name }, n) => `name_${n}: .asciz "${name}:"`).join("\n")}
low16_end:
`;

export const modeSwitching: GuestProgram = { name: "switching modes", source: SOURCE, checks };
