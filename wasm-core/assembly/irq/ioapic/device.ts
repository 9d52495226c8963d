/**
 * The I/O APIC: 24 input pins, each with a redirection entry that turns it into a message. 82093AA, 3.
 * Lines are logical (true = asserted) whatever the polarity bit says, as there is no wire to invert.
 * Callers hold the platform lock; ioapicSetIrq and ioapicEoi in locked.ts are for those that do not.
 */
import { Domain, IoApic, IoApicOff, IOAPIC_PINS, PlatformStateOff, VcpuInfoOff, XenVcpu } from "../../gen/layout";
import { domainVcpu } from "../../mem/domains";
import { Message, sendMessage, wideDestination } from "../message";
import { platformOf } from "../platform";
import {
  DESTINATION_SHIFT,
  ID_MASK,
  IOAPIC_VERSION_VALUE,
  IoApicMmio,
  IoApicReg,
  Redirection,
  REDIRECTION_RESET,
} from "./regs";

@inline
export function ioapicOf(dom: Domain): IoApic {
  return changetype<IoApic>(changetype<usize>(platformOf(dom)) + PlatformStateOff.ioapic);
}

@inline
function entryAt(apic: IoApic, pin: u32): usize {
  return changetype<usize>(apic) + IoApicOff.redirection + ((<usize>pin) << 3);
}

/** Power-up: every pin masked. Lines keep what drives them. */
export function ioapicReset(dom: Domain): void {
  const apic = ioapicOf(dom);
  apic.id = 0;
  apic.select = 0;
  for (let pin: u32 = 0; pin < <u32>IOAPIC_PINS; pin++) store<u64>(entryAt(apic, pin), REDIRECTION_RESET);
}

/** Level triggering only means something for fixed and lowest-priority delivery. */
@inline
function isLevel(entry: u64): bool {
  return (entry & Message.LEVEL) != 0 && (entry & Message.DELIVERY_MASK) <= Message.LOWEST_PRIORITY;
}

/** Sends the pin's message, and holds a level pin until its EOI when somebody took it. */
function deliver(dom: Domain, apic: IoApic, pin: u32): void {
  const at = entryAt(apic, pin);
  const entry = load<u64>(at);
  const destination = wideDestination(<u32>(entry >> DESTINATION_SHIFT));
  const level = isLevel(entry);
  const taken = sendMessage(dom, destination, <u32>entry, level);
  if (level && taken != 0) store<u64>(at, entry | Redirection.REMOTE_IRR);
}

/**
 * Whether a pin is asserted: by a device, or by events that wait on vCPU 0 when the guest chose the pin for that. The
 * latter is looked up and not driven, as the guest ends it by a write to its own memory. [XEN] hvm/params.h
 */
function isAsserted(dom: Domain, apic: IoApic, pin: u32): bool {
  if ((apic.lines & (1 << pin)) != 0) return true;
  if (pin != dom.callbackPin || pin == 0) return false;
  const cpu = domainVcpu(dom, 0);
  if (changetype<usize>(cpu) == 0) return false;
  const x = changetype<XenVcpu>(<usize>cpu.xen);
  return x.upcallVector == 0 && atomic.load<u8>(<usize>x.info, VcpuInfoOff.upcallPending) != 0;
}

/** Delivers a level pin that is asserted, unmasked and not already in service. */
function serviceLevel(dom: Domain, apic: IoApic, pin: u32): void {
  const entry = load<u64>(entryAt(apic, pin));
  if (!isLevel(entry) || (entry & (Redirection.MASKED | Redirection.REMOTE_IRR)) != 0) return;
  if (isAsserted(dom, apic, pin)) deliver(dom, apic, pin);
}

/** Drives an input pin. A rising edge on a masked edge pin is lost, as on the part. */
export function ioapicLine(dom: Domain, pin: u32, asserted: bool): void {
  if (pin >= <u32>IOAPIC_PINS) return;
  const apic = ioapicOf(dom);
  const bit: u32 = 1 << pin;
  const was = (apic.lines & bit) != 0;
  apic.lines = asserted ? apic.lines | bit : apic.lines & ~bit;
  const entry = load<u64>(entryAt(apic, pin));
  if (isLevel(entry)) serviceLevel(dom, apic, pin);
  else if (asserted && !was && (entry & Redirection.MASKED) == 0) deliver(dom, apic, pin);
}

