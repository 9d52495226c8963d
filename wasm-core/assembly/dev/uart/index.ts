/** The 16550A UART at COM1. */
export { uartDeadline, uartRead, uartReset, uartSync, uartWrite } from "./device";
export { UART_SAVED_BYTES, uartRestore, uartSave } from "./saved";
