/**
 * A guest program is a list of checks. Each runs a piece of code and prints one line on the debug console: its name, then
 * what it showed and the exception that ended it, if one did. What the line must be is written beside the code, so that
 * the program needs no judgement of its own and may be compared on any machine that boots PVH guests.
 */

export interface Check {
  readonly name: string;
  /** Assembly source; it falls through to its end or is ended by an exception. */
  readonly code: string;
  /** The line without the name. */
  readonly expect: string;
}

export interface GuestProgram {
  readonly name: string;
  /** Assembly of the whole program, to be loaded at ORIGIN and entered at `start`. */
  readonly source: string;
  readonly checks: readonly Check[];
  readonly vcpus?: number;
  /** Name of the CrashReason that the last check ends the machine with, instead of the exit port. */
  readonly crash?: string;
}

/** Where programs are loaded. */
export const ORIGIN = 0x100000;

/** `expect` of a check that ends without an exception and shows nothing. */
export const RAN = "ran";

export const check = (name: string, code: string, expect: string = RAN): Check => ({ name, code, expect });

/** Bytes of a descriptor as the number that lies in memory. [SDM] vol. 3, 3.4.5 */
export function descriptor(base: number, limit: number, access: number, flags = 0): string {
  const b = BigInt(base);
  const l = BigInt(limit);
  const low = (l & 0xffffn) | ((b & 0xffffffn) << 16n) | (BigInt(access) << 40n);
  const value = low | ((l >> 16n) << 48n) | (BigInt(flags) << 52n) | ((b >> 24n) << 56n);
  return `0x${value.toString(16)}`;
}

/** The text that a program must print. */
export const expectedLines = (p: GuestProgram): string[] => p.checks.map((c) => `${c.name}: ${c.expect}`);
