# Hypercalls, event channels and time. [XEN] public/arch-x86/xen.h, event_channel.h, vcpu.h, sched.h, hvm/params.h

HYPERCALL_SLOT = 32
CPUID_XEN_MSR = 0x40000002      # EBX: the MSR that places the hypercall page

# Calls hypercall \number; arguments in RDI, RSI, RDX, R10, R8, result in RAX.
.macro hypercall number
    call hypercall_page + \number * HYPERCALL_SLOT
.endm

UPCALL_VECTOR = 0xf3
CALLBACK_BY_VECTOR = 2 << 56    # HVM_PARAM_CALLBACK_IRQ: straight to a vector, without an APIC
NS_PER_TICK = 100000000
NS_PER_SECOND = 1000000000

# shared_info and vcpu_info of vCPU 0, which starts it
UPCALL_PENDING = shared_info
PENDING_SELECTOR = shared_info + 8
TIME_RECORD = shared_info + 32
EVENTS_PENDING = shared_info + 2048
EVENTS_MASKED = shared_info + 2560
WALL_CLOCK_SECONDS = shared_info + 3076
WALL_CLOCK_SECONDS_HIGH = shared_info + 3084

hypercalls_init:
    push rbx
    mov eax, CPUID_XEN_MSR
    cpuid
    mov ecx, ebx
    mov eax, hypercall_page
    xor edx, edx
    wrmsr
    pop rbx
    ret

# Makes Xen show its shared page where ours is, and lets events interrupt at UPCALL_VECTOR.
events_init:
    mov edi, XENMEM_ADD_TO_PHYSMAP
    mov rsi, map_shared_info
    hypercall MEMORY_OP
    mov ecx, UPCALL_VECTOR
    mov rdx, upcall
    call set_gate
    mov rax, CALLBACK_BY_VECTOR | UPCALL_VECTOR
    mov [hvm_param_value], rax
    mov dword ptr [hvm_param_index], HVM_PARAM_CALLBACK_IRQ
    mov edi, HVMOP_SET_PARAM
    mov rsi, hvm_param
    hypercall HVM_OP
    mov edi, EVTCHNOP_BIND_VIRQ
    mov rsi, bind_timer
    hypercall EVENT_CHANNEL_OP
    mov eax, [bind_timer_port]
    mov [timer_port], eax
# Lets events of port eax through.
unmask:
    mov [unmask_port], eax
    mov edi, EVTCHNOP_UNMASK
    mov rsi, unmask_port
    hypercall EVENT_CHANNEL_OP
    ret

# Value of HVM parameter edi in RAX.
get_hvm_param:
    mov [hvm_param_index], edi
    mov edi, HVMOP_GET_PARAM
    mov rsi, hvm_param
    hypercall HVM_OP
    mov rax, [hvm_param_value]
    ret

# Event: takes every pending bit and notes what its port stands for.
upcall:
    push rax; push rcx; push rdx; push rsi; push rdi
    mov byte ptr [UPCALL_PENDING], 0
    xor eax, eax
    xchg [PENDING_SELECTOR], rax
1:  bsf rcx, rax
    jz 4f
    btr rax, rcx
2:  mov rdx, [EVENTS_MASKED + rcx * 8]
    not rdx
    and rdx, [EVENTS_PENDING + rcx * 8]
    jz 1b
    bsf rdi, rdx
    lock btr [EVENTS_PENDING + rcx * 8], rdi
    mov esi, ecx
    shl esi, 6
    add esi, edi
    cmp esi, [timer_port]
    jne 3f
    mov byte ptr [timer_fired], 1
3:  mov byte ptr [event_seen], 1
    jmp 2b
4:  pop rdi; pop rsi; pop rdx; pop rcx; pop rax
    iretq

# Nanoseconds since the machine started, in RAX: the pvclock record, read again while it is being written.
clock_now:
    mov r8d, [TIME_RECORD]
    test r8d, 1
    jnz clock_now
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, [TIME_RECORD + 8]
    mov ecx, [TIME_RECORD + 28]
    movsx ecx, cl
    test ecx, ecx
    js 1f
    shl rax, cl
    jmp 2f
1:  neg ecx
    shr rax, cl
2:  mov edx, [TIME_RECORD + 24]
    mul rdx
    shrd rax, rdx, 32
    add rax, [TIME_RECORD + 16]
    cmp r8d, [TIME_RECORD]
    jne clock_now
    ret

# Asks for the next tick, a period after the last was due.
timer_next:
    mov rax, [timer_deadline]
    add rax, NS_PER_TICK
    mov [timer_deadline], rax
    mov edi, VCPUOP_SET_SINGLESHOT
    xor esi, esi
    mov rdx, timer_deadline
    hypercall VCPU_OP
    ret

timer_start:
    call clock_now
    mov [timer_deadline], rax
    jmp timer_next

# Sleeps until an event; returns at once when one came since the last time.
wait_for_event:
    cli
    cmp byte ptr [event_seen], 0
    jne 1f
    sti
    hlt
1:  mov byte ptr [event_seen], 0
    sti
    cmp byte ptr [timer_fired], 0
    je 2f
    mov byte ptr [timer_fired], 0
    inc qword ptr [ticks]
    call timer_next
2:  ret

# Ends the domain for reason edi.
shutdown:
    mov [shutdown_reason], edi
    mov edi, SCHEDOP_SHUTDOWN
    mov rsi, shutdown_reason
    hypercall SCHED_OP
1:  hlt
    jmp 1b

.align 8
map_shared_info:
    .word DOMID_SELF, 0
    .long 0                     # XENMAPSPACE_shared_info
    .quad 0, shared_info >> 12
hvm_param:
    .word DOMID_SELF, 0
hvm_param_index: .long 0
hvm_param_value: .quad 0
bind_timer:
    .long VIRQ_TIMER, 0
bind_timer_port: .long 0
unmask_port: .long 0
timer_port: .long 0
timer_deadline: .quad 0, 0      # and flags
ticks: .quad 0
shutdown_reason: .long 0
timer_fired: .byte 0
event_seen: .byte 0
