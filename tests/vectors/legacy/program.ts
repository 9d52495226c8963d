/**
 * The recorder: a bare-metal program that runs instructions in 32- and 16-bit protected mode, virtual-8086 mode and
 * real-address mode, and writes down what each left. It is entered in flat 32-bit mode as a PVH guest. Items lie
 * behind it in memory; the state after an instruction replaces the one before it. Whatever an instruction does ends in
 * an exception: INT3 bytes fill the code pages.
 *
 *   item   kind, address of the code, bytes of code with INT3 behind, the eight registers, EIP, EFLAGS, ES CS SS DS FS GS,
 *          vector, error code, CR2, the two windows
 */
import { CODE_BYTES, DATA, FILL, WINDOWS } from "../layout.js";
import {
  descriptorBits,
  globalTable,
  HOLES,
  LOCAL_TABLE,
  PHYSICAL,
  SEL,
  USER_PAGES,
  USER_VECTORS,
  WITH_ERROR,
} from "./settings.js";

export const ITEM = {
  kind: 0,
  codeAt: 4,
  code: 8,
  gpr: 32,
  eip: 64,
  eflags: 68,
  selectors: 72,
  trap: 96,
  error: 100,
  cr2: 104,
  windows: 112,
  bytes: 112 + WINDOWS[0].bytes + WINDOWS[1].bytes,
} as const;
export const CODE_ROOM = ITEM.gpr - ITEM.code;
/** Where the program is loaded, and items behind it. */
export const ORIGIN = 0x100000;
export const ITEMS = 0x400000;

/** Real-mode code and its data, in the first 64 KiB. */
const LOW = 0x8000;
/** Its stack is there too: a return to a 16-bit stack keeps the upper half of ESP, which so is zero. */
const STACK = 0x7f00;
const REAL_STACK = 0x7000;
const VECTORS = Array.from({ length: 256 }, (_, n) => n);
const low = (label: string): string => `(${label} - low_code + ${LOW})`;
const quad = (d: Parameters<typeof descriptorBits>[0]): string => `0x${descriptorBits(d).toString(16)}`;
const windowAt = (n: 0 | 1): number => WINDOWS[n].at - DATA + PHYSICAL.data;

/** Page-table entries that are not supervisor pages of the identity mapping: index of the directory entry, of the page, entry. */
function pageEntries(): string {
  const stores = USER_PAGES.map(({ linear, physical, writable }) => {
    const table = { 0: "low_pages", 64: "data_pages", 128: "code_pages" }[linear >>> 22];
    return `mov dword ptr [${table} + ${((linear >>> 12) & 0x3ff) * 4}], ${physical | (writable ? 0x67 : 0x65)}`;
  });
  const holes = HOLES.map((page) => `mov dword ptr [low_pages + ${(page >>> 12) * 4}], 0`);
  return [...stores, ...holes].join("\n    ");
}

