/**
 * The PIT's input clock as a function of machine time: both directions without drift. Clocks count from a base far
 * above zero, so that a counter's start may lie before the machine's.
 */
import { NEVER } from "../../util/host";
import { PIT_HZ } from "./regs";

const NS_PER_SECOND: u64 = 1_000_000_000;
const CLOCK_BASE: u64 = 1 << 32;

/** PIT clocks that have passed at machine time `time`. */
export function clockAt(time: u64): u64 {
  const seconds = time / NS_PER_SECOND;
  return CLOCK_BASE + seconds * PIT_HZ + ((time % NS_PER_SECOND) * PIT_HZ) / NS_PER_SECOND;
}

/** Earliest machine time at which `clock` has passed; NEVER stays NEVER. */
export function timeOf(clock: u64): u64 {
  if (clock == NEVER) return NEVER;
  if (clock <= CLOCK_BASE) return 0;
  const clocks = clock - CLOCK_BASE;
  const rest = (clocks % PIT_HZ) * NS_PER_SECOND;
  return (clocks / PIT_HZ) * NS_PER_SECOND + (rest + PIT_HZ - 1) / PIT_HZ;
}
