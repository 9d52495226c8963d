/**
 * 32-bit paging with 4 MiB pages, and PAE paging with 2 MiB pages and NX.
 * Proves [SDM] vol. 3, 4.3 (32-bit paging), 4.4 (PAE paging, its PDPTE registers), 4.6 (access rights), 4.7 (error
 * codes), 4.8 (accessed and dirty bits).
 *
 * The page under test is at 1 GiB.
 */
import { check } from "../support/program.js";
import { protectedProgram, user32 } from "../support/protected.js";

const TEST = 0x40000000;
const READ = `mov eax, [${TEST}]`;
const WRITE = `mov dword ptr [${TEST}], 0x90c3`;
const map = (flags: number, high = 0) =>
  `mov eax, page; or eax, ${flags}; mov [test_table], eax; mov dword ptr [test_table + 4], ${high}; invlpg [${TEST}]; `;
const map32 = (flags: number) => `mov eax, page; or eax, ${flags}; mov [test_table], eax; invlpg [${TEST}]; `;
const bits = 'mov eax, [test_table]; and eax, 0x60; show "ad"';
const FLUSH = "mov eax, cr3; mov cr3, eax; ";
const efer = (low: number) => `mov ecx, 0xc0000080; mov eax, ${low}; xor edx, edx; wrmsr; `;