const ENTRY = `
.code32
start:
    mov esp, ${STACK}
    mov al, 0xff; out 0x21, al; out 0xa1, al      # no interrupts from outside
    mov esi, low_code; mov edi, ${LOW}; mov ecx, low_end - low_code; cld; rep movsb
    call make_pages
    call make_gates
    mov eax, tss
    mov [gdt + ${SEL.tss} + 2], ax; shr eax, 16; mov [gdt + ${SEL.tss} + 4], al
    mov eax, ldt
    mov [gdt + ${SEL.ldt} + 2], ax; shr eax, 16; mov [gdt + ${SEL.ldt} + 4], al
    mov dword ptr [tss + 4], ${STACK}; mov dword ptr [tss + 8], ${SEL.data}
    mov word ptr [tss + 102], 0x68
    and byte ptr [gdt + ${SEL.tss} + 5], 0xfd
    lgdt [gdt_pointer]
    jmp ${SEL.code}:1f
1:  mov eax, ${SEL.data}; mov ds, eax; mov es, eax; mov ss, eax
    lidt [idt_pointer]
    mov eax, ${SEL.ldt}; lldt ax
    mov eax, ${SEL.tss}; ltr ax
    mov eax, page_directory; mov cr3, eax
    mov eax, 0x10; mov cr4, eax
    mov eax, 0x80010031; mov cr0, eax
    mov edi, ${PHYSICAL.code}; mov eax, ${FILL * 0x01010101}; mov ecx, ${CODE_BYTES / 4}; rep stosd
    mov dword ptr [current], ${ITEMS}

# Items, until one whose code is at address zero.
next:
    mov ebx, [current]
    cmp dword ptr [ebx + ${ITEM.codeAt}], 0
    je finished
    lea esi, [ebx + ${ITEM.windows}]
    mov edi, ${windowAt(0)}; mov ecx, ${WINDOWS[0].bytes / 4}; rep movsd
    mov edi, ${windowAt(1)}; mov ecx, ${WINDOWS[1].bytes / 4}; rep movsd
    lea esi, [ebx + ${ITEM.code}]
    mov edi, [ebx + ${ITEM.codeAt}]; mov ecx, ${CODE_ROOM / 4}; rep movsd
    xor eax, eax; mov cr2, eax
    cmp dword ptr [ebx], 1
    ja enter_real
    jb 1f
    push dword ptr [ebx + ${ITEM.selectors + 20}]; push dword ptr [ebx + ${ITEM.selectors + 16}]
    push dword ptr [ebx + ${ITEM.selectors + 12}]; push dword ptr [ebx + ${ITEM.selectors}]
1:  push dword ptr [ebx + ${ITEM.selectors + 8}]; push dword ptr [ebx + ${ITEM.gpr + 16}]
    push dword ptr [ebx + ${ITEM.eflags}]
    push dword ptr [ebx + ${ITEM.selectors + 4}]; push dword ptr [ebx + ${ITEM.eip}]
    ${VECTORS.slice(0, 8)
      .map((n) => `push dword ptr [ebx + ${ITEM.gpr + 4 * n}]`)
      .join("; ")}
    cmp dword ptr [ebx], 1
    je 2f
    mov es, [ebx + ${ITEM.selectors}]
    mov fs, [ebx + ${ITEM.selectors + 16}]; mov gs, [ebx + ${ITEM.selectors + 20}]
    mov ds, [ebx + ${ITEM.selectors + 12}]
2:  popad
    iretd

finished:
    xor eax, eax; mov edx, 0xf4; out dx, al
1:  hlt; jmp 1b

make_pages:
    mov edi, page_directory; mov eax, 0x83; mov ecx, 64
1:  mov [edi], eax; add edi, 4; add eax, 0x400000; loop 1b
    mov edi, low_pages; mov eax, 0x63; mov ecx, 1024
1:  mov [edi], eax; add edi, 4; add eax, 0x1000; loop 1b
    mov dword ptr [page_directory], low_pages + 7
    mov dword ptr [page_directory + 0x100], data_pages + 7
    mov dword ptr [page_directory + 0x200], code_pages + 7
    ${pageEntries()}
    ret

make_gates:
    xor ecx, ecx
1:  mov eax, ecx; shl eax, 4; add eax, stubs
    mov [idt + ecx * 8], ax
    mov word ptr [idt + ecx * 8 + 2], ${SEL.code}
    mov word ptr [idt + ecx * 8 + 4], 0x8e00
    shr eax, 16; mov [idt + ecx * 8 + 6], ax
    mov eax, ecx; shl eax, 4; add eax, ${low("real_stubs")}
    mov [ecx * 4], eax
    inc ecx
    cmp ecx, 256
    jb 1b
    ${VECTORS.filter(USER_VECTORS)
      .map((n) => `mov byte ptr [idt + ${n * 8 + 5}], 0xee`)
      .join("\n    ")}
    ret
`;

