/**
 * The domain's PlatformState and its lock. The devices in it are reached from every pCPU, so whoever touches one holds
 * Domain.ioLock: the buses and the timers take it once at the outside, devices among themselves never do. Sections are
 * a few dozen instructions and take no other lock but the scheduler's (to wake a vCPU).
 */
import { Domain, DomainOff, PlatformState } from "../gen/layout";
import { spinLock, spinUnlock } from "../util/atomics";

/** The platform of a domain; a null pointer when it has none. */
@inline
export function platformOf(dom: Domain): PlatformState {
  return changetype<PlatformState>(<usize>dom.platformState);
}

/** True when the domain has a platform and all devices of `flags` (PlatformFlag) in it. */
@inline
export function hasDevice(dom: Domain, flags: u32): bool {
  return (dom.platform & flags) == flags && dom.platformState != 0;
}

@inline
export function lockPlatform(dom: Domain): void {
  spinLock(changetype<usize>(dom) + DomainOff.ioLock);
}

@inline
export function unlockPlatform(dom: Domain): void {
  spinUnlock(changetype<usize>(dom) + DomainOff.ioLock);
}
