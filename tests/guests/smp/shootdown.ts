/**
 * Two processors at once: the first takes a page away from an address that the second reads and writes all the time, by
 * the page tables and by hypercalls. Proves [SDM] vol. 3, 4.10.4 and 4.10.5 (invalidation, propagation of changes to other
 * processors): when the second has been interrupted and has dropped its translation, it neither reads nor writes nor runs
 * the old page; [XEN] memory.h: when a hypercall has moved a page or taken it, no vCPU reaches it any more.
 *
 * Each page holds at its beginning the newest number when it comes. The second processor also writes behind that; the word
 * there is MARK, or in fresh memory 0, once the page has gone, and must still be so when the page comes again.
 */
import type { Check } from "../support/program.js";
import { gate, looking, round, roundsProgram } from "./rounds.js";

const COUNT = 1000;
const PAGE = 4096;
const LARGE_PAGE = 0x200000;
/** Of the second GiB, which begins with the local APIC: where a page comes, and where one of 2 MiB. */
const WINDOW = 0x40200000;
const LARGE_WINDOW = 0x40400000;
/** The two pages of 2 MiB, side by side in memory that nothing else uses. */
const LARGE_AT = 0x1000000;
const MARK = 0x7fffffff;
const CODE_AT = 64;
const PAGE_FAULT = 14;
const MEMORY_OP = 12;
const [DECREASE, POPULATE, ADD_TO_PHYSMAP] = [1, 6, 7];
const SELF = 0x7ff0;
/** Space of ADD_TO_PHYSMAP: the guest's own pages. */
const GMFN = 2;

/** A memory operation, and what its result must be. */
const hypercall = (command: number, structure: string, result: number) => `
    mov edi, ${command}; mov esi, ${structure}; mov eax, ${MEMORY_OP}
    vmcall
    mov edi, eax
    cmp edi, ${result}
    jne 9f`;

/** RAX becomes the page whose turn it is, RCX the other. */
const byTurns = (pages: string | number, shift: number) => `
    mov eax, r15d; and eax, 1; shl eax, ${shift}; lea ecx, [rax + ${pages}]
    xor eax, ${1 << shift}; add eax, ${pages}; xchg eax, ecx`;

/** The page at RAX comes with its number where it is mapped, and the one at RCX goes. */
const exchange = (map: string) => `
    mov edi, [rax + 4]
    cmp edi, ${MARK}
    jne 9f
    mov [rax], r15d
    ${map}
    call synchronise
    mov dword ptr [rcx + 4], ${MARK}`;

const PAGES = byTurns("pages", 12);
const LARGE_PAGES = byTurns(LARGE_AT, 21);
const BY_PAGE = `${PAGES}${exchange("lea rdx, [rax + 7]; mov [tables], rdx")}`;
const BY_GLOBAL_PAGE = `${PAGES}${exchange("lea rdx, [rax + 0x107]; mov [tables], rdx")}`;
const BY_LARGE_PAGE = `${LARGE_PAGES}${exchange("lea rdx, [rax + 0x87]; mov [apic_directory + 16], rdx")}`;
/** A table for each of the pages, as far behind it. */
const BY_TABLE = `${PAGES}${exchange(`lea rdx, [rax + ${2 * PAGE} + 7]; mov [apic_directory + 8], rdx`)}`;

/** Odd numbers: the page may only be read, and a mark stays in it. Even ones: it may be written again. */
const BY_RIGHTS = `
    mov eax, pages + 5
    test r15d, 1
    jz 1f
    mov [tables], rax
    call synchronise
    mov dword ptr [pages + 4], ${MARK}
    jmp 2f
1:  mov edi, [pages + 4]
    cmp edi, ${MARK}
    jne 9f
    or eax, 2
    mov [tables], rax
    call synchronise
2:  mov [pages], r15d`;

/** The page of the first processor's own moves, and it gets new memory. */
const BY_MOVE = `
    mov edi, [spare + 4]
    test edi, edi
    jne 9f
    mov [spare], r15d
    ${hypercall(ADD_TO_PHYSMAP, "move_spare", 0)}
    ${hypercall(POPULATE, "only_spare", 1)}`;

/** Odd numbers: the memory goes, and all ones are read. Even ones: other memory comes. */
const BY_BALLOON = `
    test r15d, 1
    jz 1f
    ${hypercall(DECREASE, "only_given", 1)}
    jmp 2f
1:  ${BY_MOVE}
2:  `;

