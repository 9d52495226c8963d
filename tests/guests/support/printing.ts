/** Output of 64-bit guest programs to the debug console at port 0xe9. All keep every register and the flags. */
export const PRINTING = `
# The text behind the call, "=" and RAX in hexadecimal.
show_rax:
    pushfq
    push rax; push rcx; push rdx; push rsi
    mov rsi, [rsp + 40]
    mov al, ' '
    out 0xe9, al
1:  mov al, [rsi]
    inc rsi
    test al, al
    jz 2f
    out 0xe9, al
    jmp 1b
2:  mov [rsp + 40], rsi
    mov al, '='
    out 0xe9, al
    mov rdx, [rsp + 24]
    mov ecx, 64
3:  sub ecx, 4
    jz 4f
    mov rax, rdx
    shr rax, cl
    jz 3b
4:  mov rax, rdx
    shr rax, cl
    and eax, 15
    add al, '0'
    cmp al, '9'
    jbe 5f
    add al, 'a' - '0' - 10
5:  out 0xe9, al
    sub ecx, 4
    jns 4b
    pop rsi; pop rdx; pop rcx; pop rax
    popfq
    ret

put_name:
    mov al, [rsi]
    inc rsi
    test al, al
    jz 1f
    out 0xe9, al
    jmp put_name
1:  ret

put_ran:
    push rax; push rsi
    mov rsi, text_ran
    call put_name
    pop rsi; pop rax
    ret
text_ran: .asciz " ran"
`;