const TRAPS = `
.align 16
stubs:
${VECTORS.map((n) => `.align 16\n    push ${n}; jmp trap`).join("\n")}

trap:
    push ds; push es; push fs; push gs
    pushad
    cld
    mov eax, ${SEL.data}; mov ds, eax; mov es, eax
    mov ebx, [current]
    lea edi, [ebx + ${ITEM.gpr}]
    mov eax, [esp + 28]; stosd
    mov eax, [esp + 24]; stosd
    mov eax, [esp + 20]; stosd
    mov eax, [esp + 16]; stosd
    add edi, 4
    mov eax, [esp + 8]; stosd
    mov eax, [esp + 4]; stosd
    mov eax, [esp]; stosd
    lea esi, [esp + 48]
    lodsd; mov [ebx + ${ITEM.trap}], eax
    mov dword ptr [ebx + ${ITEM.error}], 0
    mov edx, ${WITH_ERROR.reduce((mask, n) => mask | (1 << n), 0)}
    cmp eax, 31
    ja 1f
    bt edx, eax
    jnc 1f
    lodsd; mov [ebx + ${ITEM.error}], eax
1:  lodsd; mov [ebx + ${ITEM.eip}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors + 4}], eax
    mov edx, eax
    lodsd; mov [ebx + ${ITEM.eflags}], eax
    test eax, 0x20000
    jnz 2f
    test edx, 3
    jz broken
    lodsd; mov [ebx + ${ITEM.gpr + 16}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors + 8}], eax
    movzx eax, word ptr [esp + 40]; mov [ebx + ${ITEM.selectors}], eax
    movzx eax, word ptr [esp + 44]; mov [ebx + ${ITEM.selectors + 12}], eax
    movzx eax, word ptr [esp + 36]; mov [ebx + ${ITEM.selectors + 16}], eax
    movzx eax, word ptr [esp + 32]; mov [ebx + ${ITEM.selectors + 20}], eax
    jmp 3f
2:  lodsd; mov [ebx + ${ITEM.gpr + 16}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors + 8}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors + 12}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors + 16}], eax
    lodsd; and eax, 0xffff; mov [ebx + ${ITEM.selectors + 20}], eax
3:  mov eax, cr2; mov [ebx + ${ITEM.cr2}], eax
    mov esp, ${STACK}

# The windows, the code page as it was, and the next item.
collect:
    lea edi, [ebx + ${ITEM.windows}]
    mov esi, ${windowAt(0)}; mov ecx, ${WINDOWS[0].bytes / 4}; rep movsd
    mov esi, ${windowAt(1)}; mov ecx, ${WINDOWS[1].bytes / 4}; rep movsd
    mov edi, [ebx + ${ITEM.codeAt}]; mov eax, ${FILL * 0x01010101}; mov ecx, ${CODE_ROOM / 4}; rep stosd
    add dword ptr [current], ${ITEM.bytes}
    jmp next

# An exception of the recorder's own.
broken:
    mov eax, 1; mov edx, 0xf4; out dx, al
1:  hlt; jmp 1b

enter_real:
    lea esi, [ebx + ${ITEM.gpr}]; mov edi, ${low("saved")}; mov ecx, 16; rep movsd
    mov eax, [ebx + ${ITEM.eip}]; mov [${low("real_target")}], ax
    mov eax, [ebx + ${ITEM.selectors + 4}]; mov [${low("real_target")} + 2], ax
    jmp ${SEL.code}:${low("leave_paging")}

# Back from real-address mode.
real_done:
    mov eax, 0x80010031; mov cr0, eax
    lidt [idt_pointer]
    mov ebx, [current]
    mov esi, ${low("saved")}; lea edi, [ebx + ${ITEM.gpr}]; mov ecx, 16; rep movsd
    mov eax, [${low("vector")}]; mov [ebx + ${ITEM.trap}], eax
    xor eax, eax; mov [ebx + ${ITEM.error}], eax; mov [ebx + ${ITEM.cr2}], eax
    jmp collect
`;

