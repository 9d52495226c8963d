/**
 * The frame of 64-bit guest programs: 32-bit entry, identity mapping of the first GiB with user-accessible 2 MiB pages,
 * descriptor tables with one descriptor of each kind, a task-state segment, and handlers that print what they were given
 * and go on with the next check.
 *
 * A line names the exception as v (vector), e (error code), ip (offset of the saved RIP from the check's code; rip itself
 * when it lies elsewhere), cs, ss
 * and fl (saved selectors and flags, arithmetic flags left out), cr2, dr6, stk (stack of the handler: 1 and 2 IST, 3
 * RSP0), nss and nfl (SS and flags of the handler). What has its usual value is left out: e, stk 0; cs 8; ss, nss 10;
 * fl, nfl 2.
 */

import { PRINTING } from "./printing.js";
import { type Check, descriptor, type GuestProgram } from "./program.js";

/** Selectors of the frame's descriptors. */
export const SEL = {
  code: 0x08,
  data: 0x10,
  code32: 0x18,
  userCode32: 0x23,
  userData: 0x2b,
  userCode: 0x33,
  tss: 0x38,
  dataAbsent: 0x48,
  codeAbsent: 0x50,
  dataReadOnly: 0x58,
  conforming: 0x60,
  longAndDefault: 0x68,
  dataUntouched: 0x70,
  userDataUntouched: 0x78,
  callGate: 0x90,
} as const;

const GDT = [
  "0",
  descriptor(0, 0xfffff, 0x9b, 0xa),
  descriptor(0, 0xfffff, 0x93, 0xc),
  descriptor(0, 0xfffff, 0x9b, 0xc),
  descriptor(0, 0xfffff, 0xfb, 0xc),
  descriptor(0, 0xfffff, 0xf3, 0xc),
  descriptor(0, 0xfffff, 0xfb, 0xa),
  // The TSS and the call gate take two entries each and are completed at run time.
  "0, 0",
  descriptor(0, 0xfffff, 0x13, 0xc),
  descriptor(0, 0xfffff, 0x1b, 0xa),
  descriptor(0, 0xfffff, 0x91, 0xc),
  descriptor(0, 0xfffff, 0x9f, 0xc),
  descriptor(0, 0xfffff, 0x9b, 0xe),
  descriptor(0, 0xfffff, 0x92, 0xc),
  descriptor(0, 0xfffff, 0xf2, 0xc),
  "0, 0, 0, 0",
].join(", ");

const ENTRY = `
.macro show name
    call show_rax
    .asciz \\name
.endm
.code32
start:
    mov esp, stack_top
    mov edi, page_map
    mov cr3, edi
    mov dword ptr [page_map], page_pointers + 7
    mov dword ptr [page_pointers], page_directory + 7
    mov edi, page_directory
    mov eax, 0x87
    mov ecx, 64
1:  mov [edi], eax; add edi, 8; add eax, 0x200000; loop 1b
    mov eax, 0x620; mov cr4, eax
    mov ecx, 0xc0000080; rdmsr; or eax, 0x901; wrmsr
    mov eax, 0x80010011; mov cr0, eax
    lgdt [gdt_pointer]
    jmp ${SEL.code}:start64
.code64
start64:
    mov eax, ${SEL.data}; mov ds, eax; mov es, eax; mov ss, eax
    xor eax, eax; mov fs, eax; mov gs, eax
    mov rsp, stack_top
    lidt [idt_pointer]
    call make_tables
    call prepare
    jmp checks

# TSS and call-gate descriptors, and 64 interrupt gates.
make_tables:
    mov rax, tss
    mov [gdt + ${SEL.tss} + 2], ax
    mov word ptr [gdt + ${SEL.tss}], 0x67
    shr rax, 16
    mov [gdt + ${SEL.tss} + 4], al
    mov [gdt + ${SEL.tss} + 7], ah
    mov byte ptr [gdt + ${SEL.tss} + 5], 0x89
    mov rax, gate_entry
    mov [gdt + ${SEL.callGate}], ax
    mov dword ptr [gdt + ${SEL.callGate} + 2], ${SEL.code} | 0xec000000
    shr rax, 16
    mov [gdt + ${SEL.callGate} + 6], ax
    xor ecx, ecx
1:  mov edi, ecx; shl edi, 4
    lea rdx, [rdi + stubs]
    mov eax, 0x8e00
    call set_gate
    inc ecx
    cmp ecx, 64
    jb 1b
    mov qword ptr [tss + 4], rsp0_top
    mov qword ptr [tss + 36], ist1_top
    mov qword ptr [tss + 44], ist2_top
    mov dword ptr [tss + 100], 0x68 << 16
    mov eax, ${SEL.tss}
    ltr ax
    ret

# Where the call gate leads.
gate_entry:
    mov rax, [recover_sp]
    sub rax, rsp
    show "pushed"
    mov eax, ss
    show "ss"
    mov rsp, [recover_sp]
    jmp qword ptr [recover]

# Gate ecx leads to rdx at code selector 8; eax is its attributes (IST in the low byte).
set_gate:
    mov edi, ecx; shl edi, 4
    mov [idt + rdi], dx
    mov word ptr [idt + rdi + 2], ${SEL.code}
    mov [idt + rdi + 4], ax
    shr rdx, 16
    mov [idt + rdi + 6], dx
    shr rdx, 16
    mov [idt + rdi + 8], edx
    ret

.macro stub vector
    .align 16
    push \\vector
    jmp trap
.endm
.align 16
stubs:
${Array.from({ length: 64 }, (_, n) => `    stub ${n}`).join("\n")}

trap:
    cld
    push rax; push rcx; push rdx; push rbx; push rbp; push rsi; push rdi
    mov rbp, rsp                # saved: rdi rsi rbp rbx rdx rcx rax, vector, [error,] rip cs fl sp ss
    lea rbx, [rsp + 64]
    mov rax, [rsp + 56]
    show "v"
    mov ecx, 0x27d00            # #DF #TS #NP #SS #GP #PF #AC
    cmp eax, 31
    ja 1f
    bt ecx, eax
    jnc 1f
    mov rax, [rbx]
    add rbx, 8
    test rax, rax
    jz 1f
    show "e"
1:  mov rax, [rbx]
    sub rax, [check_start]
    cmp rax, 0x10000
    jb 2f
    add rax, [check_start]
    show "rip"
    jmp 3f
2:  show "ip"
3:  mov rax, [rbx + 8]
    cmp eax, ${SEL.code}
    je 1f
    show "cs"
1:  mov rax, [rbx + 16]
    and rax, ~0x8d5
    cmp rax, 2
    je 1f
    show "fl"
1:  mov rax, [rbx + 32]
    cmp eax, ${SEL.data}
    je 1f
    show "ss"
1:  cmp dword ptr [rbp + 56], 14
    jne 1f
    mov rax, cr2
    show "cr2"
1:  cmp dword ptr [rbp + 56], 1
    jne 1f
    mov rax, dr6
    show "dr6"
    mov eax, 0xffff0ff0
    mov dr6, rax
1:  mov eax, 1
    lea rcx, [rbp - (ist1_top - 2048)]
    cmp rcx, 2048
    jb 2f
    inc eax
    lea rcx, [rbp - (ist2_top - 2048)]
    cmp rcx, 2048
    jb 2f
    inc eax
    lea rcx, [rbp - (rsp0_top - 2048)]
    cmp rcx, 2048
    jae 1f
2:  show "stk"
1:  xor eax, eax
    mov ax, ss
    cmp eax, ${SEL.data}
    je 1f
    show "nss"
1:  pushfq
    pop rax
    and rax, ~0x8d5
    cmp rax, 2
    je 1f
    show "nfl"
1:  cmp byte ptr [resuming], 0
    jne resume
    mov eax, ${SEL.data}
    mov ss, eax
    mov rsp, [recover_sp]
    jmp qword ptr [recover]
resume:
    pop rdi; pop rsi; pop rbp; pop rbx; pop rdx; pop rcx; pop rax
    add rsp, 8
    iretq

# Between checks: the state that they start from.
settle:
    mov eax, ${SEL.data}; mov ds, eax; mov es, eax; mov ss, eax
    xor eax, eax; mov fs, eax; mov gs, eax
    mov byte ptr [resuming], 0
    mov al, 10
    out 0xe9, al
    push 2
    popfq
    ret
`;

