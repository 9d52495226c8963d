/**
 * Ways to turn the machine off or reset it: the sleep control and status registers of a hardware-reduced ACPI machine
 * (ACPI 6.4, 4.8.3.7), its reset register (4.8.3.6), and the PC's older resets: port 0xcf9, port 0x92 and the
 * keyboard controller's pulse. Only S5 exists. Of the keyboard controller there is nothing else: its ports read as
 * absent.
 */
import { AcpiValue, Domain, ShutdownReason } from "../../gen/layout";
import { platformOf } from "../../irq/platform";
import { domainShutdown } from "../../mem/domains";

const SLEEP_ENABLE: u32 = 0x20;
const SLEEP_TYPE_SHIFT: u32 = 2;
const SLEEP_TYPE_MASK: u32 = 7;
const WAKE_STATUS: u32 = 0x80;
/** 0xcf9: bit 1 chooses a hard reset, the rise of bit 2 resets. */
const RESET_NOW: u32 = 0x04;
const RESET_KEPT_MASK: u32 = 0x0a;
/** 0x92: bit 0 resets, bit 1 opens A20, which is always open. */
const FAST_RESET: u32 = 0x01;
const A20_OPEN: u32 = 0x02;
/** Keyboard controller command: pulse output line 0. */
const PULSE_RESET: u32 = 0xfe;

/** SLP_EN is write-only and SLP_TYP is only looked at with it. */
export function sleepControlWrite(dom: Domain, value: u32): void {
  if ((value & SLEEP_ENABLE) == 0) return;
  const type = (value >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK;
  if (type == AcpiValue.SLP_TYP_S5) domainShutdown(dom, ShutdownReason.POWEROFF);
}

export function sleepStatusRead(dom: Domain): u32 {
  return platformOf(dom).sleepStatus;
}

/** WAK_STS is cleared by writing one. */
export function sleepStatusWrite(dom: Domain, value: u32): void {
  platformOf(dom).sleepStatus &= ~(<u8>(value & WAKE_STATUS));
}

export function acpiResetWrite(dom: Domain, value: u32): void {
  if (value == AcpiValue.RESET) domainShutdown(dom, ShutdownReason.REBOOT);
}

export function resetControlRead(dom: Domain): u32 {
  return platformOf(dom).resetControl;
}

export function resetControlWrite(dom: Domain, value: u32): void {
  if ((value & RESET_NOW) != 0) domainShutdown(dom, ShutdownReason.REBOOT);
  platformOf(dom).resetControl = <u8>(value & RESET_KEPT_MASK);
}

export function systemControlARead(dom: Domain): u32 {
  return platformOf(dom).systemControlA | A20_OPEN;
}

export function systemControlAWrite(dom: Domain, value: u32): void {
  if ((value & FAST_RESET) != 0) domainShutdown(dom, ShutdownReason.REBOOT);
  platformOf(dom).systemControlA = <u8>(value & ~FAST_RESET);
}

export function keyboardCommandWrite(dom: Domain, value: u32): void {
  if (value == PULSE_RESET) domainShutdown(dom, ShutdownReason.REBOOT);
}
