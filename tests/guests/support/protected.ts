/**
 * The frame of 32-bit guest programs: protected mode without paging, descriptors of every kind, two tasks, an I/O bit map,
 * and handlers that print what they were given and go on with the next check.
 *
 * A line names the exception as v (vector), e (error code), ip (offset of EIP from the check's code; EIP itself in
 * virtual-8086 mode; eip itself when it lies elsewhere; not in the second task), cs, fl (without arithmetic flags), ss and sp of an outer level (sp from the user stack's start;
 * itself in virtual-8086 mode), cr2, dr6, stk (stack of the handler: 1 ESP0, 2 ESP1, 3 the second task's) and tr. Left out: e, stk
 * 0; cs 8; fl 2; tr 38.
 */
import { type Check, descriptor, type GuestProgram } from "./program.js";

export const SEL32 = {
  code: 0x08,
  data: 0x10,
  ring1Code: 0x19,
  userCode: 0x23,
  userData: 0x2b,
  ring1Data: 0x31,
  tss: 0x38,
  secondTask: 0x40,
  shortTask: 0x48,
  gate: 0x50,
  gateToRing1: 0x58,
  taskGate: 0x60,
  conforming: 0x68,
  dataAbsent: 0x70,
  smallData: 0x78,
  expandDown: 0x80,
  ldt: 0x88,
  shortTss: 0x90,
  code64K: 0x98,
} as const;

const FLAT = 0xfffff;
const GDT = [
  "0",
  descriptor(0, FLAT, 0x9b, 12),
  descriptor(0, FLAT, 0x93, 12),
  descriptor(0, FLAT, 0xbb, 12),
  descriptor(0, FLAT, 0xfb, 12),
  descriptor(0, FLAT, 0xf3, 12),
  descriptor(0, FLAT, 0xb3, 12),
  // The two TSSs, a 16-bit TSS and three gates, completed at run time.
  descriptor(0, 104 + 127, 0x89),
  descriptor(0, 103, 0x89),
  descriptor(0, 43, 0x81),
  "0, 0, 0",
  descriptor(0, FLAT, 0x9f, 12),
  descriptor(0, FLAT, 0x13, 12),
  descriptor(0x1000, 0x10, 0xf3, 4),
  descriptor(0, 0xfff, 0x97, 12),
  descriptor(0, FLAT, 0x82),
  descriptor(0, 0x20, 0x89),
  descriptor(0, 0xffff, 0x9b),
].join(", ");

const SHOW = `
.macro show name
    call show_eax
    .asciz \\name
.endm
.code32
show_eax:
    pushfd
    push eax; push ecx; push edx; push esi; push ds
    mov eax, cs
    test al, 3
    jnz 1f
    mov eax, ${SEL32.data}; mov ds, eax
1:  mov esi, [esp + 24]
    mov al, ' '
    out 0xe9, al
1:  mov al, [esi]
    inc esi
    test al, al
    jz 2f
    out 0xe9, al
    jmp 1b
2:  mov [esp + 24], esi
    mov al, '='
    out 0xe9, al
    mov edx, [esp + 16]
    mov ecx, 32
3:  sub ecx, 4
    jz 4f
    mov eax, edx
    shr eax, cl
    jz 3b
4:  mov eax, edx
    shr eax, cl
    and eax, 15
    add al, '0'
    cmp al, '9'
    jbe 5f
    add al, 'a' - '0' - 10
5:  out 0xe9, al
    sub ecx, 4
    jns 4b
    pop ds; pop esi; pop edx; pop ecx; pop eax
    popfd
    ret
put_text:
    lodsb
    test al, al
    jz 1f
    out 0xe9, al
    jmp put_text
1:  ret
`;

