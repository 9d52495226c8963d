/**
 * The I/O port space of a domain. Byte-wide devices see a wider access as bytes at successive ports, low byte first, as
 * on an ISA bus; the exit port and the PM timer take it whole. What is not there reads all ones and ignores writes.
 */
import { Domain, PlatformFlag, PlatformPort, Vcpu } from "../gen/layout";
import {
  acpiResetWrite,
  keyboardCommandWrite,
  resetControlRead,
  resetControlWrite,
  sleepControlWrite,
  sleepStatusRead,
  sleepStatusWrite,
  systemControlARead,
  systemControlAWrite,
} from "../dev/acpi-sleep";
import { debugconBlocked, debugconRead, debugconWrite } from "../dev/debugcon";
import { exitPortWrite } from "../dev/exit-port";
import { pmTimerRead } from "../dev/pm-timer";
import { uartRead, uartWrite } from "../dev/uart";
import { pitRead, pitWrite, portBRead, portBWrite } from "../irq/pit";
import { hasDevice, lockPlatform, unlockPlatform } from "../irq/platform";
import { domainOfVcpu } from "../mem/domains";
import { platformRearm } from "./platform";

const ABSENT: u32 = 0xff;
const COM1_PORTS: u32 = 8;
const PIT_PORTS: u32 = 4;
const PM_TIMER_PORTS: u32 = 4;

@inline
function isWithin(port: u32, first: u32, count: u32): bool {
  return port - first < count;
}

/** All ones of an access size of 1, 2 or 4 bytes. */
@inline
function onesOf(size: u32): u32 {
  return size >= 4 ? 0xffffffff : ((<u32>1) << (size << 3)) - 1;
}

/** Reads `size` (1, 2 or 4) bytes at `port`. */
export function ioRead(cpu: Vcpu, port: u32, size: u32): u32 {
  const dom = domainOfVcpu(cpu);
  port &= 0xffff;
  if (dom.platformState == 0) return onesOf(size);
  if (size == 4 && port == PlatformPort.PM_TIMER && hasDevice(dom, PlatformFlag.PM_TIMER)) return pmTimerRead();
  if (size == 1 && port == PlatformPort.RESET_CONTROL) return resetControlRead(dom);
  lockPlatform(dom);
  let value: u32 = 0;
  for (let i: u32 = 0; i < size; i++) value |= readByte(dom, port + i) << (i << 3);
  unlockPlatform(dom);
  return value;
}

/** Writes the low `size` (1, 2 or 4) bytes of `value` at `port`. */
export function ioWrite(cpu: Vcpu, port: u32, size: u32, value: u32): void {
  const dom = domainOfVcpu(cpu);
  port &= 0xffff;
  if (dom.platformState == 0) return;
  if (port == PlatformPort.EXIT && hasDevice(dom, PlatformFlag.EXIT_PORT)) {
    exitPortWrite(dom, value & onesOf(size));
    return;
  }
  // A dword at 0xcf8 is the PCI configuration address, of which 0xcf9 is no part.
  if (size == 1 && port == PlatformPort.RESET_CONTROL) {
    resetControlWrite(dom, value & 0xff);
    return;
  }
  lockPlatform(dom);
  for (let i: u32 = 0; i < size; i++) writeByte(dom, port + i, (value >> (i << 3)) & 0xff);
  unlockPlatform(dom);
  platformRearm(dom, cpu);
}

/**
 * True when a write to `port` must wait for Domain0 to take bytes: the instruction is to be restarted (Status.RESTART)
 * after another look at events. Only the debug console blocks, having no way to tell the guest.
 */
export function ioWriteBlocked(cpu: Vcpu, port: u32): bool {
  if ((port & 0xffff) != PlatformPort.DEBUGCON) return false;
  const dom = domainOfVcpu(cpu);
  return hasDevice(dom, PlatformFlag.DEBUGCON) && debugconBlocked(dom);
}

function readByte(dom: Domain, port: u32): u32 {
  if (isWithin(port, PlatformPort.COM1, COM1_PORTS) && hasDevice(dom, PlatformFlag.SERIAL)) {
    return uartRead(dom, port & 7);
  }
  if (isWithin(port, PlatformPort.PIT_COUNTER0, PIT_PORTS) && hasDevice(dom, PlatformFlag.PIT)) {
    return pitRead(dom, port & 3);
  }
  if (isWithin(port, PlatformPort.PM_TIMER, PM_TIMER_PORTS) && hasDevice(dom, PlatformFlag.PM_TIMER)) {
    return (pmTimerRead() >> ((port & 3) << 3)) & 0xff;
  }
  switch (port) {
    case PlatformPort.SYSTEM_CONTROL_B:
      return hasDevice(dom, PlatformFlag.PIT) ? portBRead(dom) : ABSENT;
    case PlatformPort.SYSTEM_CONTROL_A:
      return systemControlARead(dom);
    case PlatformPort.DEBUGCON:
      return hasDevice(dom, PlatformFlag.DEBUGCON) ? debugconRead() : ABSENT;
    case PlatformPort.ACPI_SLEEP_CONTROL:
      return 0;
    case PlatformPort.ACPI_SLEEP_STATUS:
      return sleepStatusRead(dom);
    case PlatformPort.ACPI_RESET:
      return 0;
    default:
      return ABSENT;
  }
}

function writeByte(dom: Domain, port: u32, value: u32): void {
  if (isWithin(port, PlatformPort.COM1, COM1_PORTS) && hasDevice(dom, PlatformFlag.SERIAL)) {
    uartWrite(dom, port & 7, value);
    return;
  }
  if (isWithin(port, PlatformPort.PIT_COUNTER0, PIT_PORTS) && hasDevice(dom, PlatformFlag.PIT)) {
    pitWrite(dom, port & 3, value);
    return;
  }
  switch (port) {
    case PlatformPort.SYSTEM_CONTROL_B:
      if (hasDevice(dom, PlatformFlag.PIT)) portBWrite(dom, value);
      break;
    case PlatformPort.I8042_COMMAND:
      keyboardCommandWrite(dom, value);
      break;
    case PlatformPort.SYSTEM_CONTROL_A:
      systemControlAWrite(dom, value);
      break;
    case PlatformPort.DEBUGCON:
      if (hasDevice(dom, PlatformFlag.DEBUGCON)) debugconWrite(dom, value);
      break;
    case PlatformPort.ACPI_SLEEP_CONTROL:
      sleepControlWrite(dom, value);
      break;
    case PlatformPort.ACPI_SLEEP_STATUS:
      sleepStatusWrite(dom, value);
      break;
    case PlatformPort.ACPI_RESET:
      acpiResetWrite(dom, value);
      break;
  }
}
