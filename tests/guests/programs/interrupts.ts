/**
 * External interrupts through the local APIC: priorities, the shadow of STI and MOV SS, HLT, timer modes,
 * IPIs to itself, x2APIC.
 * Proves [SDM] vol. 3, 6.8 (masking), 11.5 (local APIC, timer), 11.6 (IPIs), 11.8 (handling), 11.12 (x2APIC).
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const SELF = "mov dword ptr [apic + 0x300], 0x44000 | ";
const show = 'mov eax, [count]; show "count"';
/** A timer of many periods later is fine: time counts instructions. */
const wait = "mov ecx, 200000\n7:  dec ecx; jnz 7b";

export const interrupts = longProgram(
  "interrupts and the local APIC",
  [
    check(
      "a self-IPI while IF is clear waits",
      `${SELF}0x40; nop; ${show}; mov eax, [apic + 0x220]; show "irr"`,
      "count=0 irr=1 ran",
    ),
    check("and comes after STI's shadow", `sti; mov eax, [count]; show "shadow"; ${show}; cli`, "shadow=0 count=1 ran"),
    check("STI directly before CLI lets nothing in", `${SELF}0x40; sti; cli; ${show}`, "count=1 ran"),
    check("the interrupt still comes later", `sti; nop; cli; ${show}`, "count=2 ran"),
    check(
      "MOV SS holds interrupts back for one instruction",
      `${SELF}0x40; mov eax, 0x10; pushfq; or dword ptr [rsp], 0x200; mov ecx, [count]; popfq; cli; ${show}`,
      "count=3 ran",
    ),
    check("HLT ends with an interrupt", `${SELF}0x40; sti; hlt; cli; ${show}`, "count=4 ran"),
    check(
      "the higher vector comes first",
      `mov dword ptr [order], 0; ${SELF}0x41; ${SELF}0x52; sti; nop; nop; cli; mov eax, [order]; show "order"`,
      "order=5241 ran",
    ),
    check(
      "the task priority holds lower classes back",
      `mov dword ptr [order], 0; mov eax, 5; mov cr8, rax; ${SELF}0x41; ${SELF}0x62; sti; nop; nop; mov eax, [order]; show "before"; xor eax, eax; mov cr8, rax; nop; cli; mov eax, [order]; show "after"`,
      "before=62 after=6241 ran",
    ),
    check(
      "CR8 is TPR's upper half",
      `mov eax, 7; mov cr8, rax; mov eax, [apic + 0x80]; show "tpr"; mov dword ptr [apic + 0x80], 0x35; mov rax, cr8; show "cr8"; xor eax, eax; mov cr8, rax`,
      "tpr=70 cr8=3 ran",
    ),
    check(
      "one-shot timer fires once",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x3e0], 0xb; mov dword ptr [apic + 0x320], 0x40; mov dword ptr [apic + 0x380], 1000; sti; ${wait}; cli; ${show}; mov eax, [apic + 0x390]; show "current"`,
      "count=1 current=0 ran",
    ),
    check(
      "HLT directly behind STI, with nothing waiting yet, ends with the timer's interrupt",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x320], 0x40; mov dword ptr [apic + 0x380], 1000; sti; hlt; cli; ${show}`,
      "count=1 ran",
    ),
    check(
      "STI and CLI side by side let nothing in, however often",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x380], 1000; mov ecx, 200000\n7:  sti; cli; dec ecx; jnz 7b; ${show}; sti; nop; cli; mov eax, [count]; show "later"`,
      "count=0 later=1 ran",
    ),
    check(
      "one comes between STI and CLI each time, in a loop",
      `mov dword ptr [count], 0; mov esi, 30000\n7:  ${SELF}0x40; sti; nop; cli; dec esi; jnz 7b; ${show}`,
      "count=7530 ran",
    ),
    check(
      "a loop that turns them off and on does not keep them out",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x320], 0x20040; mov dword ptr [apic + 0x380], 100000; mov esi, 3000000\n7:  cli; nop; sti; nop; dec esi; jnz 7b; cli; mov dword ptr [apic + 0x380], 0; sti; nop; nop; cli; cmp dword ptr [count], 50; seta al; movzx eax, al; show "many"`,
      "many=1 ran",
    ),
    check(
      "and what came meanwhile, with nothing else going on, is taken behind STI",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x320], 0x40; mov esi, 200\n7:  mov dword ptr [apic + 0x380], 100; mov ecx, 20000\n8:  dec ecx; jnz 8b; sti; nop; nop; cli; dec esi; jnz 7b; ${show}`,
      "count=c8 ran",
    ),
    check(
      "periodic timer goes on",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x320], 0x20040; mov dword ptr [apic + 0x380], 1000; sti; ${wait}; cli; mov dword ptr [apic + 0x380], 0; sti; nop; nop; cli; cmp dword ptr [count], 5; seta al; movzx eax, al; show "many"`,
      "many=1 ran",
    ),
    check(
      "a masked timer fires nothing",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x320], 0x10040; mov dword ptr [apic + 0x380], 1000; sti; ${wait}; cli; ${show}`,
      "count=0 ran",
    ),
    check(
      "TSC deadline",
      `mov dword ptr [apic + 0x320], 0x40040; rdtsc; add eax, 5000; adc edx, 0; mov ecx, 0x6e0; wrmsr; sti; ${wait}; cli; ${show}; mov ecx, 0x6e0; rdmsr; or eax, edx; show "deadline"`,
      "count=1 deadline=0 ran",
    ),
    check(
      "a deadline in the past fires at once",
      `mov ecx, 0x6e0; mov eax, 1; xor edx, edx; wrmsr; sti; nop; nop; cli; ${show}`,
      "count=2 ran",
    ),
    check(
      "HLT sleeps until the timer",
      `mov dword ptr [count], 0; mov dword ptr [apic + 0x320], 0x40; mov dword ptr [apic + 0x380], 1000000; sti; hlt; cli; ${show}`,
      "count=1 ran",
    ),
    check("x2APIC: an MSR access without it", "mov ecx, 0x802; rdmsr", "v=d ip=5 fl=10002"),
    check(
      "x2APIC on",
      `mov ecx, 0x1b; rdmsr; or eax, 0x400; wrmsr; mov ecx, 0x802; rdmsr; show "id"; mov ecx, 0x80d; rdmsr; show "ldr"`,
      "id=0 ldr=1 ran",
    ),
    check(
      "x2APIC self-IPI",
      `mov dword ptr [count], 0; mov ecx, 0x83f; mov eax, 0x45; xor edx, edx; wrmsr; sti; nop; nop; cli; ${show}`,
      "count=1 ran",
    ),
    check(
      "x2APIC registers with reserved bits",
      "mov ecx, 0x80b; mov eax, 1; xor edx, edx; wrmsr",
      "v=d ip=c fl=10002",
    ),
    check("x2APIC has no ICR high", "mov ecx, 0x831; rdmsr", "v=d ip=5 fl=10002"),
    check(
      "x2APIC cannot go straight back to xAPIC",
      "mov ecx, 0x1b; rdmsr; and eax, ~0x400; wrmsr",
      "v=d ip=c fl=10002",
    ),
  ],
  {
    prepare: `
    # The APIC's registers are seen at 1 GiB.
    mov qword ptr [page_pointers + 8], apic_directory + 7
    mov eax, 0xfee00000 | 0x97
    mov [apic_directory], rax
    mov dword ptr [apic + 0xf0], 0x1ff
    mov ecx, 0x40
