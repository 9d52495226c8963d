/** Saved state of a domain's platform: the plain registers and the serial rings, then each device in turn. */
import {
  Domain,
  PlatformState,
  PlatformStateOff,
  PlatformState_SIZE,
  SERIAL_IN_BYTES,
  SERIAL_OUT_BYTES,
} from "../gen/layout";
import { UART_SAVED_BYTES, uartRestore, uartSave } from "../dev/uart";
import { IOAPIC_SAVED_BYTES, ioapicRestore, ioapicSave } from "../irq/ioapic";
import { PIT_SAVED_BYTES, pitRestore, pitSave } from "../irq/pit";
import { lockPlatform, platformOf, unlockPlatform } from "../irq/platform";
import { checkHeader, HEADER_BYTES, writeHeader } from "../irq/saved-header";

/** "PLAT" */
const TAG: u32 = 0x54414c50;
const VERSION: u32 = 1;
/** What stands before the devices (indices and plain registers) and after them (the rings' bytes). */
const REGISTERS: u32 = <u32>PlatformStateOff.ioapic;
const RINGS: u32 = <u32>(PlatformState_SIZE - PlatformStateOff.serialIn);

/** Bytes that platformSave writes. */
export const PLATFORM_SAVED_BYTES: u32 =
  HEADER_BYTES + REGISTERS + RINGS + IOAPIC_SAVED_BYTES + PIT_SAVED_BYTES + UART_SAVED_BYTES;

/** Bytes that platformSave writes, for Domain0. */
export function platformSavedBytes(): u32 {
  return PLATFORM_SAVED_BYTES;
}

/** Saves the platform of a domain that does not run; returns the bytes written. */
export function platformSave(dom: Domain, at: usize): u32 {
  const platform = changetype<usize>(platformOf(dom));
  lockPlatform(dom);
  // The timer first: it is brought up to now, which may move an I/O APIC line.
  const devices = writeHeader(at, TAG, VERSION, REGISTERS + RINGS) + REGISTERS + RINGS;
  pitSave(dom, devices);
  ioapicSave(dom, devices + PIT_SAVED_BYTES);
  uartSave(dom, devices + PIT_SAVED_BYTES + IOAPIC_SAVED_BYTES);
  memory.copy(at + HEADER_BYTES, platform, REGISTERS);
  memory.copy(at + HEADER_BYTES + REGISTERS, platform + PlatformStateOff.serialIn, RINGS);
  unlockPlatform(dom);
  return PLATFORM_SAVED_BYTES;
}

function ringsAreSound(saved: PlatformState): bool {
  return (
    saved.serialOutProd - saved.serialOutCons <= <u32>SERIAL_OUT_BYTES &&
    saved.serialInProd - saved.serialInCons <= <u32>SERIAL_IN_BYTES
  );
}

/** Restores it; false when the bytes are not a saved platform: the domain is then not fit to run. */
export function platformRestore(dom: Domain, at: usize, length: u32): bool {
  if (length < PLATFORM_SAVED_BYTES || !checkHeader(at, length, TAG, VERSION, REGISTERS + RINGS)) return false;
  const saved = at + HEADER_BYTES;
  if (!ringsAreSound(changetype<PlatformState>(saved))) return false;
  const platform = changetype<usize>(platformOf(dom));
  const devices = saved + REGISTERS + RINGS;
  lockPlatform(dom);
  memory.copy(platform, saved, REGISTERS);
  memory.copy(platform + PlatformStateOff.serialIn, saved + REGISTERS, RINGS);
  const sound =
    pitRestore(dom, devices, PIT_SAVED_BYTES) &&
    ioapicRestore(dom, devices + PIT_SAVED_BYTES, IOAPIC_SAVED_BYTES) &&
    uartRestore(dom, devices + PIT_SAVED_BYTES + IOAPIC_SAVED_BYTES, UART_SAVED_BYTES);
  unlockPlatform(dom);
  return sound;
}
