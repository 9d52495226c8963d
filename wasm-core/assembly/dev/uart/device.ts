/**
 * A 16550A at COM1 with a terminal on the line that is always ready. PC16550D datasheet, 8.
 * Sending takes no time while Domain0's ring has room; when it is full bytes wait here and LSR.THRE stays clear, so
 * nothing is lost. Input is taken from Domain0's ring only as fast as the FIFO is read: it never overruns.
 * Callers hold the platform lock.
 */
import { Domain, PlatformLine, PlatformStateOff, Uart, Uart_SIZE } from "../../gen/layout";
import { ioapicLine } from "../../irq/ioapic";
import { platformOf } from "../../irq/platform";
import { machineTime, NEVER } from "../../util/host";
import { serialIn, serialOut } from "../serial-ring";
import {
  clearHeadErrors,
  dropSent,
  fifoDepth,
  hasErrors,
  headErrors,
  peekToSend,
  popReceived,
  pushReceived,
  pushToSend,
} from "./fifo";
import { BIT_NS, DIVISOR_RESET, Fcr, Ier, Iir, Lcr, Lsr, Mcr, Msr, UartReg } from "./regs";

/** How soon to look again for room in the output ring. */
const RETRY_NS: u64 = 1_000_000;
const TIMEOUT_CHARACTERS: u64 = 4;

@inline
export function uartOf(dom: Domain): Uart {
  return changetype<Uart>(changetype<usize>(platformOf(dom)) + PlatformStateOff.uart);
}

/** Power-up (MR high). */
export function uartReset(dom: Domain): void {
  const uart = uartOf(dom);
  memory.fill(changetype<usize>(uart), 0, Uart_SIZE);
  uart.divisor = <u16>DIVISOR_RESET;
  uart.rxDeadline = NEVER;
  uart.txRetry = NEVER;
}

@inline
function isLoopback(uart: Uart): bool {
  return (uart.mcr & Mcr.LOOPBACK) != 0;
}

/** Received bytes at which the interrupt comes. */
function triggerLevel(uart: Uart): u32 {
  if ((uart.fcr & Fcr.ENABLE) == 0) return 1;
  switch ((<u32>uart.fcr) >> Fcr.TRIGGER_SHIFT) {
    case 0:
      return 1;
    case 1:
      return 4;
    case 2:
      return 8;
    default:
      return 14;
  }
}

/** Time of one character on the line at the programmed rate. */
function characterNs(uart: Uart): u64 {
  const lcr = <u32>uart.lcr;
  const stop: u32 = (lcr & Lcr.TWO_STOP_BITS) != 0 ? 2 : 1;
  const parity: u32 = (lcr & Lcr.PARITY) != 0 ? 1 : 0;
  const bits = 1 + 5 + (lcr & Lcr.LENGTH_MASK) + parity + stop;
  return <u64>bits * max<u64>(uart.divisor, 1) * BIT_NS;
}

/** Restarts the character timeout: the FIFO was read or written. */
function touchReceiver(uart: Uart): void {
  uart.timeout = 0;
  const waits = uart.rxCount != 0 && (uart.fcr & Fcr.ENABLE) != 0;
  uart.rxDeadline = waits ? machineTime() + TIMEOUT_CHARACTERS * characterNs(uart) : NEVER;
}

/** A character arrives; with no room it is lost and the overrun noted. */
function receive(uart: Uart, byte: u32, errors: u32): void {
  const mask: u32 = 0xff >> (3 - (uart.lcr & Lcr.LENGTH_MASK));
  if (!pushReceived(uart, byte & mask, errors)) uart.lsr |= <u8>Lsr.OVERRUN;
  touchReceiver(uart);
}

/** Fills the receive FIFO from Domain0. */
function pullInput(dom: Domain, uart: Uart): void {
  if (isLoopback(uart)) return;
  while (uart.rxCount < fifoDepth(uart)) {
    const byte = serialIn(platformOf(dom));
    if (byte < 0) return;
    receive(uart, byte, 0);
  }
}

