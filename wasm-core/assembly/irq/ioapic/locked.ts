/** The I/O APIC for callers outside the platform devices: these take the platform lock themselves. */
import { Domain, PlatformFlag } from "../../gen/layout";
import { hasDevice, lockPlatform, unlockPlatform } from "../platform";
import { endOfInterrupt, ioapicCallback, ioapicLine } from "./device";

/** Drives pin `pin` of the domain's I/O APIC; without one the line leads nowhere. */
export function ioapicSetIrq(dom: Domain, pin: u32, level: bool): void {
  if (!hasDevice(dom, PlatformFlag.IOAPIC)) return;
  lockPlatform(dom);
  ioapicLine(dom, pin, level);
  unlockPlatform(dom);
}

/** Events wait on vCPU 0 from now on, and the guest takes them as an interrupt of this I/O APIC. */
export function ioapicRaiseCallback(dom: Domain): void {
  if (!hasDevice(dom, PlatformFlag.IOAPIC)) return;
  lockPlatform(dom);
  ioapicCallback(dom);
  unlockPlatform(dom);
}

/** The end of a level-triggered interrupt, as the local APICs broadcast it. */
export function ioapicEoi(dom: Domain, vector: u32): void {
  if (!hasDevice(dom, PlatformFlag.IOAPIC)) return;
  lockPlatform(dom);
  endOfInterrupt(dom, vector);
  unlockPlatform(dom);
}
