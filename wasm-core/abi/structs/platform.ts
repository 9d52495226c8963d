/**
 * The devices a domain can have beside its processors: I/O APIC, PIT, UART, debug console and the ACPI registers.
 * One PlatformState per domain holds them all; Domain0 shares only the two serial rings, whose indices run freely and
 * are masked with the ring size: the producer fills bytes and then advances `prod`, the consumer copies and advances `cons`.
 */
import { constants, struct, u8, u16, u32, u64 } from "../layout.js";

export const PlatformFlag = constants("PlatformFlag", "Devices a domain has beyond a plain PVH machine.", {
  /** 16550A at COM1, interrupt 4 */
  SERIAL: 1,
  /** byte console at port 0xe9 */
  DEBUGCON: 2,
  /** isa-debug-exit at port 0xf4 */
  EXIT_PORT: 4,
  /** I/O APIC at 0xfec00000 */
  IOAPIC: 8,
  /** 8254 at ports 0x40-0x43 and the gate and speaker bits of port 0x61 */
  PIT: 16,
  /** ACPI PM timer */
  PM_TIMER: 32,
});

export const PlatformPort = constants(
  "PlatformPort",
  "I/O ports of the platform; the ACPI tables name the same ones.",
  {
    PIT_COUNTER0: 0x40,
    PIT_CONTROL: 0x43,
    SYSTEM_CONTROL_B: 0x61,
    I8042_COMMAND: 0x64,
    SYSTEM_CONTROL_A: 0x92,
    DEBUGCON: 0xe9,
    EXIT: 0xf4,
    COM1: 0x3f8,
    ACPI_SLEEP_CONTROL: 0x600,
    ACPI_SLEEP_STATUS: 0x601,
    ACPI_RESET: 0x604,
    PM_TIMER: 0x608,
    RESET_CONTROL: 0xcf9,
  },
);

export const PlatformLine = constants(
  "PlatformLine",
  "I/O APIC input pins (global system interrupts) of the platform's devices.",
  {
    PIT: 2,
    COM1: 4,
  },
);

export const AcpiValue = constants("AcpiValue", "What the ACPI registers understand.", {
  /** SLP_TYP of \_S5 */
  SLP_TYP_S5: 5,
  /** written to ACPI_RESET it resets the machine */
  RESET: 1,
});

export const PlatformAddress = constants(
  "PlatformAddress",
  "Guest-physical addresses of the platform's memory-mapped devices.",
  {
    IOAPIC: 0xfec00000,
    LAPIC: 0xfee00000,
  },
);

export const IOAPIC_PINS = 24;
export const SERIAL_OUT_BYTES = 2048;
export const SERIAL_IN_BYTES = 1024;

export const IoApic = struct("IoApic", "I/O APIC. 82093AA, with the EOI register of version 0x20.", {
  redirection: u64("Redirection table", IOAPIC_PINS),
  id: u32("APIC id register, bits 27:24"),
  select: u32("IOREGSEL"),
  lines: u32("Input pins that are asserted now, a bit each"),
});

export const PitChannel = struct("PitChannel", "One counter of the 8254.", {
  start: u64("PIT clock at which the counting element held `count`"),
  held: u64("Clocks counted when the gate stopped the counter"),
  nextAt: u64("PIT clock at which `next` is loaded, all ones when only the gate loads it"),
  nextStart: u64("What `start` becomes then"),
  count: u32("Divisor in force, 1-65536 (10000 in BCD)"),
  next: u32("Divisor written but not loaded yet, 0 when none"),
  control: u8("Control word as written: mode 3:1, BCD 0, access 5:4"),
  gate: u8("Gate input"),
  loaded: u8("1 once the counting element was loaded after the control word"),
  writeHigh: u8("1 when the next write in low-then-high access is the high byte"),
  readHigh: u8("1 when the next read in low-then-high access is the high byte"),
  writeLatch: u8("Low byte waiting for its high byte"),
  countLatched: u8("Bytes of the latched count still to be read"),
  statusLatched: u8("1 when a status byte is latched"),
  countLatch: u16("Latched count"),
  statusLatch: u8("Latched status"),
});

export const Pit = struct("Pit", "8254 programmable interval timer and system control port B.", {
  channels: u64("Three PitChannel", (3 * PitChannel.size) / 8),
  edge: u64("PIT clock up to which rising edges of OUT0 have been delivered"),
  portB: u8("Bits 3:0 of port 0x61"),
});

export const Uart = struct("Uart", "16550A at COM1.", {
  rxData: u8("Receive FIFO, a ring", 16),
  rxErrors: u8("LSR error bits of each byte in it", 16),
  txData: u8("Bytes written that the output ring had no room for", 16),
  rxDeadline: u64("Machine time of the character timeout, all ones when none"),
  txRetry: u64("Machine time to look for room in the output ring again, all ones while nothing waits"),
  rxHead: u8("Index of the oldest received byte"),
  rxCount: u8("Bytes received"),
  txHead: u8("Index of the oldest byte to send"),
  txCount: u8("Bytes to send"),
  ier: u8("Interrupt enable"),
  fcr: u8("FIFO control: enable and trigger level"),
  lcr: u8("Line control"),
  mcr: u8("Modem control"),
  lsr: u8("Line status: only the overrun bit is kept here"),
  msr: u8("Modem status"),
  scr: u8("Scratch"),
  thrEmpty: u8("1 while the transmitter-empty interrupt waits"),
  timeout: u8("1 while the character timeout interrupt waits"),
  divisor: u16("Divisor latch"),
});

export const PlatformState = struct("PlatformState", "All platform devices of one domain.", {
  arbiter: u32("vCPU at which the next lowest-priority arbitration starts"),
  serialOutProd: u32("Bytes ever put into serialOut, advanced by the core"),
  serialOutCons: u32("Bytes ever taken from it, advanced by Domain0"),
  serialInProd: u32("Bytes ever put into serialIn, advanced by Domain0"),
  serialInCons: u32("Bytes ever taken from it, advanced by the core"),
  resetControl: u8("Port 0xcf9"),
  systemControlA: u8("Port 0x92"),
  sleepStatus: u8("ACPI sleep status register"),
  ioapic: u64("IoApic", IoApic.size / 8),
  pit: u64("Pit", Pit.size / 8),
  uart: u64("Uart", Uart.size / 8),
  serialIn: u8("Bytes from Domain0 to the UART", SERIAL_IN_BYTES, 8),
  serialOut: u8("Bytes from the UART and the debug console to Domain0", SERIAL_OUT_BYTES, 8),
});
