/**
 * CPUID: one table of what this processor has. Identification follows the Xeon 7500 (06_2EH); the hypervisor's own
 * leaves are Xen's. A feature is listed when its instructions or registers exist. [SDM] vol. 2, "CPUID";
 * [XEN] public/arch-x86/cpuid.h.
 */
import { Domain, DomainOff, Vcpu } from "../gen/layout";
import { Cr4 } from "./control-bits";
import { getReg, Gpr, setReg } from "./regs";
import { MICROCODE_REVISION, MiscEnable } from "./msr";
import { is64 } from "./modes";

const MAX_BASIC: u32 = 0x16;
const MAX_EXTENDED: u32 = 0x80000008;
const XEN_BASE: u32 = 0x40000000;
const XEN_MAX: u32 = 0x40000005;
/** Family 6, model 2EH, stepping 6. */
const SIGNATURE: u32 = 0x000206e6;
const TSC_HZ: u32 = 1000000000;
const TSC_MHZ: u32 = 1000;
const PHYSICAL_BITS: u32 = 46;
const LINEAR_BITS: u32 = 48;
const XSAVE_COMPONENTS: u32 = 3;
const XSAVE_BYTES: u32 = 576;
const APIC_GLOBAL_ENABLE: u64 = 0x800;

/** Leaf 1 EDX: FPU VME DE PSE TSC MSR PAE MCE CX8, SEP MTRR PGE MCA CMOV PAT PSE36, CLFSH, MMX FXSR SSE SSE2 SS. */
const LEAF1_EDX: u32 = 0x0f8bf9ff;
const LEAF1_EDX_APIC: u32 = 1 << 9;
const LEAF1_EDX_HTT: u32 = 1 << 28;
/** Leaf 1 ECX: SSE3 PCLMULQDQ SSSE3 CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT TSC-deadline AES XSAVE RDRAND hypervisor. */
const LEAF1_ECX: u32 =
  0x203 |
  (1 << 13) |
  (1 << 17) |
  (1 << 19) |
  (1 << 20) |
  (1 << 21) |
  (1 << 22) |
  (1 << 23) |
  (1 << 24) |
  (1 << 25) |
  (1 << 26) |
  (1 << 30) |
  (1 << 31);
const LEAF1_ECX_MONITOR: u32 = 1 << 3;
const LEAF1_ECX_OSXSAVE: u32 = 1 << 27;
/** Leaf 7 EBX: FSGSBASE TSC_ADJUST BMI1 FDP_EXCPTN_ONLY SMEP BMI2 ERMS INVPCID, no FCS and FDS, RDSEED ADX SMAP CLFLUSHOPT CLWB SHA. */
const LEAF7_EBX: u32 =
  0x3 |
  (1 << 3) |
  (1 << 6) |
  (1 << 7) |
  (1 << 8) |
  (1 << 9) |
  (1 << 10) |
  (1 << 13) |
  (1 << 18) |
  (1 << 19) |
  (1 << 20) |
  (1 << 23) |
  (1 << 24) |
  (1 << 29);
/** Leaf 7 ECX: UMIP RDPID. */
const LEAF7_ECX: u32 = (1 << 2) | (1 << 22);
/** Leaf 7 EDX: FSRM MD_CLEAR IBRS STIBP ARCH_CAPABILITIES SSBD. */
const LEAF7_EDX: u32 = (1 << 4) | (1 << 10) | (1 << 26) | (1 << 27) | (1 << 29) | (1 << 31);
/** Leaf 7.2 EDX: BHI_CTRL, so that a kernel asks for BHI_DIS_S and does not clear branch history by hand. */
const LEAF7_2_EDX: u32 = 1 << 4;
/** Leaf DH.1 EAX: XSAVEOPT XSAVEC XGETBV1 XSAVES. */
const LEAFD1_EAX: u32 = 0xf;
/** Leaf 80000001H: LAHF LZCNT PREFETCHW in ECX; NX 1-GiB pages RDTSCP LM in EDX, and SYSCALL in 64-bit mode. */
const EXT1_ECX: u32 = 0x121;
const EXT1_EDX: u32 = (1 << 20) | (1 << 26) | (1 << 27) | (1 << 29);
const EXT1_EDX_SYSCALL: u32 = 1 << 11;

/** "Xenolith Virtual CPU @ 1.00GHz", 48 bytes. */
// biome-ignore format: text
const BRAND: usize = memory.data<u8>([
  0x58, 0x65, 0x6e, 0x6f, 0x6c, 0x69, 0x74, 0x68, 0x20, 0x56, 0x69, 0x72, 0x74, 0x75, 0x61, 0x6c, 0x20, 0x43, 0x50,
  0x55, 0x20, 0x40, 0x20, 0x31, 0x2e, 0x30, 0x30, 0x47, 0x48, 0x7a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0,
]);

