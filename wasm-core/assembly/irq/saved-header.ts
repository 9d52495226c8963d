/**
 * The header of a device's saved state: which device, which version of its layout, how many bytes follow.
 *
 *    0        4         6        8
 *   | tag    | version | bytes  | state ...
 *
 * Times are saved relative to the moment of saving, so that a state can be restored on another machine.
 */
import { NEVER } from "../util/host";

export const HEADER_BYTES: u32 = 8;

/** Writes the header; returns the address behind it. */
export function writeHeader(at: usize, tag: u32, version: u32, bytes: u32): usize {
  store<u32>(at, tag);
  store<u16>(at, <u16>version, 4);
  store<u16>(at, <u16>bytes, 6);
  return at + HEADER_BYTES;
}

/** True when `length` bytes at `at` are such a state. */
export function checkHeader(at: usize, length: u32, tag: u32, version: u32, bytes: u32): bool {
  if (length < HEADER_BYTES + bytes) return false;
  return load<u32>(at) == tag && load<u16>(at, 4) == <u16>version && load<u16>(at, 6) == <u16>bytes;
}

/** A deadline as the time left until it; NEVER stays. */
@inline
export function timeLeft(deadline: u64, now: u64): u64 {
  return deadline == NEVER ? NEVER : deadline > now ? deadline - now : 0;
}

/** The deadline that is `left` after `now`; NEVER stays. */
@inline
export function deadlineIn(left: u64, now: u64): u64 {
  return left > NEVER - now ? NEVER : now + left;
}
