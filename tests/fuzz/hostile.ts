/**
 * A guest that does its worst: it enters long mode and then, for ever, makes hypercalls with arguments that are half
 * sensible and half random, and writes garbage to its xenstore and console rings, shared_info, grant table, local APIC,
 * MSRs and ports. Exceptions and interrupts of its own throw it back to its loop. What kills it is its own doing: whoever
 * runs it starts it again. The stream of its deeds follows from `seed`.
 */
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";

const ORIGIN = 0x100000;
/** Guest-physical memory that the program counts on. */
export const HOSTILE_MIB = 32;

/** Entered as PVH says: 4 GiB mapped one to one, an IDT whose every gate is `handler`; goes on at `start`. */
export const ENTER_LONG_MODE = `
.code32
entry:
  mov esp, stack_top
  mov edi, pml4
  mov eax, pdpt + 7
  mov [edi], eax
  mov edi, pdpt
  mov eax, pds + 7
  mov ecx, 4
1: mov [edi], eax
  add edi, 8
  add eax, 4096
  loop 1b
  mov edi, pds
  mov eax, 0x87
  mov ecx, 2048
1: mov [edi], eax
  add edi, 8
  add eax, 0x200000
  loop 1b
  mov edi, idt
  mov ecx, 256
1: mov eax, handler
  mov word ptr [edi], ax
  mov dword ptr [edi + 2], 0x8e000008
  shr eax, 16
  mov word ptr [edi + 6], ax
  add edi, 16
  loop 1b
  lgdt [gdtr]
  mov eax, cr4
  or eax, 0x620
  mov cr4, eax
  mov eax, pml4
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x101
  wrmsr
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  jmp 0x08:start
`;

/** Finds the rings, maps shared_info and a grant frame over RAM, and keeps what the loop needs in R12 to R15. */
const START = `
.code64
start:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  lidt [idtr]
  mov r15, SEED
  mov esi, 1
  call param
  shl rax, 12
  mov r12, rax
  mov esi, 2
  call param
  mov r14, rax
  mov esi, 17
  call param
  shl rax, 12
  mov r13, rax
  mov esi, 18
  call param
  mov [console_port], rax
  mov edx, 0
  mov ebx, SHARED_GFN
  call physmap
  mov edx, 1
  mov ebx, GRANT_GFN
  call physmap
  mov eax, 34
  mov edi, 23
  mov rsi, buffer
  mov qword ptr [rsi], 0
  mov byte ptr [rsi + 4], 0xf3
  vmcall
  mov eax, 0x40000004
  cpuid
  mov [self], ecx
  mov edx, 0xfee00000
  mov dword ptr [rdx + 0xf0], 0x1ff
  jmp main

param: # HVM param ESI
  mov qword ptr [buffer], 0x7ff0
  mov [buffer + 4], esi
  mov eax, 34
  mov edi, 1
  mov rsi, buffer
  vmcall
  mov rax, [buffer + 8]
  ret

physmap: # space EDX at gfn EBX
  mov qword ptr [buffer], 0x7ff0
  mov [buffer + 4], edx
  mov qword ptr [buffer + 8], 0
  mov [buffer + 16], rbx
  mov eax, 12
  mov edi, 7
  mov rsi, buffer
  vmcall
  ret
`;

/** The generator behind a guest's deeds: R15 is its state, never 0. */
export const RANDOM = `
random: # RAX
  mov rax, r15
  shl rax, 13
  xor r15, rax
  mov rax, r15
  shr rax, 7
  xor r15, rax
  mov rax, r15
  shl rax, 17
  xor r15, rax
  mov rax, r15
  ret
`;

