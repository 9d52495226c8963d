/** The UART's two FIFOs: rings of sixteen bytes, of which a 16450 (FIFOs off) uses one. */
import { Uart, UartOff } from "../../gen/layout";
import { Fcr, FIFO_BYTES } from "./regs";

/** Bytes that a FIFO holds in the present mode. */
@inline
export function fifoDepth(uart: Uart): u32 {
  return (uart.fcr & Fcr.ENABLE) != 0 ? FIFO_BYTES : 1;
}

@inline
function slot(index: u32): usize {
  return <usize>(index & (FIFO_BYTES - 1));
}

/** Appends a received byte with its LSR error bits; false when there is no room. */
export function pushReceived(uart: Uart, byte: u32, errors: u32): bool {
  if (uart.rxCount >= fifoDepth(uart)) return false;
  const at = changetype<usize>(uart) + slot(<u32>uart.rxHead + uart.rxCount);
  store<u8>(at, <u8>byte, UartOff.rxData);
  store<u8>(at, <u8>errors, UartOff.rxErrors);
  uart.rxCount++;
  return true;
}

/** Takes the oldest received byte; there is one. */
export function popReceived(uart: Uart): u32 {
  const at = changetype<usize>(uart) + slot(uart.rxHead);
  uart.rxHead = <u8>slot(<u32>uart.rxHead + 1);
  uart.rxCount--;
  return load<u8>(at, UartOff.rxData);
}

/** Error bits of the oldest received byte. */
export function headErrors(uart: Uart): u32 {
  return uart.rxCount == 0 ? 0 : load<u8>(changetype<usize>(uart) + slot(uart.rxHead), UartOff.rxErrors);
}

export function clearHeadErrors(uart: Uart): void {
  if (uart.rxCount != 0) store<u8>(changetype<usize>(uart) + slot(uart.rxHead), 0, UartOff.rxErrors);
}

/** True when any byte in the receive FIFO has an error. */
export function hasErrors(uart: Uart): bool {
  for (let i: u32 = 0; i < uart.rxCount; i++) {
    if (load<u8>(changetype<usize>(uart) + slot(<u32>uart.rxHead + i), UartOff.rxErrors) != 0) return true;
  }
  return false;
}

/** Appends a byte to send; when there is no room the newest one is overwritten, as in a full holding register. */
export function pushToSend(uart: Uart, byte: u32): void {
  if (uart.txCount < fifoDepth(uart)) uart.txCount++;
  const at = changetype<usize>(uart) + slot(<u32>uart.txHead + uart.txCount - 1);
  store<u8>(at, <u8>byte, UartOff.txData);
}

/** The oldest byte to send; there is one. */
export function peekToSend(uart: Uart): u32 {
  return load<u8>(changetype<usize>(uart) + slot(uart.txHead), UartOff.txData);
}

export function dropSent(uart: Uart): void {
  uart.txHead = <u8>slot(<u32>uart.txHead + 1);
  uart.txCount--;
}
