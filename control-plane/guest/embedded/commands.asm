# The commands of the prompt, and the table that help prints.

MAP_ENTRY_BYTES = 24            # of the memory map in the start information
INFO_COMMAND_LINE = 24
INFO_MAP = 40
INFO_MAP_ENTRIES = 48
MAP_RAM = 1
CPUID_BRAND = 0x80000002
CPUID_XEN = 0x40000000
SECONDS_PER_DAY = 86400

# Name, what runs, what it does
commands:
    .quad name_help, help, about_help
    .quad name_time, time, about_time
    .quad name_clock, clock, about_clock
    .quad name_mem, memory, about_mem
    .quad name_cpuid, show_cpu, about_cpuid
    .quad name_clear, clear, about_clear
    .quad name_halt, poweroff, about_halt
    .quad name_poweroff, poweroff, about_halt
    .quad name_reboot, reboot, about_reboot
    .quad name_crash, crash, about_crash
    .quad 0

help:
    mov rbx, commands
1:  mov r12, [rbx]
    test r12, r12
    jz 3f
    mov al, ' '
    call put
    call put
    mov rsi, r12
    call print
2:  mov al, ' '
    call put
    inc rsi
    lea rcx, [r12 + 12]
    cmp rsi, rcx
    jb 2b
    mov rsi, [rbx + 16]
    call print
    call newline
    add rbx, 24
    jmp 1b
3:  ret

# Hours, minutes and seconds since the machine started.
print_uptime:
    call clock_now
    xor edx, edx
    mov ecx, NS_PER_SECOND
    div rcx
# Prints RAX seconds as 00:00:00.
print_duration:
    xor edx, edx
    mov ecx, 3600
    div rcx
    push rdx
    call print_two
    mov al, ':'
    call put
    pop rax
    xor edx, edx
    mov ecx, 60
    div rcx
    push rdx
    call print_two
    mov al, ':'
    call put
    pop rax
print_two:
    mov ecx, 2
    jmp print_padded

time:
    mov rsi, text_up
    call print
    call print_uptime
    mov rsi, text_ticks
    call print
    mov rax, [ticks]
    call print_decimal
    mov rsi, text_clock
    call print
    call clock_now
    xor edx, edx
    mov ecx, NS_PER_SECOND
    div rcx
    mov ecx, [WALL_CLOCK_SECONDS_HIGH]
    shl rcx, 32
    mov edx, [WALL_CLOCK_SECONDS]
    add rax, rcx
    add rax, rdx
    xor edx, edx
    mov ecx, SECONDS_PER_DAY
    div rcx
    push rdx
    call print_date
    mov al, ' '
    call put
    pop rax
    call print_duration
    mov rsi, text_utc
    jmp print

# Prints day RAX since 1970-01-01. Years are counted from March, so that the leap day ends one.
print_date:
    push rbx; push r12; push r13
    add rax, 719468             # days from 0000-03-01
    xor edx, edx
    mov ecx, 146097             # days of 400 years
    div rcx
    mov r12, rax
    mov rbx, rdx                # day of the era
    # year of the era = (day - day/1460 + day/36524 - day/146096) / 365
    mov r13, rbx
    mov ecx, 1460
    call day_over
    sub r13, rax
    mov ecx, 36524
    call day_over
    add r13, rax
    mov ecx, 146096
    call day_over
    sub r13, rax
    mov rax, r13
    xor edx, edx
    mov ecx, 365
    div rcx
    mov r13, rax
    # day of the year = day - (365 year + year/4 - year/100)
    imul rcx, r13, 365
    sub rbx, rcx
    mov rax, r13
    shr rax, 2
    sub rbx, rax
    mov rax, r13
    xor edx, edx
    mov ecx, 100
    div rcx
    add rbx, rax
    imul r12, r12, 400
    add r12, r13                # year, from March
    # month from March = (5 day + 2) / 153
    lea rax, [rbx + rbx*4 + 2]
    xor edx, edx
    mov ecx, 153
    div rcx
    mov r13, rax
    # first day of the month = (153 month + 2) / 5
    imul rax, rax, 153
    add rax, 2
    xor edx, edx
    mov ecx, 5
    div rcx
    sub rbx, rax
    inc rbx
    add r13, 3
    cmp r13, 12
    jbe 1f
    sub r13, 12
    inc r12
1:  mov rax, r12
    call print_decimal
    mov al, '-'
    call put
    mov rax, r13
    call print_two
    mov al, '-'
    call put
    mov rax, rbx
    call print_two
    pop r13; pop r12; pop rbx
    ret

# RBX / ECX in RAX.
day_over:
    mov rax, rbx
    xor edx, edx
    div rcx
    ret

# Shows the time of day of the machine every tick until a key is pressed.
clock:
1:  mov al, '\r'
    call put
    call print_uptime
    mov al, '.'
    call put
    call clock_now
    xor edx, edx
    mov ecx, NS_PER_TICK
    div rcx
    xor edx, edx
    mov ecx, TICKS_PER_SECOND
    div rcx
    mov eax, edx
    call print_decimal
    call console_flush
    call wait_for_event
    call get
    jc 1b
    jmp newline

