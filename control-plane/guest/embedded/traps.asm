# Interrupt descriptor table. Any exception is a mistake of this kernel: it says what happened and crashes the domain.
# [SDM] vol. 3, 6.14 "Exception and Interrupt Handling in 64-bit Mode"

GATE_PRESENT = 0x8e             # 64-bit interrupt gate, DPL 0
VECTORS = 256
EXCEPTIONS = 32

# Exceptions whose frame has an error code: #DF #TS #NP #SS #GP #PF #AC
HAS_ERROR_CODE = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17

traps_init:
    xor ecx, ecx
1:  mov eax, ecx
    shl eax, 4
    lea rdx, [rax + trap_stubs]
    call set_gate
    inc ecx
    cmp ecx, EXCEPTIONS
    jb 1b
    lidt [idt_pointer]
    ret

# Gate ecx leads to rdx.
set_gate:
    mov edi, ecx
    shl edi, 4
    mov [idt + rdi], dx
    mov word ptr [idt + rdi + 2], CODE
    mov byte ptr [idt + rdi + 4], 0
    mov byte ptr [idt + rdi + 5], GATE_PRESENT
    shr rdx, 16
    mov [idt + rdi + 6], dx
    shr rdx, 16
    mov [idt + rdi + 8], edx
    ret

.macro trap vector
    .align 16
    push \vector
    jmp trap
.endm
.align 16
trap_stubs:
    trap 0; trap 1; trap 2; trap 3; trap 4; trap 5; trap 6; trap 7
    trap 8; trap 9; trap 10; trap 11; trap 12; trap 13; trap 14; trap 15
    trap 16; trap 17; trap 18; trap 19; trap 20; trap 21; trap 22; trap 23
    trap 24; trap 25; trap 26; trap 27; trap 28; trap 29; trap 30; trap 31

# On the stack: vector, error code if the vector has one, RIP.
trap:
    cld
    pop rbx
    xor r12d, r12d
    mov eax, HAS_ERROR_CODE
    bt eax, ebx
    jnc 1f
    pop r12
1:  mov r13, [rsp]
    mov rsi, text_panic
    call print
    mov rax, rbx
    call print_decimal
    mov rsi, text_error_code
    call print
    mov rax, r12
    call print_hex
    mov rsi, text_at
    call print
    mov rax, r13
    call print_hex
    mov rsi, text_cr2
    call print
    mov rax, cr2
    call print_hex
    call newline
    mov edi, SHUTDOWN_CRASH
    jmp shutdown

idt_pointer: .word VECTORS * 16 - 1
    .quad idt
text_panic: .asciz "\npanic: exception "
text_error_code: .asciz ", error code 0x"
text_at: .asciz ", at 0x"
text_cr2: .asciz ", CR2 0x"