const ENTRY = `
start:
    mov esp, stack_top
    lgdt [gdt_pointer]
    jmp ${SEL32.code}:1f
1:  mov eax, ${SEL32.data}; mov ds, eax; mov es, eax; mov ss, eax; mov fs, eax; mov gs, eax
    lidt [idt_pointer]
    mov eax, tss; mov ebx, ${SEL32.tss}; call set_base
    mov eax, tss2; mov ebx, ${SEL32.secondTask}; call set_base
    mov eax, tss; mov ebx, ${SEL32.shortTss}; call set_base
    mov eax, ${SEL32.code}; mov ebx, ${SEL32.gate}; call set_call_gate
    mov eax, ${SEL32.ring1Code & ~3}; mov ebx, ${SEL32.gateToRing1}; call set_call_gate
    mov dword ptr [gdt + ${SEL32.taskGate}], ${SEL32.secondTask} << 16
    mov dword ptr [gdt + ${SEL32.taskGate} + 4], 0xe500
    xor ecx, ecx
1:  mov edx, ecx; shl edx, 4; add edx, stubs
    mov eax, ${SEL32.code} << 16 | 0x8e
    call set_gate
    inc ecx
    cmp ecx, 64
    jb 1b
    mov dword ptr [tss + 4], stack0_top; mov dword ptr [tss + 8], ${SEL32.data}
    mov dword ptr [tss + 12], stack1_top; mov dword ptr [tss + 16], ${SEL32.ring1Data}
    mov dword ptr [tss + 100], 104 << 16
    mov edi, tss + 104; mov al, 0xff; mov ecx, 128; rep stosb
    mov byte ptr [tss + 104 + 0xe9 / 8], 0
    mov byte ptr [tss + 104 + 0x80 / 8], 0xfe
    mov edi, tss2
    mov dword ptr [edi + 32], task_entry; mov dword ptr [edi + 36], 2
    mov dword ptr [edi + 56], task_stack_top
    mov dword ptr [edi + 76], ${SEL32.code}
    mov dword ptr [edi + 72], ${SEL32.data}; mov dword ptr [edi + 80], ${SEL32.data}; mov dword ptr [edi + 84], ${SEL32.data}
    mov dword ptr [edi + 4], stack0_top; mov dword ptr [edi + 8], ${SEL32.data}
    mov eax, ${SEL32.tss}
    ltr ax
    call prepare
    jmp checks

# Descriptor ebx gets base eax.
set_base:
    mov [gdt + ebx + 2], ax
    shr eax, 16
    mov [gdt + ebx + 4], al
    mov [gdt + ebx + 7], ah
    ret

# Call gate ebx to gate_entry in segment eax, with two parameters.
set_call_gate:
    shl eax, 16
    mov edx, gate_entry
    mov ax, dx
    mov [gdt + ebx], eax
    mov dx, 0xec02
    mov [gdt + ebx + 4], edx
    ret

# Gate ecx to edx; eax is selector << 16 | attributes.
set_gate:
    mov [idt + ecx * 8], dx
    mov [idt + ecx * 8 + 5], al
    shr eax, 16
    mov [idt + ecx * 8 + 2], ax
    shr edx, 16
    mov [idt + ecx * 8 + 6], dx
    ret

# The second task says who called it, and goes back.
task_entry:
    str eax; show "task"
    movzx eax, word ptr [tss2]; show "link"
    pushfd; pop eax; and eax, ~0x8d5; show "flags"
    mov eax, [tss + 32]
    test dword ptr [tss + 36], 0x20000
    jnz 1f
    sub eax, [check_start]
1:  show "old"
    mov eax, cr0; and eax, 8; show "ts"
    clts
    movzx eax, byte ptr [gdt + ${SEL32.tss} + 5]; show "first"
    movzx eax, byte ptr [gdt + ${SEL32.secondTask} + 5]; show "second"
    cmp esp, task_stack_top
    je 1f
    pop eax; show "error"
1:  iretd
    jmp task_entry

# Where call gates lead.
gate_entry:
    mov eax, cs; show "gate"
    mov eax, ss; show "ss"
    mov eax, [esp + 8]; show "p1"
    mov eax, [esp + 12]; show "p2"
    mov eax, [esp + 20]; show "oldss"
    retf 8

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
    pushad
    mov eax, ${SEL32.data}; mov ds, eax; mov es, eax
    mov ebp, esp                # edi esi ebp esp ebx edx ecx eax, vector, [error,] eip cs fl [sp ss]
    lea ebx, [esp + 36]
    mov eax, [ebp + 32]
    show "v"
    mov ecx, 0x27d00
    cmp eax, 31
    ja 1f
    bt ecx, eax
    jnc 1f
    mov eax, [ebx]
    add ebx, 4
    test eax, eax
    jz 1f
    show "e"
1:  mov eax, [ebx]
    test dword ptr [ebx + 8], 0x20000
    jnz 2f
    sub eax, [check_start]
2:  str ecx
    cmp ecx, ${SEL32.tss}
    jne 1f
    test dword ptr [ebx + 8], 0x20000
    jnz 3f
    cmp eax, 0x10000
    jb 3f
    add eax, [check_start]
    show "eip"
    jmp 1f
3:  show "ip"
1:  mov eax, [ebx + 4]
    cmp eax, ${SEL32.code}
    je 1f
    show "cs"
1:  mov eax, [ebx + 8]
    and eax, ~0x8d5
    cmp eax, 2
    je 1f
    show "fl"
1:  test dword ptr [ebx + 8], 0x20000
    jnz 2f
    test dword ptr [ebx + 4], 3
    jz 4f
    mov eax, cs
    xor eax, [ebx + 4]
    test eax, 3
    jz 4f
2:  mov eax, [ebx + 16]
    show "ss"
    mov eax, [ebx + 12]
    test dword ptr [ebx + 8], 0x20000
    jnz 3f
    sub eax, user_stack
3:  show "sp"
4:  mov eax, 1
    mov ecx, ebp
    sub ecx, stack0_top - 2048
    cmp ecx, 2048
    jb 2f
    inc eax
    mov ecx, ebp
    sub ecx, stack1_top - 2048
    cmp ecx, 2048
    jb 2f
    inc eax
    mov ecx, ebp
    sub ecx, task_stack_top - 2048
    cmp ecx, 2048
    jae 1f
2:  show "stk"
1:  cmp dword ptr [ebp + 32], 14
    jne 1f
    mov eax, cr2
    show "cr2"
1:  cmp dword ptr [ebp + 32], 1
    jne 1f
    mov eax, dr6
    show "dr6"
    mov eax, 0xffff0ff0
    mov dr6, eax
1:  str eax
    cmp eax, ${SEL32.tss}
    je 1f
    show "tr"
1:  mov eax, [esp + 32]
    # From a handler at CPL 1 the way back to CPL 0 is a gate that any level may use.
    mov ecx, cs
    test ecx, 3
    jz 1f
    int 0x3f
1:  mov eax, ${SEL32.data}
    mov ss, eax
    mov esp, [recover_sp]
    jmp dword ptr [recover]
back_to_ring0:
    mov eax, ${SEL32.data}; mov ds, eax; mov ss, eax
    mov esp, [recover_sp]
    jmp dword ptr [recover]

settle:
    mov eax, ${SEL32.data}; mov ds, eax; mov es, eax; mov fs, eax; mov gs, eax
    mov al, 10
    out 0xe9, al
    push 2
    popfd
    str eax
    cmp eax, ${SEL32.tss}
    je 1f
    # A check ended in the second task: back to the first.
    and byte ptr [gdt + ${SEL32.tss} + 5], 0xfd
    and byte ptr [gdt + ${SEL32.secondTask} + 5], 0xfd
    mov dword ptr [tss2 + 32], task_entry
    mov dword ptr [tss2 + 72], ${SEL32.data}
    mov dword ptr [tss2 + 36], 2
    mov dword ptr [tss2 + 56], task_stack_top
    mov eax, ${SEL32.tss}
    ltr ax
    clts
1:  ret
text_ran: .asciz " ran"
`;

