# The prompt: shows a running clock, reads and edits a line, finds the command by name.

LINE_BYTES = 72
TICKS_PER_SECOND = 10
# The prompt's clock stops running when nobody has typed for a minute: what is shown is also kept as scrollback.
CLOCK_TICKS = 600

main:
    call hypercalls_init
    mov rsi, text_log
    mov ecx, text_log_end - text_log
    call log
    call events_init
    call console_init
    sti
    call timer_start
    mov rsi, text_banner
    call print
    call show_command_line
    call test_timer
    mov rsi, text_help_hint
    call print
shell:
    xor ebx, ebx
    call prompt
    call read_line
    call run_line
    jmp shell

# Counts three ticks and says how long they took.
test_timer:
    mov rsi, text_timer
    call print
    call console_flush
    call clock_now
    mov r12, rax
    mov r13, [ticks]
    add r13, 3
1:  call wait_for_event
    cmp [ticks], r13
    jb 1b
    call clock_now
    sub rax, r12
    xor edx, edx
    mov ecx, 1000000
    div rcx
    call print_decimal
    mov rsi, text_timer_end
    jmp print

# "[00:01:02] > " at the start of the line, with what has been typed.
prompt:
    mov al, '\r'
    call put
    mov al, '['
    call put
    call print_uptime
    mov rsi, text_prompt
    call print
    mov byte ptr [line + rbx], 0
    mov rsi, line
    call print
    jmp console_flush

# Reads a line into `line`; RBX, zero at first, counts its characters.
read_line:
    mov rax, [ticks]
    mov [last_key], rax
1:  call wait_for_event
    call run_clock
2:  call get
    jc 1b
    mov rcx, [ticks]
    mov [last_key], rcx
    cmp al, '\r'
    je 5f
    cmp al, '\n'
    je 5f
    cmp al, 0x7f
    je 4f
    cmp al, 8
    je 4f
    cmp al, ' '
    jb 2b
    cmp al, 0x7e
    ja 2b
    cmp ebx, LINE_BYTES
    jae 2b
    mov [line + rbx], al
    inc ebx
    call put
3:  call console_flush
    jmp 2b
4:  test ebx, ebx
    jz 2b
    dec ebx
    mov rsi, text_rubout
    call print
    jmp 3b
5:  mov byte ptr [line + rbx], 0
    call newline
    jmp console_flush

# Shows the prompt again when a second has passed, while somebody may be looking.
run_clock:
    mov rax, [ticks]
    mov rcx, rax
    sub rcx, [last_key]
    cmp rcx, CLOCK_TICKS
    ja 1f
    mov rcx, rax
    sub rcx, [last_prompt]
    cmp rcx, TICKS_PER_SECOND
    jb 1f
    mov [last_prompt], rax
    jmp prompt
1:  ret

# Runs the command named by the line.
run_line:
    mov rsi, line
    call skip_spaces
    cmp byte ptr [rsi], 0
    je 4f
    mov r12, rsi
    mov rbx, commands
1:  mov rdi, [rbx]
    test rdi, rdi
    jz 3f
    mov rsi, r12
    call same_word
    je 2f
    add rbx, 24
    jmp 1b
2:  xor eax, eax
    jmp qword ptr [rbx + 8]
3:  mov rsi, text_unknown
    call print
    mov rsi, r12
    call print
    mov rsi, text_unknown_end
    jmp print
4:  ret

skip_spaces:
    cmp byte ptr [rsi], ' '
    jne 1f
    inc rsi
    jmp skip_spaces
1:  ret

# ZF when the word at RSI is the name at RDI.
same_word:
    mov al, [rsi]
    cmp al, ' '
    jne 1f
    xor eax, eax
1:  cmp al, [rdi]
    jne 2f
    inc rsi
    inc rdi
    test al, al
    jnz same_word
2:  ret

text_log: .ascii "Xenolith's embedded guest starts\n"
text_log_end:
text_banner: .asciz "\nXenolith's embedded guest: a kernel of a few kilobytes, in place of Debian's Linux.\n"
text_timer: .asciz "timer: three ticks of 100 ms took "
text_timer_end: .asciz " ms\n"
text_help_hint: .asciz "Type help for the commands.\n\n"
text_prompt: .asciz "] > "
text_rubout: .asciz "\b \b"
text_unknown: .asciz "There is no command "
text_unknown_end: .asciz ". Type help.\n"
.align 8
last_key: .quad 0
last_prompt: .quad 0
