/** How a program of two processors starts the second one, by INIT and SIPI: from real mode to 64-bit code of the program. */

/** Where the local APIC is mapped. */
export const APIC = 0x40000000;
export const SECOND_APIC_ID = 2;

/** Part of the program's `prepare`: the second GiB becomes the local APIC's, which is enabled. */
export const MAP_APIC = `
    mov qword ptr [page_pointers + 8], apic_directory + 7
    mov eax, 0xfee00000 | 0x97
    mov [apic_directory], rax
    mov dword ptr [${APIC} + 0xf0], 0x1ff`;

/** The end of `prepare`, when gates and mappings are as both shall have them. */
export const START_SECOND = `
    mov esi, trampoline; mov edi, 0x8000; mov ecx, trampoline_end - trampoline; rep movsb
    mov dword ptr [${APIC} + 0x300], 0xc4500
    mov dword ptr [${APIC} + 0x300], 0xc4608`;

/** Code that the second processor begins with; what it does then follows. */
export const SECOND_STARTS = `
# Entered in real mode at 0x8000.
.code16
trampoline:
    cli
    xor ax, ax
    mov ds, ax
    lgdt [second_gdt - trampoline + 0x8000]
    mov eax, page_map; mov cr3, eax
    mov eax, 0x620; mov cr4, eax
    mov ecx, 0xc0000080; rdmsr; or eax, 0x901; wrmsr
    mov eax, 0x80010011; mov cr0, eax
    jmp 8:second_long - trampoline + 0x8000
second_gdt: .word 0x97
    .long gdt
.code64
second_long:
    mov eax, second_start
    jmp rax
trampoline_end:

second_start:
    mov eax, 16; mov ds, eax; mov es, eax; mov ss, eax
    mov esp, second_stack_top
    lidt [idt_pointer]
    mov dword ptr [${APIC} + 0xf0], 0x1ff
    sti`;

export const SECOND_BSS = `
.align 4096
apic_directory: .skip 4096
    .skip 4096
second_stack_top:`;
