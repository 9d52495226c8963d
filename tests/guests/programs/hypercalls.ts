/**
 * Xen's hypercalls as 32-bit code makes them, and event channels that arrive as an interrupt of the I/O APIC.
 * Proves [XEN] arch-x86/xen-x86_32.h (registers, structures of 32-bit guests), hvm/params.h (HVM_PARAM_CALLBACK_IRQ, a
 * GSI and a PCI line), sched.h (SCHEDOP_watchdog).
 */

import { longProgram, SEL } from "../support/long.js";
import { check } from "../support/program.js";

const IOAPIC = 0x40000000;
const LAPIC = 0x40200000;
const SHARED = 0x2000000;
const GSI_VECTOR = 0x31;
const INTX_VECTOR = 0x32;
const LEVEL = 0x8000;

/** A hypercall of 32-bit code: EAX, and the arguments in EBX, ECX, EDX. */
const call32 = (nr: number, ebx: number | string, ecx: number | string = 0, edx: number | string = 0) =>
  `mov ebx, ${ebx}; mov ecx, ${ecx}; mov edx, ${edx}; mov eax, ${nr}; call narrow_call; mov eax, eax; `;
const call64 = (nr: number, rdi: number, rsi = "op") => `mov edi, ${rdi}; mov rsi, ${rsi}; mov eax, ${nr}; vmcall; `;
const words = (...values: (number | string)[]) =>
  values.map((value, i) => `mov dword ptr [op + ${4 * i}], ${value}; `).join("");
const route = (pin: number, entry: number) =>
  `mov dword ptr [${IOAPIC}], ${0x10 + 2 * pin}; mov dword ptr [${IOAPIC} + 0x10], ${entry}; `;
/** HVM_PARAM_CALLBACK_IRQ, high and low half. */
const callback = (high: number, low: number) => `${words(0x7ff0, 0, low, high)}${call64(34, 0)}`;
/** A new port of vCPU 0's, unmasked, to be sent through. */
const newPort = `${words(0, 0)}${call64(32, 7)}mov eax, [op + 4]; mov [op], eax; ${call64(32, 9)}`;
const clearUpcall = `mov byte ptr [${SHARED}], 0; mov qword ptr [${SHARED} + 8], 0; mov dword ptr [count], 0; `;
const letIn = 'sti; nop; nop; nop; nop; cli; mov eax, [count]; show "count"';