const DATA = `
.align 16
gdt: .quad ${GDT}
gdt_end:
gdt_pointer: .word gdt_end - gdt - 1
    .quad gdt
idt_pointer: .word 64 * 16 - 1
    .quad idt
far_pointer: .long 0, 0, 0, 0
check_start: .quad 0
recover: .quad 0
recover_sp: .quad 0
resuming: .byte 0
.bss
.align 4096
page_map: .skip 4096
page_pointers: .skip 4096
page_directory: .skip 4096
idt: .skip 4096
tss: .skip 128
.align 16
    .skip 4096
ist1_top: .skip 4096
ist2_top: .skip 4096
rsp0_top: .skip 4096
user_stack: .skip 64
    .skip 16384
stack_top:
`;

/** Enters CPL 3 in 64-bit mode with \`flags\` on the user stack. */
export const user = (flags = 0x3202): string => `
    push ${SEL.userData}; push user_stack; push ${flags}; push ${SEL.userCode}; push 9f; iretq
9:  `;

/** Saves typing: the frame's mnemonics for loading a segment register. */
export const loadSegment = (register: string, selector: number): string => `mov eax, ${selector}; mov ${register}, eax`;

function body(checks: readonly Check[]): string {
  const text = checks.map(
    ({ code }, n) => `
    mov rsi, name_${n}; call put_name
    mov qword ptr [recover], after_${n}
    mov [recover_sp], rsp
    mov qword ptr [check_start], code_${n}
code_${n}:
${code}
.code64
    call put_ran
after_${n}:
    mov rsp, [recover_sp]
    call settle`,
  );
  const names = checks.map(({ name }, n) => `name_${n}: .asciz "${name}:"`);
  return `checks:\n${text.join("\n")}\n    xor eax, eax\n    mov edx, 0xf4\n    out dx, al\n1:  hlt; jmp 1b\n${names.join("\n")}\n`;
}

export interface LongParts {
  /** Called once before the checks, in long mode; ends without a RET. */
  readonly prepare?: string;
  /** More code and initialised data. */
  readonly data?: string;
  /** More zeroed memory. */
  readonly bss?: string;
  readonly vcpus?: number;
}

/** A 64-bit program of these checks. */
export function longProgram(name: string, checks: readonly Check[], parts: LongParts = {}): GuestProgram {
  const prepare = `prepare:\n${parts.prepare ?? ""}\n    ret\n`;
  const source = [ENTRY, PRINTING, prepare, body(checks), parts.data ?? "", DATA, parts.bss ?? ""].join("\n");
  return { name, source, checks, ...(parts.vcpus === undefined ? {} : { vcpus: parts.vcpus }) };
}
