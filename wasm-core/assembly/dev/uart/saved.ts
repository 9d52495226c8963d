/** Saved state of the UART: the Uart struct with its deadlines as time left. Callers hold the platform lock. */
import { Domain, Uart, Uart_SIZE } from "../../gen/layout";
import { checkHeader, deadlineIn, HEADER_BYTES, timeLeft, writeHeader } from "../../irq/saved-header";
import { machineTime } from "../../util/host";
import { uartOf } from "./device";
import { Fcr, FIFO_BYTES, Ier, Mcr } from "./regs";

/** "16550"'s "UART" */
const TAG: u32 = 0x54524155;
const VERSION: u32 = 1;

export const UART_SAVED_BYTES: u32 = HEADER_BYTES + <u32>Uart_SIZE;

/** Saves the UART; returns the bytes written. */
export function uartSave(dom: Domain, at: usize): u32 {
  const uart = uartOf(dom);
  const saved = writeHeader(at, TAG, VERSION, <u32>Uart_SIZE);
  memory.copy(saved, changetype<usize>(uart), Uart_SIZE);
  changetype<Uart>(saved).rxDeadline = timeLeft(uart.rxDeadline, machineTime());
  changetype<Uart>(saved).txRetry = timeLeft(uart.txRetry, machineTime());
  return UART_SAVED_BYTES;
}

/** Restores it; false when the bytes are not a saved UART. Reserved bits are dropped. */
export function uartRestore(dom: Domain, at: usize, length: u32): bool {
  if (!checkHeader(at, length, TAG, VERSION, <u32>Uart_SIZE)) return false;
  const saved = changetype<Uart>(at + HEADER_BYTES);
  if (saved.rxCount > FIFO_BYTES || saved.txCount > FIFO_BYTES) return false;
  const uart = uartOf(dom);
  memory.copy(changetype<usize>(uart), changetype<usize>(saved), Uart_SIZE);
  uart.ier &= <u8>Ier.MASK;
  uart.fcr &= <u8>Fcr.KEPT_MASK;
  uart.mcr &= <u8>Mcr.MASK;
  uart.rxHead &= <u8>(FIFO_BYTES - 1);
  uart.txHead &= <u8>(FIFO_BYTES - 1);
  uart.rxDeadline = deadlineIn(uart.rxDeadline, machineTime());
  uart.txRetry = deadlineIn(uart.txRetry, machineTime());
  return true;
}