/** Sends what Domain0 has room for. */
function pushOutput(dom: Domain, uart: Uart): void {
  if (uart.txCount == 0) return;
  while (uart.txCount != 0 && serialOut(platformOf(dom), peekToSend(uart))) dropSent(uart);
  if (uart.txCount == 0) {
    uart.thrEmpty = 1;
    uart.txRetry = NEVER;
  } else {
    uart.txRetry = machineTime() + RETRY_NS;
  }
}

/** The interrupt to report, without the FIFO bits. */
function pendingInterrupt(uart: Uart): u32 {
  const ier = <u32>uart.ier;
  if ((ier & Ier.LINE_STATUS) != 0 && ((uart.lsr & Lsr.OVERRUN) != 0 || headErrors(uart) != 0)) return Iir.LINE_STATUS;
  if ((ier & Ier.RECEIVED) != 0) {
    if (uart.rxCount >= triggerLevel(uart)) return Iir.RECEIVED;
    if (uart.timeout != 0) return Iir.TIMEOUT;
  }
  if ((ier & Ier.TRANSMITTER_EMPTY) != 0 && uart.thrEmpty != 0) return Iir.TRANSMITTER_EMPTY;
  if ((ier & Ier.MODEM_STATUS) != 0 && (uart.msr & Msr.CHANGES_MASK) != 0) return Iir.MODEM_STATUS;
  return Iir.NONE;
}

function updateLine(dom: Domain, uart: Uart): void {
  const connected = (uart.mcr & Mcr.OUT2) != 0;
  ioapicLine(dom, PlatformLine.COM1, connected && pendingInterrupt(uart) != Iir.NONE);
}

/** Brings the UART up to date: input, output, character timeout, interrupt line. */
export function uartSync(dom: Domain): void {
  const uart = uartOf(dom);
  pullInput(dom, uart);
  pushOutput(dom, uart);
  if (uart.rxDeadline != NEVER && uart.rxDeadline <= machineTime()) {
    uart.timeout = 1;
    uart.rxDeadline = NEVER;
  }
  updateLine(dom, uart);
}

/** Machine time at which uartSync would find something new, by itself. */
export function uartDeadline(dom: Domain): u64 {
  const uart = uartOf(dom);
  const timeout = (uart.ier & Ier.RECEIVED) != 0 ? uart.rxDeadline : NEVER;
  return min(timeout, uart.txRetry);
}

/** Modem status levels: the terminal's, or in loopback our own outputs. */
function modemLevels(uart: Uart): u32 {
  if (!isLoopback(uart)) return Msr.CONNECTED;
  const mcr = <u32>uart.mcr;
  let levels: u32 = 0;
  if ((mcr & Mcr.RTS) != 0) levels |= Msr.CTS;
  if ((mcr & Mcr.DTR) != 0) levels |= Msr.DSR;
  if ((mcr & Mcr.OUT1) != 0) levels |= Msr.RING;
  if ((mcr & Mcr.OUT2) != 0) levels |= Msr.DCD;
  return levels;
}

function writeMcr(uart: Uart, value: u32): void {
  const before = modemLevels(uart);
  uart.mcr = <u8>(value & Mcr.MASK);
  const after = modemLevels(uart);
  // A change of level bit 4 + n sets change bit n, but for RI, of which only the end counts.
  let changes = ((before ^ after) >> 4) & ~Msr.RING_ENDED;
  if ((before & ~after & Msr.RING) != 0) changes |= Msr.RING_ENDED;
  uart.msr |= <u8>changes;
}

function transmit(dom: Domain, uart: Uart, value: u32): void {
  uart.thrEmpty = 0;
  updateLine(dom, uart);
  if (isLoopback(uart)) {
    receive(uart, value, 0);
    uart.thrEmpty = 1;
  } else {
    pushToSend(uart, value);
    pushOutput(dom, uart);
  }
}

function writeIer(uart: Uart, value: u32): void {
  const enabled = value & ~(<u32>uart.ier);
  uart.ier = <u8>(value & Ier.MASK);
  if ((enabled & Ier.TRANSMITTER_EMPTY) != 0 && uart.txCount == 0) uart.thrEmpty = 1;
}

