/** Numbers of the model-specific registers, and the constant ones' values. [SDM] vol. 4, 2.1. */

export namespace Msr {
  export const PLATFORM_ID: u32 = 0x17;
  export const TSC: u32 = 0x10;
  export const APIC_BASE: u32 = 0x1b;
  export const SMI_COUNT: u32 = 0x34;
  export const FEATURE_CONTROL: u32 = 0x3a;
  export const TSC_ADJUST: u32 = 0x3b;
  export const SPEC_CTRL: u32 = 0x48;
  export const PRED_CMD: u32 = 0x49;
  export const BIOS_UPDATE: u32 = 0x79;
  export const BIOS_SIGN_ID: u32 = 0x8b;
  export const PLATFORM_INFO: u32 = 0xce;
  export const MTRR_CAP: u32 = 0xfe;
  export const ARCH_CAPABILITIES: u32 = 0x10a;
  export const MISC_FEATURES: u32 = 0x140;
  export const SYSENTER_CS: u32 = 0x174;
  export const SYSENTER_ESP: u32 = 0x175;
  export const SYSENTER_EIP: u32 = 0x176;
  export const MCG_CAP: u32 = 0x179;
  export const MCG_STATUS: u32 = 0x17a;
  export const PERF_STATUS: u32 = 0x198;
  export const MISC_ENABLE: u32 = 0x1a0;
  export const DEBUG_CTL: u32 = 0x1d9;
  export const MTRR_PHYS_BASE0: u32 = 0x200;
  export const MTRR_FIX64K: u32 = 0x250;
  export const MTRR_FIX16K: u32 = 0x258;
  export const MTRR_FIX4K: u32 = 0x268;
  export const PAT: u32 = 0x277;
  export const MC0_CTL2: u32 = 0x280;
  export const MTRR_DEF_TYPE: u32 = 0x2ff;
  export const MC0_CTL: u32 = 0x400;
  export const TSC_DEADLINE: u32 = 0x6e0;
  export const XSS: u32 = 0xda0;
  export const X2APIC_FIRST: u32 = 0x800;
  export const X2APIC_LAST: u32 = 0x8ff;
  export const XEN_HYPERCALL: u32 = 0x40000000;
  export const EFER: u32 = 0xc0000080;
  export const STAR: u32 = 0xc0000081;
  export const LSTAR: u32 = 0xc0000082;
  export const CSTAR: u32 = 0xc0000083;
  export const FMASK: u32 = 0xc0000084;
  export const FS_BASE: u32 = 0xc0000100;
  export const GS_BASE: u32 = 0xc0000101;
  export const KERNEL_GS_BASE: u32 = 0xc0000102;
  export const TSC_AUX: u32 = 0xc0000103;
}

/** Machine-check banks. */
export const MC_BANKS: u32 = 2;
/** Two banks, CMCI, threshold-based status, software error recovery. */
export const MCG_CAP_VALUE: u64 = 0x1000c00 | MC_BANKS;
/** Fixed and write-combining ranges, eight variable ranges. */
export const MTRR_CAP_VALUE: u64 = 0x508;
/** 1 GHz: ratio 10 over the 100 MHz bus clock, in both the minimum and the maximum ratio fields. */
export const PLATFORM_INFO_VALUE: u64 = 0x00000a0000000a00;
/** Microcode revision that is loaded: newer than any list of bad ones. */
export const MICROCODE_REVISION: u64 = 0x0000d00000000000;

/**
 * An interpreter does not speculate: immune to Meltdown, L1TF, MDS, TAA, stale MMIO data, speculative store bypass,
 * branch history injection, gather data sampling, register file sampling and indirect target selection; IBRS costs nothing.
 *   0 RDCL_NO  1 IBRS_ALL  3 SKIP_L1DFL_VMENTRY  4 SSB_NO  5 MDS_NO  6 PSCHANGE_MC_NO  8 TAA_NO  13 SBDR_SSDP_NO
 *   14 FBSDP_NO  15 PSDP_NO  20 BHI_NO  24 PBRSB_NO  26 GDS_NO  27 RFDS_NO  62 ITS_NO
 */
export const ARCH_CAPABILITIES_VALUE: u64 =
  0x17b | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 20) | (1 << 24) | (1 << 26) | (1 << 27) | ((<u64>1) << 62);

/** Bits of IA32_MISC_ENABLE. */
export namespace MiscEnable {
  /** read-only: performance monitoring unavailable is clear, branch trace storage and PEBS are not there */
  export const READ_ONLY: u64 = 0x1800;
  export const MONITOR: u64 = 1 << 18;
  export const LIMIT_CPUID: u64 = 1 << 22;
  export const XD_DISABLE: u64 = (<u64>1) << 34;
  /** fast strings, thermal control, EIST, MONITOR, CPUID limit, xTPR, XD disable */
  export const WRITABLE: u64 = 0x0000000400c50009;
}
