/**
 * Registers of the local APIC, in manual order. [SDM] 3A 11.4 (xAPIC) and 11.12 (x2APIC): the MSR of a register is
 * 0x800 + offset / 16. No behaviour here.
 */

/** Offsets in the 4 KiB register page. Each register stands in the low 32 bits of 16 bytes. */
export namespace LapicReg {
  /** Local APIC id; RW in xAPIC mode, RO in x2APIC mode */
  export const ID: u32 = 0x020;
  /** Version; RO */
  export const VERSION: u32 = 0x030;
  /** Task priority; RW */
  export const TPR: u32 = 0x080;
  /** Arbitration priority; RO, xAPIC mode only */
  export const APR: u32 = 0x090;
  /** Processor priority; RO */
  export const PPR: u32 = 0x0a0;
  /** End of interrupt; WO */
  export const EOI: u32 = 0x0b0;
  /** Remote read; RO, xAPIC mode only */
  export const RRD: u32 = 0x0c0;
  /** Logical destination; RW in xAPIC mode, RO in x2APIC mode */
  export const LDR: u32 = 0x0d0;
  /** Destination format; RW, xAPIC mode only */
  export const DFR: u32 = 0x0e0;
  /** Spurious-interrupt vector; RW */
  export const SVR: u32 = 0x0f0;
  /** In-service, eight registers; RO */
  export const ISR: u32 = 0x100;
  /** Trigger mode, eight registers; RO */
  export const TMR: u32 = 0x180;
  /** Interrupt request, eight registers; RO */
  export const IRR: u32 = 0x200;
  /** Error status; a write latches what has been seen */
  export const ESR: u32 = 0x280;
  /** LVT corrected machine check interrupt; RW */
  export const LVT_CMCI: u32 = 0x2f0;
  /** Interrupt command, low half; RW; 64 bits wide in x2APIC mode */
  export const ICR_LOW: u32 = 0x300;
  /** Interrupt command, high half; RW, xAPIC mode only */
  export const ICR_HIGH: u32 = 0x310;
  /** LVT timer; RW */
  export const LVT_TIMER: u32 = 0x320;
  /** LVT thermal sensor; RW */
  export const LVT_THERMAL: u32 = 0x330;
  /** LVT performance counters; RW */
  export const LVT_PERF: u32 = 0x340;
  /** LVT LINT0; RW */
  export const LVT_LINT0: u32 = 0x350;
  /** LVT LINT1; RW */
  export const LVT_LINT1: u32 = 0x360;
  /** LVT error; RW */
  export const LVT_ERROR: u32 = 0x370;
  /** Timer initial count; RW */
  export const INITIAL_COUNT: u32 = 0x380;
  /** Timer current count; RO */
  export const CURRENT_COUNT: u32 = 0x390;
  /** Timer divide configuration; RW */
  export const DIVIDE_CONFIG: u32 = 0x3e0;
  /** Self IPI; WO, x2APIC mode only */
  export const SELF_IPI: u32 = 0x3f0;
}

/** Version register: xAPIC of version 0x15, seven LVT entries, EOI-broadcast suppression. */
export const VERSION_VALUE: u32 = 0x01060015;

/** Interrupt command register, low half. [SDM] 3A 11.6.1 */
export namespace Icr {
  export const SHORTHAND_MASK: u32 = 0xc0000;
  export const SHORTHAND_NONE: u32 = 0x00000;
  export const SHORTHAND_SELF: u32 = 0x40000;
  export const SHORTHAND_ALL: u32 = 0x80000;
  export const SHORTHAND_OTHERS: u32 = 0xc0000;
  /** what can be written: all but the delivery status and the reserved bits */
  export const WRITABLE_MASK: u32 = 0xccfff;
  /** bits that must be zero in x2APIC mode */
  export const RESERVED_MASK: u32 = 0xfff32000;
}

/** Local vector table. [SDM] 3A 11.5.1 */
export namespace Lvt {
  export const MASKED: u32 = 0x10000;
  export const TIMER_MODE_MASK: u32 = 0x60000;
  export const TIMER_ONE_SHOT: u32 = 0x00000;
  export const TIMER_PERIODIC: u32 = 0x20000;
  export const TIMER_TSC_DEADLINE: u32 = 0x40000;
  /** value of every entry after reset and INIT, and the bit forced by software disable */
  export const RESET: u32 = 0x10000;
}

/** Positions of the entries in Lapic.lvt. */
export namespace LvtIndex {
  export const TIMER: u32 = 0;
  export const THERMAL: u32 = 1;
  export const PERF: u32 = 2;
  export const LINT0: u32 = 3;
  export const LINT1: u32 = 4;
  export const ERROR: u32 = 5;
  export const CMCI: u32 = 6;
  export const COUNT: u32 = 7;
}

/** What can be written to each entry of Lapic.lvt. */
export const TIMER_WRITABLE: u32 = 0x700ff;
export const SENSOR_WRITABLE: u32 = 0x107ff;
export const LINT_WRITABLE: u32 = 0x1a7ff;
export const ERROR_WRITABLE: u32 = 0x100ff;
/** Read-only status bits (delivery status, remote IRR): a write of 1 is ignored, not a fault. */
export const LVT_STATUS: u32 = 0x5000;

/** MSR of the register at offset 0; each 16 bytes of the page make one MSR. */
export const X2APIC_MSR_BASE: u32 = 0x800;