/** Values that an argument might have. */
const VALUES = `
value: # RAX; changes RCX
  call random
  mov rcx, rax
  shr rcx, 40
  and ecx, 7
  jz 9f
  dec ecx
  jz 1f
  dec ecx
  jz 2f
  dec ecx
  jz 3f
  dec ecx
  jz 4f
  dec ecx
  jz 5f
  dec ecx
  jz 6f
  mov rax, buffer
9: ret
1: and eax, 0x3f
  ret
2: and eax, 0xff8
  add rax, buffer
  ret
3: and eax, 15
  neg rax
  add rax, buffer + 0x1fff
  ret
4: mov eax, 0x7ff0
  ret
5: and eax, 3
  ret
6: and eax, 0x1fff
  ret

fill: # 32 words of the buffer
  mov rbx, buffer
  mov ebp, 32
1: call value
  mov [rbx], eax
  add rbx, 4
  call random
  test al, 3
  jnz 2f
  mov dword ptr [rbx], 0
  add rbx, 4
2: dec ebp
  jnz 1b
  ret
`;

const LOOP = `
handler:
  mov edx, 0xfee00000
  mov dword ptr [rdx + 0xb0], 0
main:
  mov rsp, stack_top
  sti
  call fill
  call value
  mov r8, rax
  call value
  mov r10, rax
  call value
  mov rdx, rax
  call value
  mov rsi, rax
  call random
  test al, 7
  jz 1f
  mov rsi, buffer
1: test ah, 3
  jz 1f
  and edx, 7
1: call value
  mov rdi, rax
  call random
  test al, 7
  jz 1f
  mov edi, eax
  shr edi, 8
  and edi, 0x1f
1: shr rax, 16
  mov ecx, eax
  and eax, 0x3f
  test ecx, 0x700
  jz 1f
  and eax, 15
  movzx eax, byte ptr [numbers + rax]
1: cmp eax, 29
  jne 1f
  # To shut down or to block is allowed, but seldom.
  test ecx, 0xff000
  jz 1f
  xor edi, edi
1: vmcall
  call random
  mov rbx, rax
  shr rbx, 32
  and ebx, 31
  cmp ebx, 10
  ja main
  jmp [garbage + rbx * 8]

store_ring:
  call value
  mov ecx, ebx
  call random
  mov ecx, eax
  and ecx, 0x1c
  shr rax, 16
  and eax, 0x7ff
  mov [r12 + rcx + 0x800], eax
  call random
  mov rcx, rax
  and ecx, 0xff8
  call value
  mov [r12 + rcx], rax
  mov rax, r14
  jmp send
console_ring:
  call random
  mov ecx, eax
  and ecx, 0xc
  shr rax, 16
  mov [r13 + rcx + 0xc00], eax
  mov rax, [console_port]
send:
  mov [buffer], rax
  mov eax, 32
  mov edi, 4
  mov rsi, buffer
  vmcall
  jmp main
shared:
  call random
  mov rcx, rax
  and ecx, 0xff8
  call random
  mov [SHARED_GFN * 4096 + rcx], rax
  jmp main
grants:
  call random
  mov rcx, rax
  and ecx, 0xff8
  call value
  mov [GRANT_GFN * 4096 + rcx], rax
  jmp main
apic:
  call random
  mov rcx, rax
  and ecx, 0x3f0
  cmp ecx, 0x300
  je main
  call random
  mov edx, 0xfee00000
  mov [rdx + rcx], eax
  jmp main
msr:
  call random
  and eax, 15
  mov ecx, [msrs + rax * 4]
  call random
  mov rdx, rax
  shr rdx, 32
  test al, 3
  jz 1f
  xor edx, edx
1: wrmsr
  rdmsr
  jmp main
ports:
  call random
  mov edx, eax
  call random
  out dx, al
  in eax, dx
  jmp main
memory_ops: # a gfn of its own goes and comes back
  call random
  and eax, 0xfff
  add eax, 0x800
  mov [buffer + 256], rax
  mov rax, buffer + 256
  mov [buffer], rax
  mov qword ptr [buffer + 8], 1
  mov qword ptr [buffer + 16], 0
  mov qword ptr [buffer + 24], 0x7ff0
  call random
  mov edi, 1
  test al, 1
  jz 1f
  mov edi, 6
1: mov eax, 12
  mov rsi, buffer
  vmcall
  jmp main
`;