function give(cpu: Vcpu, eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  setReg<u32>(cpu, Gpr.RAX, eax);
  setReg<u32>(cpu, Gpr.RBX, ebx);
  setReg<u32>(cpu, Gpr.RCX, ecx);
  setReg<u32>(cpu, Gpr.RDX, edx);
}

/** Runs CPUID with the leaf in EAX and the subleaf in ECX. */
export function cpuid(cpu: Vcpu): void {
  let leaf = getReg<u32>(cpu, Gpr.RAX);
  const sub = getReg<u32>(cpu, Gpr.RCX);
  if (leaf >> 28 == 4) {
    xenLeaf(cpu, leaf, sub);
    return;
  }
  if (leaf >> 31 && leaf <= MAX_EXTENDED) {
    extendedLeaf(cpu, leaf);
    return;
  }
  // Beyond the last leaf the answer is that of the highest basic one.
  if (leaf > maxBasic(cpu)) leaf = maxBasic(cpu);
  basicLeaf(cpu, leaf, sub);
}

function maxBasic(cpu: Vcpu): u32 {
  return cpu.miscEnable & MiscEnable.LIMIT_CPUID ? 2 : MAX_BASIC;
}

@inline
function vcpus(cpu: Vcpu): u32 {
  return changetype<Domain>(<usize>cpu.domain).maxVcpus;
}

/** Bits that APIC ids take within the one package: those of the last vCPU's id. */
function packageBits(cpu: Vcpu): u32 {
  const last = load<u32>(<usize>cpu.domain + DomainOff.vcpus + ((<usize>(vcpus(cpu) - 1)) << 2));
  const id = last == 0 ? cpu.apicId : changetype<Vcpu>(<usize>last).apicId;
  return 32 - clz<u32>(id);
}

function basicLeaf(cpu: Vcpu, leaf: u32, sub: u32): void {
  switch (leaf) {
    // "GenuineIntel"
    case 0:
      give(cpu, maxBasic(cpu), 0x756e6547, 0x6c65746e, 0x49656e69);
      break;
    case 1:
      featureLeaf(cpu);
      break;
    // caches: see leaf 4; 64-byte prefetch
    case 2:
      give(cpu, 0x00ff0001, 0xf0, 0, 0);
      break;
    case 4:
      cacheLeaf(cpu, sub);
      break;
    case 5:
      monitorLeaf(cpu);
      break;
    // the APIC timer always runs
    case 6:
      give(cpu, 4, 0, 0, 0);
      break;
    case 7:
      if (sub == 0) give(cpu, 2, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX);
      else if (sub == 2) give(cpu, 0, 0, 0, LEAF7_2_EDX);
      else give(cpu, 0, 0, 0, 0);
      break;
    case 0xb:
      topologyLeaf(cpu, sub);
      break;
    case 0xd:
      xsaveLeaf(cpu, sub);
      break;
    case 0x15:
      give(cpu, 1, 1, TSC_HZ, 0);
      break;
    case 0x16:
      give(cpu, TSC_MHZ, TSC_MHZ, 100, 0);
      break;
    default:
      give(cpu, 0, 0, 0, 0);
  }
}

function hasMonitor(cpu: Vcpu): bool {
  return (cpu.miscEnable & MiscEnable.MONITOR) != 0;
}

function featureLeaf(cpu: Vcpu): void {
  cpu.microcode = MICROCODE_REVISION;
  const many = vcpus(cpu) > 1;
  const logical = many ? min<u32>(1 << packageBits(cpu), 255) : 1;
  // CLFLUSH line of 8 * 8 bytes
  const ebx = ((cpu.apicId & 0xff) << 24) | (logical << 16) | (8 << 8);
  let ecx = LEAF1_ECX;
  if (cpu.cr4 & Cr4.OSXSAVE) ecx |= LEAF1_ECX_OSXSAVE;
  if (hasMonitor(cpu)) ecx |= LEAF1_ECX_MONITOR;
  let edx = LEAF1_EDX;
  if (cpu.apicBase & APIC_GLOBAL_ENABLE) edx |= LEAF1_EDX_APIC;
  if (many) edx |= LEAF1_EDX_HTT;
  give(cpu, SIGNATURE, ebx, ecx, edx);
}

/** One cache: type (1 data, 2 instruction, 3 unified), level, sharing, ways and sets of 64-byte lines. */
function cache(cpu: Vcpu, type: u32, level: u32, sharing: u32, ways: u32, sets: u32): void {
  const cores = (1 << packageBits(cpu)) - 1;
  const eax = type | (level << 5) | (1 << 8) | (sharing << 14) | (min<u32>(cores, 63) << 26);
  give(cpu, eax, ((ways - 1) << 22) | 63, sets - 1, 0);
}

