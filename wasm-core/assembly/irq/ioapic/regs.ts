/**
 * Registers of the I/O APIC, in manual order. 82093AA datasheet, 3.0; the EOI register is that of version 0x20 parts
 * (ICH and later). No behaviour here. Redirection entries share their low half with irq/message (Message).
 */

/** Offsets of the memory-mapped registers. */
export namespace IoApicMmio {
  /** I/O register select; RW, 8 bits */
  export const IOREGSEL: u32 = 0x00;
  /** I/O window: the register that IOREGSEL names; RW, 32 bits */
  export const IOWIN: u32 = 0x10;
  /** End of interrupt for a vector; WO, 8 bits */
  export const EOI: u32 = 0x40;
  /** The registers repeat above; the page is 4 KiB */
  export const PAGE_MASK: u32 = 0xfff;
}

/** Indices for IOREGSEL. */
export namespace IoApicReg {
  /** I/O APIC id, bits 27:24; RW */
  export const ID: u32 = 0x00;
  /** Version 7:0, highest entry 23:16; RO */
  export const VERSION: u32 = 0x01;
  /** Arbitration id, bits 27:24; RO */
  export const ARB: u32 = 0x02;
  /** Redirection table: low and high half of each entry; RW */
  export const REDIRECTION: u32 = 0x10;
}

/** Twenty-four entries, version 0x20: the one with an EOI register. */
export const IOAPIC_VERSION_VALUE: u32 = 0x00170020;
export const ID_MASK: u32 = 0x0f000000;

/** Redirection entry, low half, beyond what Message names. */
export namespace Redirection {
  /** low active input; kept, the lines here are logical */
  export const POLARITY: u32 = 0x2000;
  /** level interrupt accepted and not ended yet; RO */
  export const REMOTE_IRR: u32 = 0x4000;
  export const MASKED: u32 = 0x10000;
  /** all but delivery status and remote IRR */
  export const WRITABLE_MASK: u32 = 0x1afff;
}

/** Where an entry's 8-bit destination stands. */
export const DESTINATION_SHIFT: u64 = 56;
/** Every entry after reset: masked. */
export const REDIRECTION_RESET: u64 = 0x10000;
