/** Bits of the control registers and of IA32_EFER, by their manual names. [SDM] vol. 3A, 2.5 and 2.2.1. */

export namespace Cr0 {
  export const PE: u64 = 1 << 0;
  export const MP: u64 = 1 << 1;
  export const EM: u64 = 1 << 2;
  export const TS: u64 = 1 << 3;
  export const ET: u64 = 1 << 4;
  export const NE: u64 = 1 << 5;
  export const WP: u64 = 1 << 16;
  export const AM: u64 = 1 << 18;
  export const NW: u64 = 1 << 29;
  export const CD: u64 = 1 << 30;
  export const PG: u64 = 0x80000000;
  /** Every bit that can be set; the others of the low half read as zero. */
  export const ALL: u64 = 0xe005003f;
}

export namespace Cr4 {
  export const VME: u64 = 1 << 0;
  export const PVI: u64 = 1 << 1;
  export const TSD: u64 = 1 << 2;
  export const DE: u64 = 1 << 3;
  export const PSE: u64 = 1 << 4;
  export const PAE: u64 = 1 << 5;
  export const MCE: u64 = 1 << 6;
  export const PGE: u64 = 1 << 7;
  export const PCE: u64 = 1 << 8;
  export const OSFXSR: u64 = 1 << 9;
  export const OSXMMEXCPT: u64 = 1 << 10;
  export const UMIP: u64 = 1 << 11;
  export const FSGSBASE: u64 = 1 << 16;
  export const PCIDE: u64 = 1 << 17;
  export const OSXSAVE: u64 = 1 << 18;
  export const SMEP: u64 = 1 << 20;
  export const SMAP: u64 = 1 << 21;
  /** Bits that this processor has; setting another is #GP(0). */
  export const ALL: u64 = 0x370fff;
}

export namespace Cr3 {
  export const PCID_MASK: u64 = 0xfff;
  /** In the source of a MOV to CR3 with PCIDs: keep the translations. */
  export const NO_FLUSH: u64 = 0x8000000000000000;
  /** Above the 46 physical address bits. */
  export const RESERVED: u64 = 0xffffc00000000000;
}

export namespace Efer {
  export const SCE: u64 = 1 << 0;
  export const LME: u64 = 1 << 8;
  export const LMA: u64 = 1 << 10;
  export const NXE: u64 = 1 << 11;
  export const ALL: u64 = 0xd01;
}
