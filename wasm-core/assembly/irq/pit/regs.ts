/**
 * Registers of the 8254 programmable interval timer. Intel 8254 datasheet (231164). No behaviour here.
 * Counter 0 drives interrupt 0, counter 1 was the refresh, counter 2 the speaker with its gate in port 0x61.
 */

/** Ports, from PIT_COUNTER0. */
export namespace PitReg {
  /** Counters 0-2; RW */
  export const COUNTER0: u32 = 0;
  export const COUNTER2: u32 = 2;
  /** Control word; WO */
  export const CONTROL: u32 = 3;
}

/** Control word. */
export namespace Control {
  /** 1 = count in BCD */
  export const BCD: u32 = 0x01;
  export const MODE_SHIFT: u32 = 1;
  export const MODE_MASK: u32 = 7;
  export const ACCESS_MASK: u32 = 0x30;
  /** counter latch command, not an access mode */
  export const ACCESS_LATCH: u32 = 0x00;
  export const ACCESS_LOW: u32 = 0x10;
  export const ACCESS_HIGH: u32 = 0x20;
  /** low byte, then high byte */
  export const ACCESS_BOTH: u32 = 0x30;
  export const COUNTER_SHIFT: u32 = 6;
  /** counter field of the read-back command */
  export const READ_BACK: u32 = 3;
}

/** Read-back command; both bits are active low. */
export namespace ReadBack {
  export const NO_COUNT: u32 = 0x20;
  export const NO_STATUS: u32 = 0x10;
  /** bit n + 1 selects counter n */
  export const COUNTER_SHIFT: u32 = 1;
}

/** Status byte. */
export namespace PitStatus {
  export const OUT: u32 = 0x80;
  /** the count written last is not in the counting element yet */
  export const NULL_COUNT: u32 = 0x40;
  /** control word bits */
  export const CONTROL_MASK: u32 = 0x3f;
}

/** Modes. 6 and 7 are 2 and 3. */
export namespace Mode {
  export const TERMINAL_COUNT: u32 = 0;
  export const ONE_SHOT: u32 = 1;
  export const RATE: u32 = 2;
  export const SQUARE: u32 = 3;
  export const SOFTWARE_STROBE: u32 = 4;
  export const HARDWARE_STROBE: u32 = 5;
}

/** System control port B (0x61). */
export namespace PortB {
  /** gate of counter 2; RW */
  export const GATE2: u32 = 0x01;
  /** speaker data; RW */
  export const SPEAKER: u32 = 0x02;
  /** parity and channel check enables; kept, nothing behind them */
  export const WRITABLE_MASK: u32 = 0x0f;
  /** toggles with the memory refresh; RO */
  export const REFRESH: u32 = 0x10;
  /** OUT of counter 2; RO */
  export const OUT2: u32 = 0x20;
}

/** Input clock. */
export const PIT_HZ: u64 = 1193182;
/** Half a period of the refresh toggle: 18 PIT clocks, 15 us. */
export const REFRESH_CLOCKS: u64 = 18;
