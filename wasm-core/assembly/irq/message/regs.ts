/**
 * What an interrupt message carries and the bits that decide which local APIC accepts it. [SDM] 3A 11.4-11.9.
 * Shared by the local APIC (which sends and accepts) and the I/O APIC (which sends). No behaviour here.
 */

/** IA32_APIC_BASE (MSR 0x1b). [SDM] 3A 11.4.4 */
export namespace ApicBase {
  /** this is the bootstrap processor; RO here, set at reset */
  export const BSP: u32 = 0x100;
  /** x2APIC mode */
  export const EXTD: u32 = 0x400;
  /** APIC global enable */
  export const ENABLE: u32 = 0x800;
}

/** Spurious-interrupt vector register. [SDM] 3A 11.9 */
export namespace Svr {
  /** APIC software enable */
  export const ENABLE: u32 = 0x100;
  /** no EOI message to the I/O APICs */
  export const SUPPRESS_EOI_BROADCAST: u32 = 0x1000;
  /** writable bits: the vector, enable, focus checking (no effect) and suppression */
  export const WRITABLE_MASK: u32 = 0x13ff;
  /** value after reset and INIT */
  export const RESET: u32 = 0xff;
}

/** Error status register. [SDM] 3A 11.5.3 */
export namespace Esr {
  /** a vector below 16 was to be sent */
  export const SEND_ILLEGAL_VECTOR: u32 = 0x20;
  /** a vector below 16 arrived, or one from the LVT */
  export const RECEIVE_ILLEGAL_VECTOR: u32 = 0x40;
  /** a register that does not exist was touched */
  export const ILLEGAL_REGISTER: u32 = 0x80;
}

/** Fields shared by the ICR, the LVT and the I/O APIC's redirection entries. */
export namespace Message {
  export const VECTOR_MASK: u32 = 0xff;
  export const DELIVERY_MASK: u32 = 0x700;
  export const FIXED: u32 = 0x000;
  export const LOWEST_PRIORITY: u32 = 0x100;
  export const SMI: u32 = 0x200;
  export const NMI: u32 = 0x400;
  export const INIT: u32 = 0x500;
  export const STARTUP: u32 = 0x600;
  export const EXTINT: u32 = 0x700;
  /** destination is a logical one */
  export const LOGICAL: u32 = 0x800;
  /** delivery status: 1 = not accepted yet; RO */
  export const DELIVERY_STATUS: u32 = 0x1000;
  /** ICR: level is asserted; 0 only for INIT level de-assert */
  export const ASSERT: u32 = 0x4000;
  /** level triggered */
  export const LEVEL: u32 = 0x8000;
}

/** Logical destinations. [SDM] 3A 11.6.2.2 */
export namespace Dfr {
  /** model bits 31:28 all ones: flat; all zeros: cluster */
  export const MODEL_SHIFT: u32 = 28;
  export const FLAT: u32 = 0xf;
  /** bits 27:0 read as ones; value after reset and INIT */
  export const RESET: u32 = 0xffffffff;
}

/** The first vector that is legal in a message; lower ones are the exceptions. */
export const FIRST_VECTOR: u32 = 16;
/** A destination that names every processor. */
export const BROADCAST: u32 = 0xffffffff;