function writeFcr(uart: Uart, value: u32): void {
  const enable = value & Fcr.ENABLE;
  const changed = enable != (uart.fcr & Fcr.ENABLE);
  uart.fcr = <u8>(enable != 0 ? value & Fcr.KEPT_MASK : 0);
  if (changed || (enable != 0 && (value & Fcr.RESET_RECEIVER) != 0)) {
    uart.rxCount = 0;
    touchReceiver(uart);
  }
  if ((changed || (enable != 0 && (value & Fcr.RESET_TRANSMITTER) != 0)) && uart.txCount != 0) {
    uart.txCount = 0;
    uart.thrEmpty = 1;
    uart.txRetry = NEVER;
  }
}

function writeLcr(uart: Uart, value: u32): void {
  const breakBegins = (value & ~(<u32>uart.lcr) & Lcr.BREAK) != 0;
  uart.lcr = <u8>value;
  if (breakBegins && isLoopback(uart)) receive(uart, 0, Lsr.BREAK);
}

/** Writes a register. */
export function uartWrite(dom: Domain, register: u32, value: u32): void {
  const uart = uartOf(dom);
  const latch = (uart.lcr & Lcr.DLAB) != 0;
  switch (register) {
    case UartReg.DATA:
      if (latch) uart.divisor = (uart.divisor & 0xff00) | (<u16>value);
      else transmit(dom, uart, value);
      break;
    case UartReg.IER:
      if (latch) uart.divisor = (uart.divisor & 0xff) | (<u16>(value << 8));
      else writeIer(uart, value);
      break;
    case UartReg.IIR:
      writeFcr(uart, value);
      break;
    case UartReg.LCR:
      writeLcr(uart, value);
      break;
    case UartReg.MCR:
      writeMcr(uart, value);
      break;
    case UartReg.SCR:
      uart.scr = <u8>value;
      break;
  }
  uartSync(dom);
}

function readData(uart: Uart): u32 {
  if (uart.rxCount == 0) return 0;
  const byte = popReceived(uart);
  touchReceiver(uart);
  return byte;
}

function readIir(uart: Uart): u32 {
  const pending = pendingInterrupt(uart);
  if (pending == Iir.TRANSMITTER_EMPTY) uart.thrEmpty = 0;
  return pending | ((uart.fcr & Fcr.ENABLE) != 0 ? Iir.FIFOS_ENABLED : 0);
}

function readLsr(uart: Uart): u32 {
  let value = (<u32>uart.lsr) | headErrors(uart);
  if (uart.rxCount != 0) value |= Lsr.DATA_READY;
  if (uart.txCount == 0) value |= Lsr.HOLDING_EMPTY | Lsr.TRANSMITTER_EMPTY;
  if ((uart.fcr & Fcr.ENABLE) != 0 && hasErrors(uart)) value |= Lsr.FIFO_ERROR;
  uart.lsr = 0;
  clearHeadErrors(uart);
  return value;
}

function readMsr(uart: Uart): u32 {
  const value = modemLevels(uart) | uart.msr;
  uart.msr = 0;
  return value;
}

function readRegister(uart: Uart, register: u32): u32 {
  const latch = (uart.lcr & Lcr.DLAB) != 0;
  switch (register) {
    case UartReg.DATA:
      return latch ? uart.divisor & 0xff : readData(uart);
    case UartReg.IER:
      return latch ? uart.divisor >> 8 : uart.ier;
    case UartReg.IIR:
      return readIir(uart);
    case UartReg.LCR:
      return uart.lcr;
    case UartReg.MCR:
      return uart.mcr;
    case UartReg.LSR:
      return readLsr(uart);
    case UartReg.MSR:
      return readMsr(uart);
    default:
      return uart.scr;
  }
}

/** Reads a register. */
export function uartRead(dom: Domain, register: u32): u32 {
  uartSync(dom);
  const value = readRegister(uartOf(dom), register);
  uartSync(dom);
  return value;
}
