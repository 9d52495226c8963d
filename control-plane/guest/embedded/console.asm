# The Xen console: a page with a ring in each direction, and an event channel. Before it is found, text goes to the
# hypervisor's log. [XEN] public/io/console.h

IN_BYTES = 1024
OUT_BYTES = 2048
OUT_RING = 1024
IN_CONS = 3072
IN_PROD = 3076
OUT_CONS = 3080
OUT_PROD = 3084

console_init:
    mov edi, HVM_PARAM_CONSOLE_PFN
    call get_hvm_param
    shl rax, 12
    mov [console], rax
    mov edi, HVM_PARAM_CONSOLE_EVTCHN
    call get_hvm_param
    mov [console_port], eax
    jmp unmask

# Prints the zero-terminated text at RSI.
print:
    lodsb
    test al, al
    jz 1f
    call put
    jmp print
1:  ret

newline:
    mov al, '\n'
# Prints character AL, a line feed with a carriage return before it. Keeps every register.
put:
    cmp al, '\n'
    jne put_raw
    mov al, '\r'
    call put_raw
    mov al, '\n'
put_raw:
    push rcx; push rdx
1:  mov rdx, [console]
    mov ecx, [rdx + OUT_PROD]
    sub ecx, [rdx + OUT_CONS]
    cmp ecx, OUT_BYTES
    jb 2f
    call console_flush
    call give_way
    jmp 1b
2:  mov ecx, [rdx + OUT_PROD]
    and ecx, OUT_BYTES - 1
    mov [rdx + rcx + OUT_RING], al
    inc dword ptr [rdx + OUT_PROD]
    pop rdx; pop rcx
    ret

# Lets others run while the ring is full.
give_way:
    push rax; push rdi; push rsi
    mov edi, SCHEDOP_YIELD
    xor esi, esi
    hypercall SCHED_OP
    pop rsi; pop rdi; pop rax
    ret

# Tells Domain0 that there is something to show, or that there is room again.
console_flush:
    push rax; push rdi; push rsi
    mov edi, EVTCHNOP_SEND
    mov rsi, console_port
    hypercall EVENT_CHANNEL_OP
    pop rsi; pop rdi; pop rax
    ret

# Next character typed in AL, with CF clear; CF set when there is none.
get:
    mov rdx, [console]
    mov ecx, [rdx + IN_CONS]
    cmp ecx, [rdx + IN_PROD]
    je 1f
    and ecx, IN_BYTES - 1
    mov al, [rdx + rcx]
    inc dword ptr [rdx + IN_CONS]
    clc
    ret
1:  stc
    ret

# Prints RAX in decimal.
print_decimal:
    mov ecx, 1
# Prints RAX in decimal with at least ECX digits.
print_padded:
    push rbx
    mov ebx, 10
    xor r8d, r8d
1:  xor edx, edx
    div rbx
    push rdx
    inc r8d
    test rax, rax
    jnz 1b
2:  cmp r8d, ecx
    jae 3f
    push 0
    inc r8d
    jmp 2b
3:  pop rax
    add al, '0'
    call put
    dec r8d
    jnz 3b
    pop rbx
    ret

# Prints RAX in hexadecimal, without leading zeros.
print_hex:
    mov rdx, rax
    bsr rcx, rax
    jz 1f
    and ecx, 0x3c
    jmp 2f
1:  xor ecx, ecx
2:  mov rax, rdx
    shr rax, cl
    and eax, 15
    mov al, [rax + hex_digits]
    call put
    sub ecx, 4
    jns 2b
    ret

# Writes text at RSI, ECX bytes, into the hypervisor's log.
log:
    mov rdx, rsi
    mov esi, ecx
    mov edi, CONSOLEIO_WRITE
    hypercall CONSOLE_IO
    ret

hex_digits: .ascii "0123456789abcdef"
.align 8
console: .quad 0
console_port: .long 0
