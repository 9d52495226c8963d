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
/** Not on a page's beginning: offsets and addresses end at different places. */
export const GS_BASE = DATA + PAGE + 0x2b8;
/** In 32-bit code. Not on a page's beginning, and so that small negative offsets are what reaches the data. */
export const FS_BASE_32 = DATA + 2 * PAGE + 0x123;
/**
 * Pages side by side whose ends accesses are made over: writable, read-only, writable, a device that can be read, one page
 * twice, nothing, writable, nothing.
 */
export const EDGES = 0x10020000;
export const EDGE_PAGES = ["writable", "read-only", "writable", "device", "twin", "twin", "none", "writable"] as const;
/** Where the local APIC answers. */
export const DEVICE_AT = 0xfee00000n;
/** What programs of 32-bit code steer themselves with, in a page of its own: where to go on after a fault, counters. */
export const STEERING = 0x10030000;
export const GO_ON = STEERING;
export const COUNTERS_AT = STEERING + 0x40;
/** Not canonical. */
export const NOWHERE = 0x0000800000001000n;
