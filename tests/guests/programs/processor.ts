/**
 * What CPUID promises is there, and XSAVE agrees with it. Proves [SDM] vol. 2, CPUID; vol. 1, 13.2 to 13.8 (XSAVE).
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const bit = (leaf: number, register: string, n: number, sub = 0) =>
  `mov eax, ${leaf}; mov ecx, ${sub}; cpuid; mov eax, ${register}; shr eax, ${n}; and eax, 1; `;
/** Shows whether the feature bit is set, then uses the feature: both or neither. */
const feature = (name: string, test: string, use: string) => check(name, `${test}show "cpuid"; ${use}`, "cpuid=1 ran");
const OSXSAVE = "mov rax, cr4; bts rax, 18; mov cr4, rax; ";

export const processor = longProgram(
  "CPUID and XSAVE",
  [
    feature(
      "CMPXCHG16B",
      bit(1, "ecx", 13),
      "mov eax, [area]; xor ebx, ebx; xor ecx, ecx; xor edx, edx; cmpxchg16b [area]",
    ),
    feature("POPCNT", bit(1, "ecx", 23), "popcnt eax, ecx"),
    feature("MOVBE", bit(1, "ecx", 22), "movbe eax, dword ptr [area]"),
    feature("SSE3", bit(1, "ecx", 0), "haddps xmm0, xmm1"),
    feature("SSSE3", bit(1, "ecx", 9), "pshufb xmm0, xmm1"),
    feature("SSE4.1", bit(1, "ecx", 19), "pmulld xmm0, xmm1"),
    feature("SSE4.2", bit(1, "ecx", 20), "pcmpgtq xmm0, xmm1"),
    feature("AES", bit(1, "ecx", 25), "aesenc xmm0, xmm1"),
    feature("PCLMULQDQ", bit(1, "ecx", 1), "pclmulqdq xmm0, xmm1, 0"),
    feature("RDRAND", bit(1, "ecx", 30), "rdrand eax"),
    feature("RDSEED", bit(7, "ebx", 18), "rdseed eax"),
    feature("BMI1", bit(7, "ebx", 3), "andn eax, ecx, edx; tzcnt eax, ecx"),
    feature("BMI2", bit(7, "ebx", 8), "pext eax, ecx, edx; rorx eax, ecx, 3"),
    feature("ADX", bit(7, "ebx", 19), "adcx eax, ecx"),
    feature("SHA", bit(7, "ebx", 29), "sha1nexte xmm0, xmm1"),
    feature("CLFLUSHOPT", bit(7, "ebx", 23), "clflushopt [area]"),
    feature("CLWB", bit(7, "ebx", 24), "clwb [area]"),
    feature("LZCNT", bit(0x80000001, "ecx", 5), "lzcnt eax, ecx"),
    feature("LAHF in 64-bit mode", bit(0x80000001, "ecx", 0), "lahf"),
    feature("RDTSCP", bit(0x80000001, "edx", 27), "rdtscp"),
    feature("1 GiB pages", bit(0x80000001, "edx", 26), ""),
    feature("NX", bit(0x80000001, "edx", 20), ""),
    feature("long mode", bit(0x80000001, "edx", 29), ""),
    feature("TSC deadline", bit(1, "ecx", 24), ""),
    feature("x2APIC", bit(1, "ecx", 21), ""),
    feature("PCID", bit(1, "ecx", 17), ""),
    feature("a hypervisor", bit(1, "ecx", 31), ""),
    feature("invariant TSC", bit(0x80000007, "edx", 8), ""),
    check(
      "AVX is neither promised nor there",
      `${bit(1, "ecx", 28)}show "cpuid"; .byte 0xc5, 0xf8, 0x58, 0xc0`,
      "cpuid=0 v=6 ip=1f fl=10002",
    ),
    check("VMX is neither promised nor there", `${bit(1, "ecx", 5)}show "cpuid"`, "cpuid=0 ran"),
    check("LA57 is not promised", `${bit(7, "ecx", 16)}show "cpuid"`, "cpuid=0 ran"),
    check(
      "OSXSAVE follows CR4",
      `${bit(1, "ecx", 27)}show "before"; ${OSXSAVE}${bit(1, "ecx", 27)}show "after"`,
      "before=0 after=1 ran",
    ),
    check("XGETBV", 'xor ecx, ecx; xgetbv; show "xcr0"', "xcr0=1 ran"),
    check(
      "XSETBV takes x87 and SSE",
      'xor ecx, ecx; xor edx, edx; mov eax, 3; xsetbv; xgetbv; show "xcr0"',
      "xcr0=3 ran",
    ),
    check("XSETBV without x87", "xor ecx, ecx; xor edx, edx; mov eax, 2; xsetbv", "v=d ip=9 fl=10002"),
    check("XSETBV of AVX that is not there", "xor ecx, ecx; xor edx, edx; mov eax, 7; xsetbv", "v=d ip=9 fl=10002"),
    check("XSETBV of XCR1", "mov ecx, 1; xor edx, edx; mov eax, 1; xsetbv", "v=d ip=c fl=10002"),
    check(
      "the area's size as CPUID gives it",
      'mov eax, 13; xor ecx, ecx; cpuid; mov eax, ebx; show "enabled"; mov eax, ecx; show "most"',
      "enabled=240 most=240 ran",
    ),
    check(
      "XSAVE and XRSTOR keep an XMM register",
      'mov rax, 0x1122334455667788; movq xmm3, rax; mov eax, 3; xor edx, edx; xsave [area]; pxor xmm3, xmm3; xrstor [area]; movq rax, xmm3; show "xmm3"; mov eax, [area + 512]; show "bv"',
      "xmm3=1122334455667788 bv=3 ran",
    ),
    check(
      "XRSTOR without a component initialises it",
      'mov qword ptr [area + 512], 1; mov eax, 3; xor edx, edx; xrstor [area]; movq rax, xmm3; show "xmm3"',
      "xmm3=0 ran",
    ),
    check(
      "XRSTOR of a bad header",
      "mov qword ptr [area + 520], 1; mov eax, 3; xor edx, edx; xrstor [area]",
      "v=d ip=13 fl=10002",
    ),
    check("XSAVE to an unaligned area", "mov eax, 3; xor edx, edx; xsave [area + 8]", "v=d ip=7 fl=10002"),
    check(
      "XSAVEC",
      'mov qword ptr [area + 520], 0; mov eax, 3; xor edx, edx; xsavec [area]; mov rax, [area + 520]; show "comp"',
      "comp=8000000000000003 ran",
    ),
    check(
      "XSAVE without CR4.OSXSAVE",
      "mov rax, cr4; btr rax, 18; mov cr4, rax; mov eax, 3; xsave [area]",
      "v=6 ip=10 fl=10002",
    ),
  ],
  { data: ".align 64\narea: .skip 1024" },
);
