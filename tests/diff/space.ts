/** The address space that random programs run in. */

const PAGE = 0x1000;
/** Writable pages; the page behind them is not mapped. */
export const DATA = 0x10000000;
export const DATA_BYTES = 4 * PAGE;
export const READ_ONLY = 0x10008000;
/** A stack of two pages; RSP begins in its middle. */
export const STACK = 0x10010000;
export const STACK_BYTES = 2 * PAGE;
export const RSP_AT_START = STACK + PAGE + 0x80;
/** Writable code. */
export const CODE = 0x20000000;
export const CODE_BYTES = 8 * PAGE;
/** The code once more, two of its pages in each other's place: the same block goes on elsewhere here. */
export const ALIAS = 0x20100000;
export const ALIAS_ORDER = [0, 2, 1, 3, 4, 5, 6, 7] as const;
export const GS_BASE = DATA + PAGE;
/** Not canonical. */
export const NOWHERE = 0x0000800000001000n;
