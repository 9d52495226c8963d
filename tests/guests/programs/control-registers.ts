/**
 * What control registers and model-specific registers accept.
 * Proves [SDM] vol. 3, 2.5 (control registers), 4.1.2 (paging-mode enabling), 10.8.6 (CR8); vol. 2, MOV CRn, WRMSR, LMSW.
 */

import { longProgram } from "../support/long.js";
import { check } from "../support/program.js";

const wrmsr = (msr: string, low: string, high = "0") => `mov ecx, ${msr}; mov eax, ${low}; mov edx, ${high}; wrmsr`;

export const controlRegisters = longProgram("control registers and MSRs", [
  check("CR1 does not exist", ".byte 0x0f, 0x20, 0xc8", "v=6 ip=0 fl=10002"),
  check("a reserved bit of CR4", "mov eax, 0x80000000; mov cr4, rax", "v=d ip=5 fl=10002"),
  check("CR4.PAE cannot be cleared in long mode", "mov rax, cr4; and eax, ~0x20; mov cr4, rax", "v=d ip=6 fl=10002"),
  check(
    "CR4.PCIDE needs CR3's low bits clear",
    "mov rax, cr3; or eax, 1; mov cr3, rax; mov rax, cr4; bts rax, 17; mov cr4, rax",
    "v=d ip=11 fl=10002",
  ),
  check("CR3 back", "mov rax, cr3; and eax, ~1; mov cr3, rax"),
  check("CR0.PG cannot be cleared in 64-bit mode", "mov rax, cr0; btr rax, 31; mov cr0, rax", "v=d ip=8 fl=10002"),
  check("CR0.PG without PE", "mov rax, cr0; btr rax, 0; mov cr0, rax", "v=d ip=8 fl=10002"),
  check("CR0's upper half", "mov rax, 0x100000000; mov cr0, rax", "v=d ip=a fl=10002"),
  check("CR0.NW without CD", "mov rax, cr0; bts rax, 29; mov cr0, rax", "v=d ip=8 fl=10002"),
  check(
    "CR0.ET cannot be cleared",
    'mov rax, cr0; btr rax, 4; mov cr0, rax; mov rax, cr0; and eax, 0x10; show "et"',
    "et=10 ran",
  ),
  check("CR3's reserved bits", "mov rax, 0x8000000000000000; mov cr3, rax", "v=d ip=a fl=10002"),
  check("CR8 holds four bits", "mov eax, 16; mov cr8, rax", "v=d ip=5 fl=10002"),
  check(
    "CR8 is the task priority",
    'mov eax, 5; mov cr8, rax; mov rax, cr8; show "cr8"; xor eax, eax; mov cr8, rax',
    "cr8=5 ran",
  ),
  check("EFER.LME cannot change while paging", wrmsr("0xc0000080", "0x001"), "v=d ip=f fl=10002"),
  check("EFER.LMA is not written", `${wrmsr("0xc0000080", "0x901")}; rdmsr; show "efer"`, "efer=d01 ran"),
  check("a reserved bit of EFER", wrmsr("0xc0000080", "0x20d01"), "v=d ip=f fl=10002"),
  check("an MSR that does not exist", "mov ecx, 0x12345; rdmsr", "v=d ip=5 fl=10002"),
  check("a write to an MSR that does not exist", wrmsr("0x12345", "0"), "v=d ip=f fl=10002"),
  check("LSTAR takes canonical addresses", wrmsr("0xc0000082", "0", "0x8000"), "v=d ip=f fl=10002"),
  check("FS base takes canonical addresses", wrmsr("0xc0000100", "0", "0x8000"), "v=d ip=f fl=10002"),
  check("WRFSBASE without CR4.FSGSBASE", "wrfsbase rax", "v=6 ip=0 fl=10002"),
  check(
    "WRFSBASE",
    'mov rax, cr4; bts rax, 16; mov cr4, rax; mov rax, 0x123456789a; wrfsbase rax; rdfsbase rcx; mov rax, rcx; show "base"; wrgsbase eax; rdgsbase rax; show "gs"',
    "base=123456789a gs=3456789a ran",
  ),
  check("WRGSBASE takes canonical addresses", "mov rax, 0x800000000000; wrgsbase rax", "v=d ip=a fl=10002"),
  check("PAT takes only memory types", wrmsr("0x277", "2"), "v=d ip=f fl=10002"),
  check(
    "PAT",
    `${wrmsr("0x277", "0x00070106", "0x00070106")}; rdmsr; show "low"; mov eax, edx; show "high"`,
    "low=70106 high=70106 ran",
  ),
  check("CLTS", 'mov rax, cr0; bts rax, 3; mov cr0, rax; clts; mov rax, cr0; and eax, 8; show "ts"', "ts=0 ran"),
  check("LMSW sets but does not clear PE", 'xor eax, eax; lmsw ax; smsw eax; and eax, 1; show "pe"', "pe=1 ran"),
  check("x87 with CR0.TS", "mov rax, cr0; bts rax, 3; mov cr0, rax; fld1", "v=7 ip=b fl=10002"),
  check("SSE with CR0.TS", "addps xmm0, xmm1", "v=7 ip=0 fl=10002"),
  check("WAIT with TS but not MP", "fwait", "ran"),
  check("x87 with CR0.EM", "clts; mov rax, cr0; bts rax, 2; mov cr0, rax; fld1", "v=7 ip=d fl=10002"),
  check("SSE with CR0.EM", "addps xmm0, xmm1", "v=6 ip=0 fl=10002"),
  check(
    "SSE without CR4.OSFXSR",
    "mov rax, cr0; btr rax, 2; mov cr0, rax; mov rax, cr4; btr rax, 9; mov cr4, rax; addps xmm0, xmm1",
    "v=6 ip=16 fl=10002",
  ),
  check("SSE again", "mov rax, cr4; bts rax, 9; mov cr4, rax; addps xmm0, xmm1", "ran"),
  check("RDTSC with CR4.TSD at CPL 0", "mov rax, cr4; or eax, 4; mov cr4, rax; rdtsc", "ran"),
  check("RDPMC of no counter", "mov ecx, 99; rdpmc", "v=d ip=5 fl=10002"),
]);
