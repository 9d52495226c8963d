/**
 * Four-level paging: permissions, large pages, accessed and dirty bits, reserved bits, SMEP, SMAP, global pages, PCIDs.
 * Proves [SDM] vol. 3, 4.5 (4-level paging), 4.6 (access rights), 4.7 (error codes), 4.8 (A/D), 4.10 (TLBs, PCIDs,
 * INVLPG, INVPCID), 2.5 (CR4.SMEP, SMAP, PGE, PCIDE).
 *
 * The page under test is at 1 GiB: \`leaf\` is its entry, in a page table of its own, and \`page\` what it maps.
 */

import { longProgram, user } from "../support/long.js";
import { check, descriptor } from "../support/program.js";

const TEST = 0x40000000;
/** Memory of nobody's, at the beginning of a large page. */
const FAR = 0x1000000;
/** Sets the leaf entry to flags (and high flags in bits 63:32), and drops the old translation. */
const map = (flags: number, high = 0) =>
  `mov rax, page; or rax, ${flags}; mov [leaf], rax; mov dword ptr [leaf + 4], ${high}; invlpg [${TEST}]; `;
const bits = `mov eax, [leaf]; and eax, 0x60; show "ad"; `;
const cr4 = (set: number, clear = 0) => `mov rax, cr4; or eax, ${set}; and eax, ~${clear}; mov cr4, rax; `;
const SMEP = 1 << 20;
const SMAP = 1 << 21;
const PCIDE = 1 << 17;
const PGE = 1 << 7;
const NX = 0x80000000;
const READ = `mov eax, [${TEST}]`;
const WRITE = `mov dword ptr [${TEST}], 0x90c3`;
/** The LDT becomes the page under test, and EAX a selector of its third descriptor. */
const LDT = `mov rax, ${descriptor(TEST, 0xfff, 0x82)}; mov [gdt + 0x80], rax; mov qword ptr [gdt + 0x88], 0; mov eax, 0x80; lldt ax; mov eax, 0x14; `;
const CALL = `mov eax, ${TEST}; call rax`;

