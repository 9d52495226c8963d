/**
 * What stops a repeated string instruction between two iterations: an interrupt from outside, a page fault, a single
 * step, a data breakpoint. Each finds the registers of the iterations done, RIP at the instruction, and the instruction
 * completes when it is returned to.
 * Proves [SDM] vol. 2, "REP" (interrupts and exceptions between iterations); vol. 3, 6.5 (faults are restarted), 18.3.1.2
 * (data breakpoints are traps), 18.3.1.4 (single step between iterations), 18.3.1.1 (an execution breakpoint and RF; QEMU
 * 7.2 meets it before each iteration).
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

/** Source, destination and length of what takes long enough for a timer of TICKS to find it under way. */
const SOURCE = 0x1000000;
const TARGET = 0x1800000;
const LONG = 0x400000;
const TICKS = 200_000;
/** Rounds that a loop must go for its region to be made. */
const ROUNDS = 100_000;
/** Two pages; the second is present when a check's handler has made it so. */
const WINDOW = 0x40000000;
const PAGE = 0x1000;

const arm = `mov dword ptr [interrupts], 0; mov dword ptr [apic + 0x3e0], 0xb; mov dword ptr [apic + 0x320], 0x30; mov dword ptr [apic + 0x380], ${TICKS}; sti; nop`;
/** What the handler of one interrupt saw: where, whether in the middle, and whether the registers agree with the count. */
const seen = (label: string, unit: number, up = true): string => `
    cli
    mov eax, [interrupts]; show "count"
    mov rax, [seen_rip]; sub rax, ${label}; show "at"
    mov rax, [seen_rcx]; dec rax; cmp rax, ${LONG / unit - 1}; setb al; movzx eax, al; show "inside"
    mov rax, [seen_rdi]; sub rax, [first_rdi]${up ? "" : "; neg rax"}; mov rdx, [seen_rcx]; imul rdx, rdx, ${unit}; add rax, rdx; sub rax, ${LONG}; show "rdi"
    mov rax, [seen_rsi]; sub rax, [first_rsi]${up ? "" : "; neg rax"}; add rax, rdx; sub rax, ${LONG}; show "rsi"
    mov rax, rcx; show "left"
    mov rax, rdi; sub rax, [first_rdi]${up ? "" : "; neg rax"}; show "end"
    cld`;
const start = (from: number, to: number): string =>
  `mov esi, ${from}; mov edi, ${to}; mov [first_rsi], rsi; mov [first_rdi], rdi`;
/**
 * What is to be interrupted ends a loop that has gone round with nothing to repeat, so that it is compiled where anything
 * is: at a count of 0 what is set up takes the last round. `after` belongs to the loop.
 */
const often = (label: string, instruction: string, setUp: string, after = ""): string => `
    xor ecx, ecx; mov ebp, ${ROUNDS}
${label}: ${instruction}
    ${after}
    dec ebp
    js 2f
    jnz ${label}
    ${setUp}
    jmp ${label}
2:  `;
const EQUAL = "setz [equal]";
const away =
  "and dword ptr [window_table + 8], ~1; mov rax, cr3; mov cr3, rax; mov dword ptr [traps], 0; mov qword ptr [steps], 0";
/** What the handler of a page fault saw, and what is left afterwards. */
const faulted = (label: string): string => `
    mov eax, [traps]; show "faults"
    mov eax, [seen_error]; show "e"
    mov rax, [seen_cr2]; show "cr2"
    mov rax, [seen_rip]; sub rax, ${label}; show "at"
    mov rax, [seen_rcx]; show "rcx"
    mov rax, [seen_rsi]; show "rsi"
    mov rax, [seen_rdi]; show "rdi"
    mov eax, ecx; show "left"`;
const stepping = "pushfq; or dword ptr [rsp], 0x100; popfq";
const stop = "pushfq; and dword ptr [rsp], ~0x100; popfq; mov rax, [seen_steps]";