/** Registers by name in the order of an item. */
const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const at = (n: number): string => `cs:[${low("saved")} + ${4 * n}]`;
const [SAVED_ESP, SAVED_EIP, SAVED_FLAGS, SAVED_ES, SAVED_CS, SAVED_SS, SAVED_DS, SAVED_FS, SAVED_GS] = [
  4, 8, 9, 10, 11, 12, 13, 14, 15,
];

/** Copied to the first 64 KiB. */
const LOW_CODE = `
low_code:
.code32
leave_paging:
    mov eax, 0x31; mov cr0, eax
    jmp ${SEL.code16}:${low("small")}
.code16
small:
    mov ax, ${SEL.data16}; mov ds, ax; mov es, ax; mov ss, ax; mov fs, ax; mov gs, ax
    lidt [${low("real_idt")}]
    mov eax, 0x30; mov cr0, eax
    jmp 0:${low("real")}
real:
    xor ax, ax; mov ss, ax; mov esp, ${REAL_STACK}
    push dword ptr ${at(SAVED_FLAGS)}; popfd
    mov es, ${at(SAVED_ES)}; mov fs, ${at(SAVED_FS)}; mov gs, ${at(SAVED_GS)}
    ${NAMES.filter((r) => r !== "esp")
      .map((r) => `mov ${r}, ${at(NAMES.indexOf(r))}`)
      .join("\n    ")}
    mov ss, ${at(SAVED_SS)}; mov esp, ${at(SAVED_ESP)}
    mov ds, ${at(SAVED_DS)}
    jmp far dword ptr cs:[${low("real_target")}]

.align 16
real_stubs:
${VECTORS.map((n) => `.align 16\n    mov byte ptr cs:[${low("vector")}], ${n}; jmp real_trap`).join("\n")}
real_trap:
    ${NAMES.filter((r) => r !== "esp")
      .map((r) => `mov ${at(NAMES.indexOf(r))}, ${r}`)
      .join("\n    ")}
    pop ax; mov cs:[${low("saved")} + ${4 * SAVED_EIP}], ax; mov word ptr cs:[${low("saved")} + ${4 * SAVED_EIP + 2}], 0
    pop ax; mov ${at(SAVED_CS)}, ax
    pop ax; mov cs:[${low("saved")} + ${4 * SAVED_FLAGS}], ax
    mov ${at(SAVED_ESP)}, esp
    mov ${at(SAVED_SS)}, ss; mov ${at(SAVED_ES)}, es; mov ${at(SAVED_DS)}, ds
    mov ${at(SAVED_FS)}, fs; mov ${at(SAVED_GS)}, gs
    xor ax, ax; mov ss, ax; mov esp, ${REAL_STACK}
    pushfd; pop eax; shr eax, 16; mov cs:[${low("saved")} + ${4 * SAVED_FLAGS + 2}], ax
    cld
    mov eax, 0x31; mov cr0, eax
    o32 jmp ${SEL.code}:${low("wide")}
.code32
wide:
    mov eax, ${SEL.data}; mov ds, eax; mov es, eax; mov ss, eax
    mov esp, ${STACK}
    jmp ${SEL.code}:real_done
real_idt: .word 0x3ff
    .long 0
.align 4
real_target: .word 0, 0
vector: .long 0
saved: .skip 64
low_end:
`;

const DATA_PART = `
.align 16
gdt: .quad ${globalTable(0, 0).map(quad).join(", ")}
gdt_end:
ldt: .quad ${LOCAL_TABLE.map(quad).join(", ")}
gdt_pointer: .word gdt_end - gdt - 1
    .long gdt
idt_pointer: .word 2047
    .long idt
current: .long 0
.bss
.align 4096
page_directory: .skip 4096
low_pages: .skip 4096
data_pages: .skip 4096
code_pages: .skip 4096
idt: .skip 2048
tss: .skip 128
`;

export const PROGRAM = [ENTRY, TRAPS, LOW_CODE, DATA_PART].join("\n");