/** Grants to itself and to its neighbours by number, and uses of theirs. */
const GRANTS = `
neighbour: # EAX: itself, or the domain before or after
  call random
  and eax, 3
  cmp eax, 3
  jne 1f
  mov eax, 1
1: dec eax
  add eax, [self]
  movzx eax, ax
  ret

grant: # a valid entry
  call neighbour
  shl eax, 16
  mov ebx, eax
  call random
  and eax, 0x1d
  or eax, 1
  or ebx, eax
  call random
  mov ecx, eax
  and ecx, 0x1f
  shr rax, 8
  and eax, 0x1fff
  shl rax, 32
  or rax, rbx
  mov [GRANT_GFN * 4096 + rcx * 8], rax
  jmp main
map: # or unmap: host address, flags or handle, reference, domain
  call random
  and eax, 0x1ff000
  add eax, 0x1000000
  mov [buffer], rax
  call random
  and eax, 7
  or eax, 2
  mov [buffer + 8], eax
  call random
  and eax, 0x1f
  mov [buffer + 12], eax
  call neighbour
  mov [buffer + 16], rax
  call random
  mov edi, 0
  test al, 1
  jz 1f
  mov edi, 1
  mov qword ptr [buffer + 8], 0
  shr eax, 8
  and eax, 0xf
  mov [buffer + 16], rax
1: mov eax, 20
  mov rsi, buffer
  mov edx, 1
  vmcall
  jmp main
copy:
  call random
  and eax, 0x1f
  mov [buffer], rax
  call neighbour
  mov [buffer + 8], rax
  call random
  and eax, 0x1f
  mov [buffer + 16], rax
  call neighbour
  mov [buffer + 24], rax
  call random
  and eax, 0x0fff0fff
  mov [buffer + 10], ax
  shr eax, 16
  mov [buffer + 26], ax
  call random
  mov ebx, eax
  and ebx, 0x3ff
  mov [buffer + 32], bx
  shr eax, 16
  and eax, 3
  mov [buffer + 34], ax
  mov eax, 20
  mov edi, 5
  mov rsi, buffer
  mov edx, 1
  vmcall
  jmp main
`;

const DATA = `
.align 8
garbage: .quad store_ring, console_ring, shared, grants, apic, msr, ports, memory_ops, grant, map, copy
self: .quad 0
numbers: .byte 12, 13, 15, 17, 18, 20, 20, 21, 24, 29, 32, 32, 32, 33, 34, 12
msrs: .long 0x10, 0x1b, 0x3a, 0x174, 0x175, 0x176, 0x1a0, 0x277, 0x6e0, 0x808, 0x838, 0xc0000081, 0xc0000082, 0xc0000103, 0x40000000, 0x80b
console_port: .quad 0
`;

/** What ENTER_LONG_MODE needs, a descriptor of 32-bit code, 0x18, included; behind it only zeroed memory. */
export const TABLES = `
.align 8
gdt: .quad 0, 0xaf9b000000ffff, 0xcf93000000ffff, 0xcf9b000000ffff
gdtr: .word 31; .quad gdt
idtr: .word 4095; .quad idt
.bss
.align 4096
pml4: .skip 4096
pdpt: .skip 4096
pds: .skip 16384
idt: .skip 4096
.skip 8192
stack_top: .skip 16
.align 4096
buffer: .skip 8192
`;

let assembler: Promise<Assembler> | undefined;

/** First state of a guest's generator. */
export const seedConstant = (seed: number): bigint => BigInt.asUintN(62, BigInt(seed) * 0x9e3779b97f4a7c15n) | 1n;

/** The program as an ELF file for the domain builder. */
export async function hostileKernel(seed: number): Promise<Uint8Array> {
  assembler ??= loadTable().then((table) => new Assembler(table));
  const define = {
    SEED: seedConstant(seed),
    SHARED_GFN: 0x1800,
    GRANT_GFN: 0x1801,
  };
  const source = ENTER_LONG_MODE + START + RANDOM + VALUES + LOOP + GRANTS + DATA + TABLES;
  const image = (await assembler).assemble(source, { origin: ORIGIN, define });
  return pvhElf(image, Number(image.symbols.get("entry")));
}