function cacheLeaf(cpu: Vcpu, sub: u32): void {
  switch (sub) {
    case 0:
      cache(cpu, 1, 1, 0, 8, 64);
      break;
    case 1:
      cache(cpu, 2, 1, 0, 4, 128);
      break;
    case 2:
      cache(cpu, 3, 2, 0, 8, 512);
      break;
    case 3:
      cache(cpu, 3, 3, (1 << packageBits(cpu)) - 1, 24, 16384);
      break;
    default:
      give(cpu, 0, 0, 0, 0);
  }
}

/** The line that MONITOR watches; extensions are enumerated and there is no C-state for MWAIT to enter, so that HLT idles. */
function monitorLeaf(cpu: Vcpu): void {
  if (hasMonitor(cpu)) give(cpu, 64, 64, 1, 0);
  else give(cpu, 0, 0, 0, 0);
}

/** Level 0: threads, one a core; level 1: cores of the package. */
function topologyLeaf(cpu: Vcpu, sub: u32): void {
  if (sub == 0) give(cpu, 0, 1, 1 << 8, cpu.apicId);
  else if (sub == 1) give(cpu, packageBits(cpu), vcpus(cpu), 1 | (2 << 8), cpu.apicId);
  else give(cpu, 0, 0, sub & 0xff, cpu.apicId);
}

function xsaveLeaf(cpu: Vcpu, sub: u32): void {
  if (sub == 0) give(cpu, XSAVE_COMPONENTS, XSAVE_BYTES, XSAVE_BYTES, 0);
  else if (sub == 1) give(cpu, LEAFD1_EAX, XSAVE_BYTES, 0, 0);
  else give(cpu, 0, 0, 0, 0);
}

function brandLeaf(cpu: Vcpu, n: u32): void {
  const p = BRAND + ((<usize>n) << 4);
  give(cpu, load<u32>(p), load<u32>(p, 4), load<u32>(p, 8), load<u32>(p, 12));
}

function extendedLeaf(cpu: Vcpu, leaf: u32): void {
  switch (leaf & 0xff) {
    case 0:
      give(cpu, MAX_EXTENDED, 0, 0, 0);
      break;
    case 1:
      give(cpu, 0, 0, EXT1_ECX, extendedFeatures(cpu));
      break;
    case 2:
    case 3:
    case 4:
      brandLeaf(cpu, (leaf & 0xff) - 2);
      break;
    // L2: 256 KiB, 8-way, 64-byte lines
    case 6:
      give(cpu, 0, 0, (256 << 16) | (6 << 12) | 64, 0);
      break;
    // invariant TSC
    case 7:
      give(cpu, 0, 0, 0, 1 << 8);
      break;
    case 8:
      give(cpu, PHYSICAL_BITS | (LINEAR_BITS << 8), 0, 0, 0);
      break;
    default:
      give(cpu, 0, 0, 0, 0);
  }
}

function extendedFeatures(cpu: Vcpu): u32 {
  let edx = is64(cpu) ? EXT1_EDX | EXT1_EDX_SYSCALL : EXT1_EDX;
  if (cpu.miscEnable & MiscEnable.XD_DISABLE) edx &= ~(1 << 20);
  return edx;
}

function xenLeaf(cpu: Vcpu, leaf: u32, sub: u32): void {
  switch (leaf) {
    // "XenVMMXenVMM"
    case XEN_BASE:
      give(cpu, XEN_MAX, 0x566e6558, 0x65584d4d, 0x4d4d566e);
      break;
    // version 4.0
    case XEN_BASE + 1:
      give(cpu, 4 << 16, 0, 0, 0);
      break;
    // one hypercall page, written through MSR 40000000H
    case XEN_BASE + 2:
      give(cpu, 1, XEN_BASE, 0, 0);
      break;
    case XEN_BASE + 3:
      xenTimeLeaf(cpu, sub);
      break;
    // x2APIC virtualised, vCPU id, domain id, upcall vector per vCPU
    case XEN_BASE + 4:
      give(cpu, 2 | (1 << 3) | (1 << 4) | (1 << 6), cpu.id, changetype<Domain>(<usize>cpu.domain).domid, 0);
      break;
    default:
      give(cpu, 0, 0, 0, 0);
  }
}

/** The TSC runs at 1 GHz from the domain's start: an offset, and a multiplier of 2 ** 31 with shift 1. */
function xenTimeLeaf(cpu: Vcpu, sub: u32): void {
  if (sub == 0) give(cpu, 2 | 4, 0, TSC_HZ / 1000, 0);
  else if (sub == 1) give(cpu, <u32>cpu.tscOffset, <u32>(cpu.tscOffset >> 32), 0x80000000, 1);
  else if (sub == 2) give(cpu, TSC_HZ / 1000, 0, 0, 0);
  else give(cpu, 0, 0, 0, 0);
}