const DATA = `
.align 16
gdt: .quad ${GDT}
gdt_end:
gdt_pointer: .word gdt_end - gdt - 1
    .long gdt
idt_pointer: .word 64 * 8 - 1
    .long idt
far_pointer: .long 0, 0
check_start: .long 0
recover: .long 0
recover_sp: .long 0
.bss
.align 4096
idt: .skip 512
tss: .skip 256
tss2: .skip 128
.align 16
    .skip 4096
stack0_top: .skip 4096
stack1_top: .skip 4096
task_stack_top: .skip 16
    .skip 512
user_stack: .skip 16
    .skip 8192
stack_top:
`;

/** Enters CPL 3 with these flags; EAX and the data segments are then the user's. */
export const user32 = (flags: number): string => `
    push ${SEL32.userData}; push user_stack; push ${flags}; push ${SEL32.userCode}; push 9f; iretd
9:  mov eax, ${SEL32.userData}; mov ds, eax; mov es, eax
    `;

/** Runs bytes in virtual-8086 mode at 1000:0000, ended by UD2. */
export const vm86 = (flags: number, ...bytes: readonly number[]): string => {
  const stores = [...bytes, 0x0f, 0x0b].map((b, n) => `mov byte ptr [0x10000 + ${n}], ${b}`).join("; ");
  const frame = [0x4444, 0x3333, 0x2222, 0x1111, 0x2000, 0x3f0, 0x20000 | flags, 0x1000, 0]
    .map((v) => `push ${v}`)
    .join("; ");
  return `${stores}; ${frame}; iretd`;
};

/** A 32-bit program of these checks; `prepare` runs once before them, `bss` is more zeroed memory. */
export function protectedProgram(name: string, checks: readonly Check[], prepare = "", bss = ""): GuestProgram {
  const text = checks.map(
    ({ code }, n) => `
    mov esi, name_${n}; call put_text
    mov dword ptr [recover], after_${n}
    mov [recover_sp], esp
    mov dword ptr [check_start], code_${n}
code_${n}:
${code}
    mov eax, ${SEL32.data}; mov ds, eax
    mov esi, text_ran; call put_text
after_${n}:
    mov esp, [recover_sp]
    call settle`,
  );
  const names = checks.map((c, n) => `name_${n}: .asciz "${c.name}:"`).join("\n");
  const end = `    xor eax, eax\n    mov edx, 0xf4\n    out dx, al\n1:  hlt; jmp 1b\n`;
  const source = [SHOW, ENTRY, `prepare:\n${prepare}\n    ret\nchecks:`, ...text, end, names, DATA, bss].join("\n");
  return { name, source, checks };
}