export const paging32 = protectedProgram(
  "32-bit and PAE paging",
  [
    check("read sets A", `${map32(7)}${READ}; ${bits}`, "ad=20 ran"),
    check("write sets D", `${map32(7)}${WRITE}; ${bits}`, "ad=60 ran"),
    check("absent page", `${map32(6)}${READ}`, "v=e ip=15 fl=10002 cr2=40000000"),
    check("write to a read-only page with WP", `${map32(5)}${WRITE}`, "v=e e=3 ip=15 fl=10002 cr2=40000000"),
    check(
      "write to a read-only page without WP",
      `mov eax, cr0; btr eax, 16; mov cr0, eax; ${map32(5)}${WRITE}; mov eax, cr0; bts eax, 16; mov cr0, eax`,
      "ran",
    ),
    check(
      "CPL 3 read of a supervisor page",
      `${map32(3)}${user32(0x202)}${READ}`,
      "v=e e=5 ip=32 cs=23 fl=10202 ss=2b sp=0 stk=1 cr2=40000000",
    ),
    check(
      "CPL 3 fetch has no error bit of its own",
      `${map32(3)}${user32(0x202)}mov eax, ${TEST}; jmp eax`,
      "v=e e=5 eip=40000000 cs=23 fl=10202 ss=2b sp=0 stk=1 cr2=40000000",
    ),
    check(
      "read-only directory",
      `and dword ptr [directory + 0x400], ~2; ${map32(7)}${WRITE}`,
      "v=e e=3 ip=1d fl=10002 cr2=40000000",
    ),
    check("directory back", `or dword ptr [directory + 0x400], 2; ${FLUSH}`),
    check(
      "4 MiB page",
      `mov dword ptr [directory + 0x400], 0x87; ${FLUSH}mov eax, [${TEST} + gdt + 8]; show "gdt"; mov eax, [directory + 0x400]; and eax, 0x60; show "ad"`,
      "gdt=ffff ad=20 ran",
    ),
    check(
      "INVLPG anywhere in a 4 MiB page drops all of it",
      `mov dword ptr [directory + 0x804], 0x87; ${FLUSH}mov eax, [0x80401000]; mov dword ptr [directory + 0x804], 0; invlpg [0x80600000]; mov eax, [0x80401000]`,
      "v=e ip=29 fl=10002 cr2=80401000",
    ),
    check(
      "reserved bit in a 4 MiB entry",
      `mov dword ptr [directory + 0x400], 0x200087; ${FLUSH}${READ}`,
      "v=e e=9 ip=11 fl=10002 cr2=40000000",
    ),
    check(
      "without CR4.PSE the bit means nothing",
      `mov dword ptr [directory + 0x400], test_table + 0x87; mov dword ptr [directory], low_table + 7; ${FLUSH}mov eax, cr4; and eax, ~0x10; mov cr4, eax; ${map32(7)}${READ}; show "eax"; mov eax, cr4; or eax, 0x10; mov cr4, eax; mov dword ptr [directory], 0x87; mov dword ptr [directory + 0x400], test_table + 7; ${FLUSH}`,
      "eax=90c3 ran",
    ),
    check(
      "PAE on",
      `mov eax, cr0; btr eax, 31; mov cr0, eax; mov eax, cr4; or eax, 0x20; mov cr4, eax; mov eax, pointers; mov cr3, eax; mov eax, cr0; bts eax, 31; mov cr0, eax`,
    ),
    check("PAE: read sets A", `${map(7)}${READ}; ${bits}`, "ad=20 ran"),
    check("PAE: write sets D", `${map(7)}${WRITE}; ${bits}`, "ad=60 ran"),
    check(
      "PAE: PDPTEs are loaded with CR3 only",
      `mov dword ptr [pointers + 8], 0; invlpg [${TEST}]; ${READ}; show "eax"; mov dword ptr [pointers + 8], pae_test_directory + 1`,
      "eax=90c3 ran",
    ),
    check(
      "PAE: an absent PDPTE",
      `mov dword ptr [pointers + 8], 0; ${FLUSH}mov eax, [${TEST}]`,
      "v=e ip=11 fl=10002 cr2=40000000",
    ),
    check("PAE: PDPTE back", `mov dword ptr [pointers + 8], pae_test_directory + 1; ${FLUSH}`),
    check(
      "PAE: a reserved bit of a PDPTE",
      `mov dword ptr [pointers + 8], pae_test_directory + 3; ${FLUSH}`,
      "v=d ip=e fl=10002",
    ),
    check("PAE: PDPTE back again", `mov dword ptr [pointers + 8], pae_test_directory + 1; ${FLUSH}`),
    check(
      "PAE: NX",
      `${efer(0x800)}${map(7, 0x80000000)}mov eax, ${TEST}; call eax`,
      "v=e e=11 eip=40000000 fl=10002 cr2=40000000",
    ),
    check(
      "PAE: CPL 3 fetch of a supervisor page",
      `${map(3)}${user32(0x202)}mov eax, ${TEST}; jmp eax`,
      "v=e e=15 eip=40000000 cs=23 fl=10202 ss=2b sp=0 stk=1 cr2=40000000",
    ),
    check("PAE: NX without EFER.NXE", `${efer(0)}${map(7, 0x80000000)}${READ}`, "v=e e=9 ip=2e fl=10002 cr2=40000000"),
    check(
      "PAE: 2 MiB page",
      `mov dword ptr [pae_test_directory], 0x87; ${FLUSH}mov eax, [${TEST} + gdt + 8]; show "gdt"`,
      "gdt=ffff ran",
    ),
    check(
      "PAE: reserved bit in a 2 MiB entry",
      `mov dword ptr [pae_test_directory], 0x2087; ${FLUSH}${READ}`,
      "v=e e=9 ip=11 fl=10002 cr2=40000000",
    ),
    check(
      "locked access across pages",
      `mov dword ptr [pae_test_directory], test_table + 7; mov eax, page; or eax, 7; mov [test_table], eax; mov dword ptr [test_table + 4], 0; add eax, 4096; mov [test_table + 8], eax; mov dword ptr [test_table + 12], 0; ${FLUSH}mov dword ptr [${TEST} + 0xffe], 0x00ffffff; lock inc dword ptr [${TEST} + 0xffe]; mov eax, [${TEST} + 0xffe]; show "eax"`,
      "eax=1000000 ran",
    ),
    check(
      "unaligned locked access",
      `mov dword ptr [${TEST} + 0x101], 5; mov eax, 5; mov ecx, 9; lock cmpxchg [${TEST} + 0x101], ecx; mov eax, [${TEST} + 0x101]; show "eax"`,
      "eax=9 ran",
    ),
    check(
      "locked access whose second page is absent",
      `mov dword ptr [test_table + 8], 0; invlpg [${TEST} + 0x1000]; lock inc dword ptr [${TEST} + 0xffe]`,
      "v=e e=2 ip=13 fl=10002 cr2=40001000",
    ),
    check("and nothing was written", `movzx eax, word ptr [${TEST} + 0xffe]; show "ax"`, "ax=0 ran"),
  ],
  `mov eax, 0x87; mov edi, directory; mov ecx, 16
1:  mov [edi], eax; add edi, 4; add eax, 0x400000; loop 1b
    mov dword ptr [directory + 0x400], test_table + 7
    mov eax, 7; mov edi, low_table; mov ecx, 1024
1:  mov [edi], eax; add edi, 4; add eax, 4096; loop 1b
    mov dword ptr [pointers], pae_directory + 1
    mov dword ptr [pointers + 8], pae_test_directory + 1
    mov eax, 0x87; mov edi, pae_directory; mov ecx, 32
1:  mov [edi], eax; add edi, 8; add eax, 0x200000; loop 1b
    mov dword ptr [pae_test_directory], test_table + 7
    mov eax, directory; mov cr3, eax
    mov eax, 0x10; mov cr4, eax
    mov eax, 0x80010011; mov cr0, eax`,
  `.align 4096
directory: .skip 4096
low_table: .skip 4096
test_table: .skip 4096
pae_directory: .skip 4096
pae_test_directory: .skip 4096
page: .skip 8192
pointers: .skip 32`,
);