export const repeatedStrings = longProgram(
  "repeated string instructions",
  [
    check(
      "an interrupt in REP STOSB",
      `${often("rep_stos", "rep stosb", `${start(0, TARGET)}; mov ecx, ${LONG}; mov al, 0x5a; ${arm}`)}
    ${seen("rep_stos", 1).replace(/\n.*"rsi"/, "")}
    movzx eax, byte ptr [seen_before]; show "done"
    movzx eax, byte ptr [seen_at]; show "next"
    movzx eax, byte ptr [${TARGET + LONG - 1}]; show "last"`,
      "count=1 at=0 inside=1 rdi=0 left=0 end=400000 done=5a next=0 last=5a ran",
    ),
    check(
      "an interrupt in REP MOVSB",
      `mov edi, ${SOURCE}; mov ecx, ${LONG / 4}; mov eax, 0x81828384; rep stosd
    ${often("rep_movs", "rep movsb", `${start(SOURCE, TARGET)}; mov ecx, ${LONG}; ${arm}`)}
    ${seen("rep_movs", 1)}
    movzx eax, byte ptr [seen_at]; show "next"
    mov eax, [${TARGET + LONG - 4}]; show "last"`,
      "count=1 at=0 inside=1 rdi=0 rsi=0 left=0 end=400000 next=5a last=81828384 ran",
    ),
    check(
      "an interrupt in REP MOVSD going down",
      `${often("rep_down", "rep movsd", `${start(SOURCE + LONG - 4, TARGET + LONG - 4)}; mov ecx, ${LONG / 4}; ${arm}; std`)}
    ${seen("rep_down", 4, false)}`,
      "count=1 at=0 inside=1 rdi=0 rsi=0 left=0 end=400000 ran",
    ),
    check(
      "an interrupt in REPE CMPSB",
      `${often("rep_cmps", "repe cmpsb", `${start(SOURCE, TARGET)}; mov ecx, ${LONG}; ${arm}`, EQUAL)}
    ${seen("rep_cmps", 1)}
    mov eax, [seen_flags]; and eax, 0x40; show "zf"
    movzx eax, byte ptr [equal]; show "equal"`,
      "count=1 at=0 inside=1 rdi=0 rsi=0 left=0 end=400000 zf=40 equal=1 ran",
    ),
    check(
      "an interrupt in REPNE SCASW",
      `${often("rep_scas", "repne scasw", `${start(0, TARGET)}; mov ecx, ${LONG / 2}; xor eax, eax; ${arm}`, EQUAL)}
    ${seen("rep_scas", 2).replace(/\n.*"rsi"/, "")}
    movzx eax, byte ptr [equal]; show "equal"`,
      "count=1 at=0 inside=1 rdi=0 left=0 end=400000 equal=0 ran",
    ),
    check(
      "a page fault in REP MOVSB, at the destination",
      `${often("fault_movs", "rep movsb", `${away}; ${start(SOURCE, WINDOW)}; mov ecx, ${PAGE + 0x800}`)}
    ${faulted("fault_movs")}
    mov eax, [${WINDOW + PAGE + 0x7fc}]; show "last"`,
      "faults=1 e=2 cr2=40001000 at=0 rcx=800 rsi=1001000 rdi=40001000 left=0 last=81828384 ran",
    ),
    check(
      "a page fault in REP MOVSD, at the source",
      `${often("fault_read", "rep movsd", `${away}; ${start(WINDOW + 8, TARGET)}; mov ecx, ${PAGE / 4}`)}
    ${faulted("fault_read")}`,
      "faults=1 e=0 cr2=40001000 at=0 rcx=2 rsi=40001000 rdi=1800ff8 left=0 ran",
    ),
    check(
      "an element that lies across the page boundary is not begun",
      `${often("fault_across", "rep stosq", `${away}; ${start(SOURCE, WINDOW + 4)}; mov ecx, ${PAGE / 8}; mov rax, 0x1122334455667788`)}
    ${faulted("fault_across")}
    mov eax, [${WINDOW + PAGE - 4}]; show "low"; mov eax, [${WINDOW + PAGE}]; show "high"`,
      "faults=1 e=2 cr2=40001000 at=0 rcx=1 rsi=1000000 rdi=40000ffc left=0 low=55667788 high=11223344 ran",
    ),
    check(
      "a page fault in REPE CMPSB",
      `${away}; mov esi, ${SOURCE}; mov edi, ${WINDOW}; mov ecx, ${PAGE}; rep movsb
    ${often("fault_cmps", "repe cmpsb", `${away}; ${start(SOURCE, WINDOW)}; mov ecx, ${PAGE + 4}`, EQUAL)}
    ${faulted("fault_cmps")}
    movzx eax, byte ptr [equal]; show "equal"`,
      "faults=1 e=0 cr2=40001000 at=0 rcx=4 rsi=1001000 rdi=40001000 left=3 equal=0 ran",
    ),
    check(
      "a page fault going down",
      `${often("fault_down", "rep movsb", `${away}; std; ${start(SOURCE + 7, WINDOW + PAGE + 3)}; mov ecx, 8; or dword ptr [window_table + 8], 1; and dword ptr [window_table], ~1; invlpg [${WINDOW}]`)}
    cld
    ${faulted("fault_down")}`,
      "faults=1 e=2 cr2=40000fff at=0 rcx=4 rsi=1000003 rdi=40000fff left=0 ran",
    ),
    check(
      "single step stops after each iteration",
      `${away}; ${start(SOURCE, TARGET)}; mov ecx, 4; ${stepping}
step_movs: rep movsb
    nop
    ${stop}; mov rax, [steps]; show "rcx"
    mov eax, [inside_rep]; show "inside"`,
      "rcx=32100000 inside=3 ran",
    ),
    check(
      "a page fault of an iteration under single step",
      `${away}; mov dword ptr [inside_rep], 0; ${start(SOURCE, WINDOW + PAGE - 2)}; mov ecx, 4; ${stepping}
step_fault: rep movsb
    nop
    ${stop}; mov rax, [steps]; show "rcx"
    mov eax, [inside_rep]; show "inside"
    mov eax, [seen_flags]; and eax, 0x100; show "tf"
    ${faulted("step_fault")}`,
      "rcx=32100000 inside=3 tf=100 faults=1 e=2 cr2=40001000 at=0 rcx=2 rsi=1000002 rdi=40001000 left=0 ran",
    ),
    check(
      "a data breakpoint stops after its iteration",
      `${away}; ${start(SOURCE, WINDOW)}; mov eax, ${WINDOW + 5}; mov dr0, rax; mov eax, 0x10001; mov dr7, rax; mov ecx, 16
watch_movs: rep movsb
    xor eax, eax; mov dr7, rax
    mov eax, [debugs]; show "count"
    mov rax, [seen_rip]; sub rax, watch_movs; show "at"
    mov rax, [seen_rcx]; show "rcx"
    mov rax, [seen_dr6]; show "dr6"
    mov eax, ecx; show "left"`,
      "count=1 at=0 rcx=a dr6=ffff0ff1 left=0 ran",
    ),
    check(
      "an execution breakpoint stops once, before the first iteration",
      `${away}; mov dword ptr [debugs], 0; ${start(SOURCE, TARGET)}; mov rax, break_movs; mov dr0, rax; mov eax, 1; mov dr7, rax; mov ecx, 16
break_movs: rep movsb
    xor eax, eax; mov dr7, rax
    mov eax, [debugs]; show "count"
    mov rax, [seen_rip]; sub rax, break_movs; show "at"
    mov rax, [seen_rcx]; show "rcx"
    mov rax, [seen_dr6]; show "dr6"
    mov eax, ecx; show "left"`,
      "count=1 at=0 rcx=10 dr6=ffff0ff1 left=0 ran",
    ),
  ],
  {
    prepare: `
    mov al, 0xff; out 0x21, al; out 0xa1, al
    # Above 1 GiB: the window's page table, and the APIC's registers.
    mov qword ptr [page_pointers + 8], window_directory + 7
    mov qword ptr [window_directory], window_table + 7
    mov eax, 0xfee00000 | 0x97
    mov [window_directory + 8], rax
    mov qword ptr [window_table], window_pages + 7
    mov qword ptr [window_table + 8], window_pages + ${PAGE} + 7
    mov dword ptr [apic + 0xf0], 0x1ff
    mov ecx, 0x30; mov rdx, on_timer; mov eax, 0x8e00; call set_gate
    mov ecx, 14; mov rdx, on_page_fault; mov eax, 0x8e00; call set_gate
    mov ecx, 1; mov rdx, on_debug; mov eax, 0x8e00; call set_gate`,
    data: `apic = ${WINDOW + 0x200000}
on_timer:
    call remember
    push rax
    mov rax, [rsp + 8]; mov [seen_rip], rax
    mov rax, [rsp + 24]; mov [seen_flags], eax
    mov al, [rdi - 1]; mov [seen_before], al
    mov al, [rdi]; mov [seen_at], al
    inc dword ptr [interrupts]
    mov dword ptr [apic + 0xb0], 0
    pop rax
    iretq
on_page_fault:
    call remember
    push rax
    mov rax, cr2; mov [seen_cr2], rax
    mov eax, [rsp + 8]; mov [seen_error], eax
    mov rax, [rsp + 16]; mov [seen_rip], rax
    mov rax, [rsp + 32]; mov [seen_flags], eax
    or dword ptr [window_table], 1
    or dword ptr [window_table + 8], 1
    inc dword ptr [traps]
    pop rax
    add rsp, 8
    iretq
# A step: RCX joins the list. A breakpoint: what it met, and on with RF set.
on_debug:
    push rax
    mov rax, dr6
    bt eax, 14
    jnc 1f
    mov rax, [rsp + 8]
    cmp word ptr [rax], 0xa4f3
    jne 2f
    inc dword ptr [inside_rep]
2:  mov rax, [steps]; shl rax, 4; or rax, rcx; mov [steps], rax
    jmp 3f
1:  mov [seen_dr6], rax
    mov rax, [rsp + 8]; mov [seen_rip], rax
    mov [seen_rcx], rcx
    inc dword ptr [debugs]
    or dword ptr [rsp + 24], 0x10000
3:  mov eax, 0xffff0ff0; mov dr6, rax
    pop rax
    iretq
remember:
    mov [seen_rcx], rcx; mov [seen_rsi], rsi; mov [seen_rdi], rdi
    ret
.align 8
first_rsi: .quad 0
first_rdi: .quad 0
seen_rip: .quad 0
seen_rcx: .quad 0
seen_rsi: .quad 0
seen_rdi: .quad 0
seen_cr2: .quad 0
seen_dr6: .quad 0
seen_steps: .quad 0
steps: .quad 0
seen_error: .long 0
seen_flags: .long 0
interrupts: .long 0
traps: .long 0
debugs: .long 0
inside_rep: .long 0
seen_before: .byte 0
seen_at: .byte 0
equal: .byte 0`,
    bss: `.align 4096\nwindow_directory: .skip 4096\nwindow_table: .skip 4096\nwindow_pages: .skip ${2 * PAGE}`,
  },
);