export const hypercalls = longProgram(
  "hypercalls",
  [
    check("xen_version of 32-bit code", `${call32(17, 7)}show "page"`, "page=1000 ran"),
    check(
      "what does not exist",
      `${call32(48, 1, "op")}show "mca"; ${call32(63, 0)}show "last"`,
      "mca=ffffffda last=ffffffda ran",
    ),
    check(
      "multicall: entries of 32 bytes",
      `${words(17, 0, 7, 0, 0, 0, 0, 0, 62, 0)}${call32(13, "op", 2)}show "result"; mov eax, [op + 4]; show "first"; mov eax, [op + 36]; show "second"`,
      "result=0 first=1000 second=ffffffda ran",
    ),
    check(
      "setup_table lists where the guest sees its frames",
      `${words(0x7ff0, 1, 0, 0x3000)}${call32(12, 7, "op")}show "add"; ${words(0x7ff0, 2, 0, "op + 32")}${call32(20, 2, "op", 1)}show "result"; movzx eax, word ptr [op + 8]; show "status"; mov eax, [op + 32]; show "first"; mov eax, [op + 36]; show "second"`,
      "add=0 result=0 status=0 first=3000 second=ffffffff ran",
    ),
    check(
      "grant copy: operations of 24 bytes",
      `mov dword ptr [op + 64], 0x12345678; mov eax, op; mov ecx, eax; shr eax, 12; and ecx, 0xfff; mov [op], eax; mov [op + 8], eax; lea edx, [ecx + 64]; shl edx, 16; or edx, 0x7ff0; mov [op + 4], edx; add edx, 0x200000; mov [op + 12], edx; mov dword ptr [op + 16], 8; mov word ptr [op + 20], 99
    ${call32(20, 5, "op", 1)}show "result"; movzx eax, word ptr [op + 20]; show "status"; mov eax, [op + 96]; show "copy"`,
      "result=0 status=0 copy=12345678 ran",
    ),
    check(
      "a watchdog is given and given up",
      `${words(0, 100)}${call32(29, 6, "op")}show "id"; ${words(1, 0)}${call32(29, 6, "op")}show "up"; ${call32(29, 6, "op")}show "again"`,
      "id=1 up=0 again=ffffffea ran",
    ),
    check(
      "the callback in 64-bit code takes the 64-bit shared_info",
      `mov dword ptr [op], 0x7ff0; mov dword ptr [op + 4], 0; mov qword ptr [op + 8], 0; mov qword ptr [op + 16], ${SHARED >> 12}; ${call64(12, 7)}show "add"; ${callback(0, 9)}show "set"; cmp dword ptr [${SHARED} + 3076], 0; setne al; movzx eax, al; show "clock"`,
      "add=0 set=0 clock=1 ran",
    ),
    check(
      "a level GSI is asserted while an upcall is pending",
      `${route(9, GSI_VECTOR | LEVEL)}${clearUpcall}mov dword ptr [clear_at], 3; ${newPort}${call64(32, 4)}${letIn}`,
      "count=3 ran",
    ),
    check("it is low when the guest has taken the upcall", letIn, "count=3 ran"),
    check(
      "it rises with the next one",
      `${clearUpcall}mov dword ptr [clear_at], 1; ${newPort}${call64(32, 4)}${letIn}`,
      "count=1 ran",
    ),
    check(
      "a PCI line is its GSI: device 1, INTB",
      `${callback(1 << 24, (1 << 11) | 1)}${route(21, INTX_VECTOR)}${clearUpcall}mov dword ptr [clear_at], 100; ${newPort}${call64(32, 4)}${letIn}`,
      "count=1 ran",
    ),
    check(
      "another line gets what is already pending",
      `${route(9, GSI_VECTOR | LEVEL)}mov dword ptr [count], 0; mov dword ptr [clear_at], 2; ${callback(0, 9)}${letIn}`,
      "count=2 ran",
    ),
  ],
  {
    prepare: `
    # 1 GiB shows the pages of the I/O APIC and of the local APIC.
    mov qword ptr [page_pointers + 8], io_directory + 7
    mov eax, 0xfec00000 | 0x97
    mov [io_directory], rax
    mov eax, 0xfee00000 | 0x97
    mov [io_directory + 8], rax
    mov dword ptr [${LAPIC} + 0xf0], 0x1ff
    mov ecx, ${GSI_VECTOR}; mov edx, upcall; mov eax, 0x8e00; call set_gate
    mov ecx, ${INTX_VECTOR}; mov edx, upcall; mov eax, 0x8e00; call set_gate`,
    data: `
# The hypercall in EAX, made in 32-bit code.
narrow_call:
    mov dword ptr [far_pointer], narrow_code; mov word ptr [far_pointer + 4], ${SEL.code32}
    jmp far fword ptr [far_pointer]
.code32
narrow_code:
    vmcall
    jmp ${SEL.code}:wide_code
.code64
wide_code:
    ret

# Takes the upcall, which stays pending until it has come clear_at times.
upcall:
    push rax
    inc dword ptr [count]
    mov eax, [count]
    cmp eax, [clear_at]
    jb 1f
    mov byte ptr [${SHARED}], 0
1:  mov dword ptr [${LAPIC} + 0xb0], 0
    pop rax
    iretq
.align 8
count: .long 0
clear_at: .long 0`,
    bss: ".align 4096\nio_directory: .skip 4096\nop: .skip 4096",
  },
);