1:  mov edx, ecx; sub edx, 0x40; shl edx, 4; add rdx, interrupt_stubs
    mov eax, 0x8e00
    push rcx
    mov edi, ecx; shl edi, 4
    mov [big_idt + rdi], dx
    mov word ptr [big_idt + rdi + 2], 8
    mov [big_idt + rdi + 4], ax
    shr rdx, 16
    mov [big_idt + rdi + 6], dx
    shr rdx, 16
    mov [big_idt + rdi + 8], edx
    pop rcx
    inc ecx
    cmp ecx, 0x80
    jb 1b
    mov esi, idt; mov edi, big_idt; mov ecx, 1024; rep movsb
    lidt [big_idt_pointer]`,
    data: `apic = 0x40000000
.align 16
interrupt_stubs:
${Array.from({ length: 64 }, (_, n) => `    .align 16\n    push ${n + 0x40}; jmp interrupt`).join("\n")}
interrupt:
    push rax; push rcx; push rdx
    mov eax, [rsp + 24]
    mov ecx, [order]; shl ecx, 8; or ecx, eax; mov [order], ecx
    inc dword ptr [count]
    mov ecx, 0x1b; rdmsr
    test eax, 0x400
    jnz 1f
    mov eax, apic
    mov dword ptr [rax + 0xb0], 0
    jmp 2f
1:  mov ecx, 0x80b; xor eax, eax; xor edx, edx; wrmsr
2:  pop rdx; pop rcx; pop rax
    add rsp, 8
    iretq
big_idt_pointer: .word 0x80 * 16 - 1
    .quad big_idt
count: .long 0
order: .long 0`,
    bss: ".align 4096\napic_directory: .skip 4096\nbig_idt: .skip 4096",
  },
);
