/**
 * Sequence numbers: 32 bits that wrap around; an order holds between those less than 2^31 apart. [RFC 9293] 3.4
 * They are signed here, which is what engines keep without a box.
 */

/** How far `a` is behind `b`; negative when it comes before it. */
export const distance = (a: number, b: number): number => (a - b) | 0;
export const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const plus = (a: number, count: number): number => (a + count) | 0;
export const later = (a: number, b: number): number => (isBefore(a, b) ? b : a);