export const longPaging = longProgram(
  "four-level paging",
  [
    check("read of a present page sets A", `${map(7)}${READ}; ${bits}`, "ad=20 ran"),
    check("write sets D", `${map(7)}${WRITE}; ${bits}`, "ad=60 ran"),
    check("a write after a read sets D", `${map(7)}${READ}; ${WRITE}; ${bits}`, "ad=60 ran"),
    check("a failed write sets nothing new", `${map(5)}${WRITE}`, "v=e e=3 ip=26 fl=10002 cr2=40000000"),
    check(
      "A of upper levels",
      `mov eax, [page_pointers + 8]; and eax, 0x60; show "pdpte"; mov eax, [test_directory]; and eax, 0x60; show "pde"`,
      "pdpte=20 pde=20 ran",
    ),
    check("write to a read-only page with CR0.WP", `${map(5)}${WRITE}`, "v=e e=3 ip=26 fl=10002 cr2=40000000"),
    check(
      "write to a read-only page without CR0.WP",
      `mov rax, cr0; btr rax, 16; mov cr0, rax; ${map(5)}${WRITE}; ${bits}`,
      "ad=60 ran",
    ),
    check(
      "CPL 3 write without WP",
      `${map(5)}${user()}${WRITE}`,
      "v=e e=7 ip=3b cs=33 fl=13202 ss=2b cr2=40000000 stk=3 nss=0 nfl=3002",
    ),
    check("CR0.WP back", "mov rax, cr0; bts rax, 16; mov cr0, rax"),
    check(
      "CPL 3 read of a supervisor page",
      `${map(3)}${user()}${READ}`,
      "v=e e=5 ip=3b cs=33 fl=13202 ss=2b cr2=40000000 stk=3 nss=0 nfl=3002",
    ),
    check(
      "CPL 3 write of an absent page",
      `${map(6)}${user()}${WRITE}`,
      "v=e e=6 ip=3b cs=33 fl=13202 ss=2b cr2=40000000 stk=3 nss=0 nfl=3002",
    ),
    check("execution of an NX page", `${map(7, NX)}${CALL}`, "v=e e=11 rip=40000000 fl=10002 cr2=40000000"),
    check("data of an NX page", `${map(7, NX)}${WRITE}; ${READ}; show "rax"`, "rax=90c3 ran"),
    check(
      "NX without EFER.NXE is reserved",
      `mov ecx, 0xc0000080; mov eax, 0x501; xor edx, edx; wrmsr; ${map(7, NX)}${READ}`,
      "v=e e=9 ip=34 fl=10002 cr2=40000000",
    ),
    check("EFER.NXE back", "mov ecx, 0xc0000080; mov eax, 0xd01; xor edx, edx; wrmsr"),
    check("an address bit beyond MAXPHYADDR", `${map(7, 0x80000)}${READ}`, "v=e e=9 ip=26 fl=10002 cr2=40000000"),
    check(
      "reserved bit in a 2 MiB entry",
      `mov qword ptr [test_directory], 0x2000 | 0x87; invlpg [${TEST}]; ${READ}`,
      "v=e e=9 ip=14 fl=10002 cr2=40000000",
    ),
    check(
      "2 MiB page",
      `mov qword ptr [test_directory], 0x87; invlpg [${TEST}]; mov rax, [${TEST} + gdt + 8]; show "gdt"; mov eax, [test_directory]; and eax, 0x60; show "ad"`,
      "gdt=af9b000000ffff ad=20 ran",
    ),
    check(
      "1 GiB page",
      `mov qword ptr [page_pointers + 8], 0x87; mov rax, cr3; mov cr3, rax; mov rax, [${TEST} + gdt + 8]; show "gdt"; mov eax, [page_pointers + 8]; and eax, 0x60; show "ad"`,
      "gdt=af9b000000ffff ad=20 ran",
    ),
    check(
      "1 GiB page: D by another place of it",
      `mov rax, [${TEST} + gdt + 0x200000]; and byte ptr [page_pointers + 8], ~0x60; mov dword ptr [${TEST} + 0x300000], 0; mov eax, [page_pointers + 8]; and eax, 0x60; show "ad"`,
      "ad=60 ran",
    ),
    check(
      "a 1 GiB page that becomes a table",
      `${READ}; mov qword ptr [page_pointers + 8], test_directory + 7; mov rax, cr3; mov cr3, rax; mov rax, [${TEST} + gdt + 8]; show "gdt"`,
      "gdt=af9b000000ffff ran",
    ),
    check(
      "2 MiB page: A and D by another place of it",
      `and byte ptr [test_directory], ~0x60; mov eax, [${TEST} + 0x105000]; mov eax, [test_directory]; and eax, 0x60; show "read"; mov [${TEST} + 0x106000], eax; mov eax, [test_directory]; and eax, 0x60; show "written"`,
      "read=20 written=60 ran",
    ),
    check(
      "2 MiB page: what is remembered of its table is no page table",
      `mov rbx, gdt; shr rbx, 12; mov qword ptr [test_directory + rbx * 8], page + 7; invlpg [${TEST}]; mov eax, [${TEST} + 0x105000]; mov rax, [${TEST} + gdt + 8]; show "gdt"; mov qword ptr [test_directory + rbx * 8], 0`,
      "gdt=af9b000000ffff ran",
    ),
    check(
      "a 2 MiB page that becomes a table where one might lie, seen at the next place of it",
      `mov qword ptr [${FAR} + 0x110 * 8], page + 7; mov dword ptr [page], 0x77; mov dword ptr [${FAR} + 0x110000], 0x55; invlpg [${TEST}]; mov qword ptr [test_directory], 0x87; mov eax, [${TEST} + 0x105000]; mov qword ptr [test_directory], ${FAR} + 7; mov eax, [${TEST} + 0x110000]; show "rax"; mov qword ptr [test_directory], 0x87; invlpg [${TEST}]`,
      "rax=77 ran",
    ),
    check(
      "a 2 MiB page without W: what is remembered of its table allows no more",
      `mov qword ptr [test_directory], 0x85; invlpg [${TEST}]; mov eax, [${TEST} + 0x105000]; mov [${TEST} + 0x106000], eax`,
      "v=e e=3 ip=1b fl=10002 cr2=40106000",
    ),
    check(
      "a 2 MiB page that becomes a table",
      `mov qword ptr [leaf], page + 7; mov dword ptr [page], 0x90c3; mov qword ptr [test_directory], test_table + 7; invlpg [${TEST} + 0x5000]; ${READ}; show "rax"; mov eax, [${TEST} + 0x1000]`,
      "rax=90c3 v=e ip=3b fl=10002 cr2=40001000",
    ),
    check("a 1 GiB page again", `mov qword ptr [page_pointers + 8], 0x87; mov rax, cr3; mov cr3, rax; ${READ}`),
    check(
      "reserved bit in a 1 GiB entry",
      `mov qword ptr [page_pointers + 8], 0x20000087; mov rax, cr3; mov cr3, rax; ${READ}`,
      "v=e e=9 ip=12 fl=10002 cr2=40000000",
    ),
    check(
      "PS in a PML4 entry is reserved",
      `mov qword ptr [page_map + 8], page_pointers + 0x87; mov rax, 0x8000000000; mov eax, [rax]`,
      "v=e e=9 ip=16 fl=10002 cr2=8000000000",
    ),
    check(
      "page tables back",
      `mov qword ptr [page_map + 8], 0; mov qword ptr [page_pointers + 8], test_directory + 7; mov qword ptr [test_directory], test_table + 7; mov rax, cr3; mov cr3, rax; ${map(7)}${READ}`,
    ),
    check(
      "upper levels restrict: read-only directory",
      `mov qword ptr [test_directory], test_table + 5; ${map(7)}${WRITE}`,
      "v=e e=3 ip=32 fl=10002 cr2=40000000",
    ),
    check(
      "upper levels restrict: supervisor directory",
      `mov qword ptr [test_directory], test_table + 3; ${map(7)}${user()}${READ}`,
      "v=e e=5 ip=47 cs=33 fl=13202 ss=2b cr2=40000000 stk=3 nss=0 nfl=3002",
    ),
    check("directory back", `mov qword ptr [test_directory], test_table + 7; ${map(7)}${WRITE}`),
    check(
      "more rights in a directory need no INVLPG",
      `mov qword ptr [test_directory], test_table + 5; ${map(7)}${READ}; mov qword ptr [test_directory], test_table + 7; ${WRITE}; ${bits}`,
      "ad=60 ran",
    ),
    check(
      "INVLPG of any page drops what is remembered of directories",
      `${map(7)}mov [leaf + 8], rax; ${READ}; mov qword ptr [test_directory], 0; invlpg [${TEST} + 0x5000]; mov eax, [${TEST} + 0x1000]`,
      "v=e ip=49 fl=10002 cr2=40001000",
    ),
    check(
      "directory there again",
      `mov qword ptr [test_directory], test_table + 7; mov qword ptr [leaf + 8], 0; ${map(7)}`,
    ),
    check(
      "SMEP: a supervisor fetch from a user page",
      `mov rax, code_entry; btr qword ptr [rax], 2; mov rax, cr3; mov cr3, rax; ${cr4(SMEP)}${map(7)}${CALL}`,
      "v=e e=11 rip=40000000 fl=10002 cr2=40000000",
    ),
    check("SMEP: from a supervisor page", `${map(3)}${CALL}`, "ran"),
    check("SMAP: read of a user page", `${cr4(SMAP, SMEP)}${map(7)}${READ}`, "v=e e=1 ip=36 fl=10002 cr2=40000000"),
    check("SMAP: write of a user page", `${map(7)}${WRITE}`, "v=e e=3 ip=26 fl=10002 cr2=40000000"),
    check("SMAP: allowed after STAC", `${map(7)}stac; ${READ}; clac; show "rax"`, "rax=90c3 ran"),
    check(
      "SMAP: an LDT on a user page, after STAC too",
      `${map(7)}stac; ${READ}; ${LDT}mov es, eax`,
      "v=e e=1 ip=5b fl=50002 cr2=40000010 nfl=40002",
    ),
    check(
      "SMAP: an LDT on a supervisor page, from the TLB too",
      `${map(3)}mov rax, ${descriptor(0, 0xfffff, 0x93, 0xc)}; mov [${TEST} + 0x10], rax; ${LDT}mov es, eax; mov es, eax; mov eax, es; show "es"`,
      "es=14 ran",
    ),
    check("SMAP: a supervisor page", `${map(3)}${READ}; show "rax"`, "rax=90c3 ran"),
    check("SMAP off", `${cr4(0, SMAP | SMEP)}bts qword ptr [code_entry], 2; mov rax, cr3; mov cr3, rax`),
    check("STAC without CR4.SMAP", 'stac; pushfq; pop rax; and eax, 0x40000; show "ac"; clac', "ac=40000 ran"),
    check(
      "STAC, CLAC and fences in a loop",
      'xor ebx, ebx; mov esi, 1000000\n7:  stac; pushfq; pop rax; shr eax, 18; and eax, 1; add ebx, eax; mfence; clac; pushfq; pop rax; shr eax, 18; and eax, 1; lea ebx, [rbx + rax * 2]; lfence; dec esi; jnz 7b; mov eax, ebx; show "set"',
      "set=f4240 ran",
    ),
    check(
      "a page crossing faults on its second half and writes nothing",
      `${map(7)}mov qword ptr [${TEST} + 0xff8], 0; mov qword ptr [${TEST} + 0xffc], -1`,
      "v=e e=2 ip=32 fl=10002 cr2=40001000",
    ),
    check("and nothing was written", `mov eax, [${TEST} + 0xffc]; show "eax"`, "eax=0 ran"),
    check(
      "a stale translation may live until INVLPG",
      `${map(7)}${READ}; mov qword ptr [leaf], 0; invlpg [${TEST}]; ${READ}`,
      "v=e ip=41 fl=10002 cr2=40000000",
    ),
    check(
      "MOV to CR3 drops translations",
      `${map(7)}${READ}; mov qword ptr [leaf], 0; mov rax, cr3; mov cr3, rax; ${READ}`,
      "v=e ip=3f fl=10002 cr2=40000000",
    ),
    check(
      "a change of CR4.PGE drops global translations",
      `${cr4(PGE)}${map(0x107)}${READ}; mov qword ptr [leaf], 0; ${cr4(0, PGE)}${READ}`,
      "v=e ip=57 fl=10002 cr2=40000000",
    ),
    check(
      "MOV to CR3 drops what is not global with CR4.PGE, too",
      `${cr4(PGE)}${map(7)}${READ}; mov qword ptr [leaf], 0; mov rax, cr3; mov cr3, rax; ${READ}`,
      "v=e ip=4d fl=10002 cr2=40000000",
    ),
    check("CR4.PGE off", cr4(0, PGE)),
    check(
      "more rights need no INVLPG",
      `${map(5)}${READ}; mov rax, page; or eax, 7; mov [leaf], rax; ${WRITE}; ${bits}`,
      "ad=60 ran",
    ),
    check(
      "CR3's PCID with CR4.PCIDE",
      `${cr4(PCIDE)}mov rax, cr3; or eax, 5; mov cr3, rax; mov rax, cr3; and eax, 0xfff; show "pcid"`,
      "pcid=5 ran",
    ),
    check(
      "MOV to CR3 with bit 63 keeps translations of the PCID",
      `mov rax, cr3; bts rax, 63; mov cr3, rax; mov rax, cr3; shr rax, 63; show "bit"`,
      "bit=0 ran",
    ),
    check(
      "INVPCID of a single address",
      `${map(7)}${READ}; mov qword ptr [leaf], 0; mov eax, 0; mov qword ptr [descriptor], 5; mov qword ptr [descriptor + 8], ${TEST}; invpcid rax, [descriptor]; ${READ}`,
      "v=e ip=60 fl=10002 cr2=40000000",
    ),
    check(
      "INVPCID of all",
      `${map(7)}${READ}; mov qword ptr [leaf], 0; mov eax, 2; invpcid rax, [descriptor]; ${READ}`,
      "v=e ip=48 fl=10002 cr2=40000000",
    ),
    check("INVPCID with a bad type", "mov eax, 4; invpcid rax, [descriptor]", "v=d ip=5 fl=10002"),
    check(
      "INVPCID with reserved bits",
      "mov qword ptr [descriptor], 0x1000; mov eax, 1; invpcid rax, [descriptor]",
      "v=d ip=11 fl=10002",
    ),
    check(
      "CR4.PCIDE cleared",
      `mov rax, cr3; and eax, ~0xfff; mov cr3, rax; ${cr4(0, PCIDE)}mov rax, cr3; and eax, 0xfff; show "pcid"`,
      "pcid=0 ran",
    ),
  ],
  {
    prepare: `
    mov qword ptr [page_pointers + 8], test_directory + 7
    mov qword ptr [test_directory], test_table + 7`,
    data: "leaf = test_table\ncode_entry = page_directory\n.align 16\ndescriptor: .quad 0, 0",
    bss: ".align 4096\ntest_directory: .skip 4096\ntest_table: .skip 4096\npage: .skip 4096",
  },
);
