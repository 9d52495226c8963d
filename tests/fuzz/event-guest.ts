/**
 * A guest that spoils what it shares with the hypervisor for event channels and time: bitmaps and masks in shared_info,
 * FIFO control blocks and event words, vcpu_infos at any address, runstate and time areas; and meanwhile sends, binds,
 * polls, sets timers and takes the pages away. The stream of its deeds follows from `seed`.
 */
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { AREAS, EVENTS, SPOIL } from "./event-deeds.js";
import { ENTER_LONG_MODE, RANDOM, seedConstant, TABLES } from "./hostile.js";

const ORIGIN = 0x100000;
/** Guest-physical memory that the program counts on. */
export const EVENT_GUEST_MIB = 32;
/** gfns that the guest gives away: its shared_info, and pages for everything else. */
export const SHARED_GFN = 0x1800;
export const GIVEN_GFN = 0x1801;
export const GIVEN_PAGES = 8;

/** Whom a guest of this kind spoils: queues of events, or the areas of its vCPUs. */
export type Target = "events" | "areas";

const START = `
.code64
start:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  lidt [idtr]
  mov r15, SEED
  mov qword ptr [buffer], 0x7ff0
  mov qword ptr [buffer + 8], 0
  mov qword ptr [buffer + 16], SHARED_GFN
  mov eax, 12
  mov edi, 7
  mov rsi, buffer
  vmcall
  mov edx, 0xfee00000
  mov dword ptr [rdx + 0xf0], 0x1ff
  # One seed in two takes its upcall as a vector of its own, the others by the callback.
  call random
  test eax, 1
  jz 1f
  mov qword ptr [buffer], 0
  mov byte ptr [buffer + 4], 0xf3
  mov eax, 34
  mov edi, 23
  vmcall
1: mov qword ptr [buffer], 0x7ff0
  mov rax, (2 << 56) | 0xf4
  mov [buffer + 8], rax
  mov eax, 34
  xor edi, edi
  vmcall
  mov eax, 0x40000004
  cpuid
  mov [self], ecx
  jmp main

handler: # An upcall is taken by it; so is every exception.
  mov edx, 0xfee00000
  mov dword ptr [rdx + 0xb0], 0
  mov rdx, [info_at]
  mov byte ptr [rdx], 0
  # One deed with interrupts off: the upcall may stay pending for ever, when its vcpu_info is out of reach by now.
  jmp deed
main:
  sti
deed:
  mov rsp, stack_top
  mov eax, DEEDS
  call below
  jmp [deeds + rax * 8]
`;

/** Pieces of arguments. */
const ARGUMENTS = `
below: # EAX: a random number below EAX
  push rcx
  mov ecx, eax
  call random
  shr rax, 20
  and eax, 0xffffff
  push rdx
  xor edx, edx
  div ecx
  mov eax, edx
  pop rdx
  pop rcx
  ret

port: # EAX: mostly one that may exist
  call random
  mov ecx, eax
  shr rax, 32
  test cl, 15
  jz 1f
  and eax, 0x3f
  ret
1: test cl, 16
  jz 2f
  and eax, 0x1fff
2: ret

vcpu: # EAX: one of two, seldom one that does not exist
  mov eax, 17
  call below
  shr eax, 3
  ret

given: # RAX: gfn of a page that it gives away
  mov eax, GIVEN_PAGES
  call below
  add eax, GIVEN_GFN
  ret

offset: # EAX: in a page, often aligned, often at its end
  call random
  shr rax, 16
  test eax, 0x10000
  jz 1f
  and eax, 0xff8
  test eax, 7
  ret
1: test eax, 0x20000
  jz 2f
  and eax, 0x7f
  add eax, 0xf80
  ret
2: and eax, 0x1fff
  ret

address: # RAX: virtual, for an area
  call random
  shr rax, 8
  mov ecx, eax
  and ecx, 7
  jz 1f
  cmp ecx, 1
  je 2f
  call given
  shl rax, 12
  mov rdx, rax
  call offset
  add rax, rdx
  ret
1: # Not mapped, not canonical, a device, nothing at all.
  mov eax, 4
  call below
  mov rax, [places + rax * 8]
  ret
2: mov eax, 0x4000
  call below
  add rax, buffer - 0x1000
  ret

event_op: # command EDI, structure in the buffer
  mov eax, 32
  mov rsi, buffer
  vmcall
  jmp main
neighbour: # EAX: itself, or the domain before or after
  mov eax, 3
  call below
  dec eax
  add eax, [self]
  movzx eax, ax
  ret
`;

const DEEDS: Record<Target, string> = {
  events: `send, send, send, send, send, send, unmask, unmask, unmask, unmask, close, status, ipi, ipi, virq, virq,
    offer, bind, move, priority, control, expand, reset, poll, shared, flood, page, page, head, take, consume, consume,
    consume`,
  areas: `info, info, info, runstate, runstate, runstate, runstate, time, time, time, ask_runstate, assist, assist,
    singleshot, singleshot, periodic, tsc, latch, send, send, unmask, ipi, close, virq, shared, page, head, head, head,
    take, consume, consume`,
};

let assembler: Promise<Assembler> | undefined;

/** The program as an ELF file for the domain builder. */
export async function eventKernel(seed: number, target: Target): Promise<Uint8Array> {
  assembler ??= loadTable().then((table) => new Assembler(table));
  const deeds = DEEDS[target].split(",").map((name) => name.trim());
  const data = `
.align 8
deeds: .quad ${deeds.join(", ")}
places: .quad 0x7f0000000ff8, 0x8000000000000000, 0xfee00000, 0xfffffffffffffff8
self: .quad 0
info_at: .quad SHARED_GFN * 4096
control_at: .quad GIVEN_GFN * 4096
narrow_pointer: .long narrow_code; .word 0x18
`;
  const define = { SEED: seedConstant(seed), SHARED_GFN, GIVEN_GFN, GIVEN_PAGES, DEEDS: deeds.length };
  const source = ENTER_LONG_MODE + START + RANDOM + ARGUMENTS + EVENTS + SPOIL + AREAS + data + TABLES;
  const image = (await assembler).assemble(source, { origin: ORIGIN, define });
  return pvhElf(image, Number(image.symbols.get("entry")));
}
