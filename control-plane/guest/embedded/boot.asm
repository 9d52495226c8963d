# Entry of the embedded guest: from PVH's 32-bit protected mode to 64-bit long mode with the first 4 GiB mapped onto
# themselves, and on to main. [XEN] docs/misc/pvh; [SDM] vol. 3, 10.8.5 "Initializing IA-32e Mode"

PTE_TABLE = 3                   # present, writable
PTE_LARGE = 0x83                # and 2 MiB
CR0_ON = 0x80010033             # PG, WP, NE, ET, MP, PE
CR4_ON = 0x620                  # PAE, OSFXSR, OSXMMEXCPT
EFER = 0xc0000080
EFER_ON = 0x100                 # LME
CODE = 8
DATA = 16

.code32
start:
    cld
    mov esp, stack_top
    mov [start_info], ebx
    mov dword ptr [page_map], page_pointers + PTE_TABLE
    mov edi, page_pointers
    mov eax, page_directories + PTE_TABLE
    mov ecx, 4
1:  mov [edi], eax
    add eax, 4096
    add edi, 8
    loop 1b
    mov edi, page_directories
    mov eax, PTE_LARGE
    mov ecx, 4 * 512
1:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    loop 1b
    mov eax, page_map
    mov cr3, eax
    mov eax, CR4_ON
    mov cr4, eax
    mov ecx, EFER
    rdmsr
    or eax, EFER_ON
    wrmsr
    mov eax, CR0_ON
    mov cr0, eax
    lgdt [gdt_pointer]
    jmp CODE:start64

.code64
start64:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov rsp, stack_top
    call traps_init
    call main
1:  hlt
    jmp 1b

.align 8
gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer: .word gdt_pointer - gdt - 1
    .quad gdt