interface TableRound {
  readonly name: string;
  readonly make: string;
  /** What the second processor does when it is told. */
  readonly drop: string;
  readonly job?: string;
}

function tables({ name, make, drop, job = "second_uses" }: TableRound): Check {
  const before = `
    mov dword ptr [pages], 0; mov dword ptr [pages + 4], 0; mov dword ptr [pages + ${PAGE} + 4], ${MARK}
    mov dword ptr [${LARGE_AT}], 0; mov dword ptr [${LARGE_AT} + 4], 0; mov dword ptr [${LARGE_AT + LARGE_PAGE} + 4], ${MARK}
    mov qword ptr [drop], ${drop}
    call synchronise`;
  return round({ name, count: COUNT, before, make, job });
}

const given = (name: string, make: string): Check =>
  round({ name, count: COUNT, before: "mov dword ptr [given], 0", make, job: "second_uses_given" });

const CODE = `
${looking("second_uses", `mov eax, [${WINDOW}]; mov [${WINDOW} + 4], esi`)}
${looking("second_uses_large", `mov eax, [${LARGE_WINDOW}]; mov [${LARGE_WINDOW} + 4], esi`)}
${looking("second_uses_given", "mov eax, [given]; mov [given + 4], esi")}
${looking("second_calls", `mov eax, ${WINDOW + CODE_AT}; call rax`)}
${looking("second_tries", `mov eax, [${WINDOW}]; mov [${WINDOW} + 4], esi\nsecond_tried:`)}

# A write that may not be is left out.
on_page_fault:
    add rsp, 8
    mov qword ptr [rsp], second_tried
    iretq

put_code:
    mov dword ptr [rax + ${CODE_AT}], 0x0025048b; mov [rax + ${CODE_AT + 3}], eax; mov byte ptr [rax + ${CODE_AT + 7}], 0xc3
    ret

drop_page:
    invlpg [${WINDOW}]
    ret
drop_large_page:
    invlpg [${LARGE_WINDOW} + 0x12345]
    ret
drop_all:
    push rax
    mov rax, cr3; mov cr3, rax
    pop rax
    ret
drop_global:
    push rax
    mov rax, cr4; and rax, ~0x80; mov cr4, rax; or rax, 0x80; mov cr4, rax
    pop rax
    ret

.align 8
# add_to_physmap, and memory reservations of one page each.
move_spare: .word ${SELF}, 0
    .long ${GMFN}
spare_frame: .quad 0
given_frame: .quad 0
only_spare: .quad spare_frame, 1, 0, ${SELF}
only_given: .quad given_frame, 1, 0, ${SELF}
`;

export const shootdown = roundsProgram(
  "translations that go",
  [
    tables({ name: "a page, and INVLPG", make: BY_PAGE, drop: "drop_page" }),
    tables({ name: "a page, and a write to CR3", make: BY_PAGE, drop: "drop_all" }),
    tables({ name: "a global page, and CR4.PGE", make: BY_GLOBAL_PAGE, drop: "drop_global" }),
    tables({ name: "a page of code", make: BY_PAGE, drop: "drop_page", job: "second_calls" }),
    tables({ name: "a large page", make: BY_LARGE_PAGE, drop: "drop_large_page", job: "second_uses_large" }),
    tables({ name: "a table of pages", make: BY_TABLE, drop: "drop_page" }),
    tables({ name: "the right to write", make: BY_RIGHTS, drop: "drop_page", job: "second_tries" }),
    given("a page that another is moved to", BY_MOVE),
    given("memory that is given back", BY_BALLOON),
  ],
  {
    // The code in each of the pages is `mov eax, [its page]; ret`.
    prepare: `
    mov eax, tables + 7; mov [apic_directory + 8], rax
    mov eax, pages + 7; mov [tables], rax
    mov eax, pages + ${PAGE} + 7; mov [tables + ${PAGE}], rax
    mov eax, ${LARGE_AT} + 0x87; mov [apic_directory + 16], rax
    mov eax, spare; shr eax, 12; mov [spare_frame], rax
    mov eax, given; shr eax, 12; mov [given_frame], rax
    mov eax, pages
    call put_code
    mov eax, pages + ${PAGE}
    call put_code
    ${gate(PAGE_FAULT, "on_page_fault")}`,
    code: CODE,
    synchronised: "call qword ptr [drop]",
    bss: `
.align 4096
pages: .skip ${2 * PAGE}
tables: .skip ${2 * PAGE}
given: .skip ${PAGE}
spare: .skip ${PAGE}
drop: .skip 8
`,
  },
);
