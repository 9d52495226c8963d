/** The I/O APIC for callers outside the platform devices: these take the platform lock themselves. */
import { Domain, PlatformFlag } from "../../gen/layout";
import { hasDevice, lockPlatform, unlockPlatform } from "../platform";
import { endOfInterrupt, ioapicLine } from "./device";

/** Drives pin `pin` of the domain's I/O APIC; without one the line leads nowhere. */
export function ioapicSetIrq(dom: Domain, pin: u32, level: bool): void {
  if (!hasDevice(dom, PlatformFlag.IOAPIC)) return;
  lockPlatform(dom);
  ioapicLine(dom, pin, level);
  unlockPlatform(dom);
}

/** The end of a level-triggered interrupt, as the local APICs broadcast it. */
export function ioapicEoi(dom: Domain, vector: u32): void {
  if (!hasDevice(dom, PlatformFlag.IOAPIC)) return;
  lockPlatform(dom);
  endOfInterrupt(dom, vector);
  unlockPlatform(dom);
}
