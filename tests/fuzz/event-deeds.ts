/**
 * What a guest of event-guest.ts does, in assembly: each deed uses its argument makers and ends at `main`. Event-channel
 * operations, garbage in shared pages, and the areas of vCPUs.
 */

export const EVENTS = `
send:
  call port
  mov [buffer], eax
  mov edi, 4
  jmp event_op
unmask:
  call port
  mov [buffer], eax
  mov edi, 9
  jmp event_op
close:
  call port
  mov [buffer], eax
  mov edi, 3
  jmp event_op
status:
  mov dword ptr [buffer], 0x7ff0
  call port
  mov [buffer + 4], eax
  mov edi, 5
  jmp event_op
ipi:
  call vcpu
  mov [buffer], eax
  mov edi, 7
  jmp event_op
virq:
  mov eax, 25
  call below
  mov [buffer], eax
  call vcpu
  mov [buffer + 4], eax
  mov edi, 1
  jmp event_op
offer:
  call neighbour
  shl eax, 16
  or eax, 0x7ff0
  mov [buffer], eax
  mov edi, 6
  jmp event_op
bind:
  call neighbour
  mov [buffer], eax
  call port
  mov [buffer + 4], eax
  mov edi, 0
  jmp event_op
move:
  call port
  mov [buffer], eax
  call vcpu
  mov [buffer + 4], eax
  mov edi, 8
  jmp event_op
priority:
  call port
  mov [buffer], eax
  mov eax, 18
  call below
  mov [buffer + 4], eax
  mov edi, 13
  jmp event_op
control:
  call given
  mov [buffer], rax
  call offset
  mov [buffer + 8], eax
  call vcpu
  mov [buffer + 12], eax
  mov edi, 11
  mov eax, 32
  mov rsi, buffer
  vmcall
  test eax, eax
  jnz main
  mov rax, [buffer]
  shl rax, 12
  mov ecx, [buffer + 8]
  add rax, rcx
  mov [control_at], rax
  jmp main
consume: # what tells of events is low again, so that the next one is told
  mov rdx, [info_at]
  mov qword ptr [rdx], 0
  mov qword ptr [rdx + 8], 0
  mov rdx, [control_at]
  mov dword ptr [rdx], 0
  call random
  test al, 1
  jz main
  mov ecx, 64
  mov edx, SHARED_GFN * 4096 + 2048
1: mov qword ptr [rdx], 0
  add rdx, 8
  loop 1b
  jmp main
expand:
  call given
  mov [buffer], rax
  mov edi, 12
  jmp event_op
reset: # seldom
  call random
  test eax, 0x3f0
  jnz main
  mov dword ptr [buffer], 0x7ff0
  mov edi, 10
  jmp event_op
poll:
  mov rax, buffer + 64
  mov [buffer], rax
  mov eax, 4
  call below
  mov [buffer + 8], rax
  call port
  mov [buffer + 64], eax
  call port
  mov [buffer + 68], eax
  call port
  mov [buffer + 72], eax
  mov qword ptr [buffer + 16], 1
  mov eax, 29
  mov edi, 3
  mov rsi, buffer
  vmcall
  jmp main
`;

export const SPOIL = `
shared: # any word of shared_info
  call random
  mov rcx, rax
  shr rcx, 32
  and ecx, 0xff8
  call random
  mov [SHARED_GFN * 4096 + rcx], rax
  jmp main
flood: # all of the masks, or of what is pending
  call random
  mov rbx, rax
  mov ecx, 64
  mov edx, SHARED_GFN * 4096 + 2048
  test bl, 1
  jz 1f
  add edx, 512
1: mov [rdx], rbx
  add rdx, 8
  loop 1b
  jmp main
page: # any word of a page given away
  call given
  shl rax, 12
  mov rdx, rax
  call random
  mov rcx, rax
  shr rcx, 32
  and ecx, 0xffc
  call random
  mov rbx, rax
  call random
  test al, 3
  jz 1f
  # An event word that links somewhere.
  and ebx, 0xf001007f
1: mov [rdx + rcx], ebx
  jmp main
head: # the first words, where control blocks and infos often are
  call given
  shl rax, 12
  mov rdx, rax
  call random
  mov rcx, rax
  shr rcx, 32
  and ecx, 0x7f
  mov [rdx + rcx], al
  jmp main
take: # a given page goes back, or comes again
  call given
  mov [buffer + 256], rax
  mov rax, buffer + 256
  mov [buffer], rax
  mov qword ptr [buffer + 8], 1
  mov qword ptr [buffer + 16], 0
  mov qword ptr [buffer + 24], 0x7ff0
  mov edi, 1
  call random
  test al, 1
  jz 1f
  mov edi, 6
1: mov eax, 12
  mov rsi, buffer
  vmcall
  jmp main
`;

export const AREAS = `
latch: # the layout of shared_info by the callback, from 64-bit or from 32-bit code
  mov qword ptr [buffer], 0x7ff0
  mov rax, (2 << 56) | 0xf4
  mov [buffer + 8], rax
  mov eax, 34
  xor edi, edi
  xor ebx, ebx
  mov rsi, buffer
  mov ecx, buffer
  mov rdx, r15
  test dl, 16
  jz 1f
  jmp far fword ptr [narrow_pointer]
.code32
narrow_code:
  vmcall
  jmp 0x08:main
.code64
1: vmcall
  jmp main
vcpu_op: # command EDI, structure in the buffer
  call vcpu
  mov esi, eax
  mov eax, 24
  mov rdx, buffer
  vmcall
  jmp main
info:
  call given
  mov [buffer], rax
  call offset
  mov [buffer + 8], rax
  call vcpu
  mov esi, eax
  mov edi, 10
  mov eax, 24
  mov rdx, buffer
  vmcall
  or eax, esi
  jnz main
  mov rax, [buffer]
  shl rax, 12
  mov ecx, [buffer + 8]
  add rax, rcx
  mov [info_at], rax
  jmp main
runstate:
  call address
  mov [buffer], rax
  mov edi, 5
  jmp vcpu_op
time:
  call address
  mov [buffer], rax
  mov edi, 13
  jmp vcpu_op
ask_runstate:
  call address
  mov rdx, rax
  call vcpu
  mov esi, eax
  mov edi, 4
  mov eax, 24
  vmcall
  jmp main
assist:
  call random
  mov edi, eax
  and edi, 1
  mov esi, 5
  mov eax, 21
  vmcall
  jmp main
singleshot: # in a moment; seldom, sleep until then
  mov rax, (1 << 63)
  mov [buffer], rax
  mov dword ptr [buffer + 8], 0
  mov eax, 34
  mov edi, 10
  mov rsi, buffer
  vmcall
  mov eax, 100000
  call below
  add [buffer], rax
  xor esi, esi
  mov edi, 8
  mov eax, 24
  mov rdx, buffer
  vmcall
  call random
  test eax, 0x3f0
  jnz main
  # For no port, so that the time ends it: what is pending may never be told again.
  mov rax, [buffer]
  mov [buffer + 16], rax
  mov qword ptr [buffer + 8], 0
  mov eax, 29
  mov edi, 3
  mov rsi, buffer
  vmcall
  jmp main
periodic:
  mov qword ptr [buffer], 1000000
  xor esi, esi
  mov edi, 6
  mov eax, 24
  mov rdx, buffer
  vmcall
  jmp main
tsc: # the time record follows IA32_TSC_ADJUST
  call random
  mov edx, eax
  mov ecx, 0x3b
  wrmsr
  jmp main
`;