/** Events wait on vCPU 0 from now on: the pin that the guest chose for them rises. */
export function ioapicCallback(dom: Domain): void {
  const pin = dom.callbackPin;
  if (pin == 0 || pin >= <u32>IOAPIC_PINS) return;
  const apic = ioapicOf(dom);
  const entry = load<u64>(entryAt(apic, pin));
  if (isLevel(entry)) serviceLevel(dom, apic, pin);
  else if ((apic.lines & (1 << pin)) == 0 && (entry & Redirection.MASKED) == 0) deliver(dom, apic, pin);
}

/** End of interrupt for `vector`: its level pins may be delivered again. */
export function endOfInterrupt(dom: Domain, vector: u32): void {
  const apic = ioapicOf(dom);
  for (let pin: u32 = 0; pin < <u32>IOAPIC_PINS; pin++) {
    const at = entryAt(apic, pin);
    const entry = load<u64>(at);
    if (!isLevel(entry) || ((<u32>entry) & Message.VECTOR_MASK) != vector) continue;
    store<u64>(at, entry & ~(<u64>Redirection.REMOTE_IRR));
    serviceLevel(dom, apic, pin);
  }
}

function readRegister(apic: IoApic): u32 {
  const index = apic.select;
  if (index == IoApicReg.ID || index == IoApicReg.ARB) return apic.id;
  if (index == IoApicReg.VERSION) return IOAPIC_VERSION_VALUE;
  const half = index - IoApicReg.REDIRECTION;
  if (index < IoApicReg.REDIRECTION || half >= 2 * <u32>IOAPIC_PINS) return 0xffffffff;
  return load<u32>(entryAt(apic, 0) + ((<usize>half) << 2));
}

function writeRegister(dom: Domain, apic: IoApic, value: u32): void {
  const index = apic.select;
  if (index == IoApicReg.ID) apic.id = value & ID_MASK;
  const half = index - IoApicReg.REDIRECTION;
  if (index < IoApicReg.REDIRECTION || half >= 2 * <u32>IOAPIC_PINS) return;
  const at = entryAt(apic, 0) + ((<usize>half) << 2);
  if ((half & 1) != 0) {
    store<u32>(at, value & 0xff000000);
    return;
  }
  const kept = load<u32>(at) & Redirection.REMOTE_IRR;
  const next = value & Redirection.WRITABLE_MASK;
  // Leaving level mode ends the interrupt in service: older kernels do that in place of the EOI register.
  store<u32>(at, isLevel(next) ? next | kept : next);
  serviceLevel(dom, apic, half >> 1);
}

/** Reads 32 bits at `offset` of the page. */
export function ioapicRead(dom: Domain, offset: u32): u32 {
  const apic = ioapicOf(dom);
  switch (offset & IoApicMmio.PAGE_MASK) {
    case IoApicMmio.IOREGSEL:
      return apic.select;
    case IoApicMmio.IOWIN:
      return readRegister(apic);
    default:
      return 0xffffffff;
  }
}

/** Writes 32 bits at `offset` of the page. */
export function ioapicWrite(dom: Domain, offset: u32, value: u32): void {
  const apic = ioapicOf(dom);
  switch (offset & IoApicMmio.PAGE_MASK) {
    case IoApicMmio.IOREGSEL:
      apic.select = value & 0xff;
      break;
    case IoApicMmio.IOWIN:
      writeRegister(dom, apic, value);
      break;
    case IoApicMmio.EOI:
      endOfInterrupt(dom, value & Message.VECTOR_MASK);
      break;
  }
}

/** True when nothing that the pin does would be seen. */
export function ioapicIsMasked(dom: Domain, pin: u32): bool {
  return (load<u64>(entryAt(ioapicOf(dom), pin)) & Redirection.MASKED) != 0;
}
