/** Registers of the 16550A UART, in manual order. PC16550D datasheet, 8. No behaviour here. */

/** Offsets from the base port. */
export namespace UartReg {
  /** Receiver buffer (RO) and transmitter holding (WO); divisor latch low while DLAB is set */
  export const DATA: u32 = 0;
  /** Interrupt enable; RW; divisor latch high while DLAB is set */
  export const IER: u32 = 1;
  /** Interrupt identification (RO) and FIFO control (WO) */
  export const IIR: u32 = 2;
  /** Line control; RW */
  export const LCR: u32 = 3;
  /** Modem control; RW */
  export const MCR: u32 = 4;
  /** Line status; RO */
  export const LSR: u32 = 5;
  /** Modem status; RO */
  export const MSR: u32 = 6;
  /** Scratch; RW */
  export const SCR: u32 = 7;
}

/** Interrupt enable. */
export namespace Ier {
  export const RECEIVED: u32 = 0x01;
  export const TRANSMITTER_EMPTY: u32 = 0x02;
  export const LINE_STATUS: u32 = 0x04;
  export const MODEM_STATUS: u32 = 0x08;
  export const MASK: u32 = 0x0f;
}

/** Interrupt identification, highest priority first. */
export namespace Iir {
  export const LINE_STATUS: u32 = 0x06;
  export const RECEIVED: u32 = 0x04;
  export const TIMEOUT: u32 = 0x0c;
  export const TRANSMITTER_EMPTY: u32 = 0x02;
  export const MODEM_STATUS: u32 = 0x00;
  export const NONE: u32 = 0x01;
  export const FIFOS_ENABLED: u32 = 0xc0;
}

/** FIFO control. */
export namespace Fcr {
  /** the other bits are only taken together with this one */
  export const ENABLE: u32 = 0x01;
  export const RESET_RECEIVER: u32 = 0x02;
  export const RESET_TRANSMITTER: u32 = 0x04;
  export const TRIGGER_SHIFT: u32 = 6;
  /** what is kept: enable, DMA mode (no effect), trigger */
  export const KEPT_MASK: u32 = 0xc9;
}

/** Line control. */
export namespace Lcr {
  /** word length 5-8 */
  export const LENGTH_MASK: u32 = 0x03;
  export const TWO_STOP_BITS: u32 = 0x04;
  export const PARITY: u32 = 0x08;
  export const BREAK: u32 = 0x40;
  /** divisor latch access */
  export const DLAB: u32 = 0x80;
}

/** Modem control. */
export namespace Mcr {
  export const DTR: u32 = 0x01;
  export const RTS: u32 = 0x02;
  export const OUT1: u32 = 0x04;
  /** on a PC it connects the interrupt */
  export const OUT2: u32 = 0x08;
  export const LOOPBACK: u32 = 0x10;
  export const MASK: u32 = 0x1f;
}

/** Line status. */
export namespace Lsr {
  export const DATA_READY: u32 = 0x01;
  export const OVERRUN: u32 = 0x02;
  export const BREAK: u32 = 0x10;
  export const HOLDING_EMPTY: u32 = 0x20;
  export const TRANSMITTER_EMPTY: u32 = 0x40;
  /** some byte in the FIFO has an error */
  export const FIFO_ERROR: u32 = 0x80;
}

/** Modem status: changes in the low half, levels in the high half. */
export namespace Msr {
  export const CTS_CHANGED: u32 = 0x01;
  export const DSR_CHANGED: u32 = 0x02;
  export const RING_ENDED: u32 = 0x04;
  export const DCD_CHANGED: u32 = 0x08;
  export const CHANGES_MASK: u32 = 0x0f;
  export const CTS: u32 = 0x10;
  export const DSR: u32 = 0x20;
  export const RING: u32 = 0x40;
  export const DCD: u32 = 0x80;
  /** a terminal that is always ready */
  export const CONNECTED: u32 = 0xb0;
}

export const FIFO_BYTES: u32 = 16;
/** 9600 baud, what firmware leaves behind. */
export const DIVISOR_RESET: u32 = 12;
/** Nanoseconds per bit and unit of the divisor: 16 periods of 1.8432 MHz. */
export const BIT_NS: u64 = 8681;