# The memory map that the toolstack gave.
memory:
    mov eax, [start_info]
    mov rbx, [rax + INFO_MAP]
    mov r12d, [rax + INFO_MAP_ENTRIES]
    xor r13d, r13d
1:  test r12d, r12d
    jz 3f
    mov al, ' '
    call put
    call put
    mov rax, [rbx]
    call print_wide_hex
    mov al, '-'
    call put
    mov rax, [rbx]
    add rax, [rbx + 8]
    dec rax
    call print_wide_hex
    mov rsi, text_other
    cmp dword ptr [rbx + 16], MAP_RAM
    jne 2f
    add r13, [rbx + 8]
    mov rsi, text_ram
2:  call print
    add rbx, MAP_ENTRY_BYTES
    dec r12d
    jmp 1b
3:  mov rax, r13
    shr rax, 10
    call print_decimal
    mov rsi, text_kib
    jmp print

# Prints RAX in sixteen hexadecimal digits.
print_wide_hex:
    mov rdx, rax
    mov ecx, 60
1:  mov rax, rdx
    shr rax, cl
    and eax, 15
    mov al, [rax + hex_digits]
    call put
    sub ecx, 4
    jns 1b
    ret

# Vendor, name and signature of the processor, and the hypervisor.
show_cpu:
    mov rsi, text_processor
    call print
    xor eax, eax
    cpuid
    mov [text_buffer], ebx
    mov [text_buffer + 4], edx
    mov [text_buffer + 8], ecx
    mov byte ptr [text_buffer + 12], 0
    call print_buffer
    mov rdi, text_buffer
    mov r12d, CPUID_BRAND
1:  mov eax, r12d
    cpuid
    mov [rdi], eax
    mov [rdi + 4], ebx
    mov [rdi + 8], ecx
    mov [rdi + 12], edx
    add rdi, 16
    inc r12d
    cmp r12d, CPUID_BRAND + 3
    jb 1b
    mov byte ptr [rdi], 0
    mov al, ' '
    call put
    call print_buffer
    mov rsi, text_signature
    call print
    mov eax, 1
    cpuid
    mov r12d, ecx
    mov r13d, edx
    call print_hex
    mov rsi, text_features
    call print
    mov eax, r13d
    call print_hex
    mov al, ' '
    call put
    mov eax, r12d
    call print_hex
    mov rsi, text_hypervisor
    call print
    mov eax, CPUID_XEN
    cpuid
    mov [text_buffer], ebx
    mov [text_buffer + 4], ecx
    mov [text_buffer + 8], edx
    mov byte ptr [text_buffer + 12], 0
    call print_buffer
    mov rsi, text_version
    call print
    mov eax, CPUID_XEN + 1
    cpuid
    mov r12d, eax
    shr eax, 16
    call print_decimal
    mov al, '.'
    call put
    movzx eax, r12w
    call print_decimal
    jmp newline

print_buffer:
    mov rsi, text_buffer
    jmp print

show_command_line:
    mov eax, [start_info]
    mov r12, [rax + INFO_COMMAND_LINE]
    test r12, r12
    jz 1f
    mov rsi, text_command_line
    call print
    mov rsi, r12
    call print
    jmp newline
1:  ret

clear:
    mov rsi, text_clear
    jmp print

poweroff:
    mov rsi, text_bye
    call print
    call console_flush
    xor edi, edi                # SHUTDOWN_POWEROFF
    jmp shutdown

reboot:
    mov edi, SHUTDOWN_REBOOT
    jmp shutdown

# An undefined opcode: the trap handler reports it and ends the domain.
crash:
    ud2

name_help: .asciz "help"
name_time: .asciz "time"
name_clock: .asciz "clock"
name_mem: .asciz "mem"
name_cpuid: .asciz "cpuid"
name_clear: .asciz "clear"
name_halt: .asciz "halt"
name_poweroff: .asciz "poweroff"
name_reboot: .asciz "reboot"
name_crash: .asciz "crash"
about_help: .asciz "this list"
about_time: .asciz "how long the machine has run, and the date"
about_clock: .asciz "a running clock, until a key is pressed"
about_mem: .asciz "the memory map"
about_cpuid: .asciz "processor and hypervisor"
about_clear: .asciz "clear the screen"
about_halt: .asciz "switch the domain off"
about_reboot: .asciz "start again"
about_crash: .asciz "run into an exception and crash the domain"
text_up: .asciz "up "
text_ticks: .asciz ", timer ticks "
text_clock: .asciz "\n"
text_utc: .asciz " UTC\n"
text_ram: .asciz "  RAM\n"
text_other: .asciz "  reserved\n"
text_kib: .asciz " KiB of RAM\n"
text_processor: .asciz "processor   "
text_signature: .asciz "\nsignature   "
text_features: .asciz "\nfeatures    "
text_hypervisor: .asciz "\nhypervisor  "
text_version: .asciz " "
text_command_line: .asciz "command line: "
text_clear: .asciz "\e[H\e[2J"
text_bye: .asciz "bye\n"
