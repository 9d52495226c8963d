/** Saved state of the I/O APIC: the IoApic struct as it is. Callers hold the platform lock. */
import { Domain, IoApic_SIZE, IoApicOff, IOAPIC_PINS } from "../../gen/layout";
import { checkHeader, HEADER_BYTES, writeHeader } from "../saved-header";
import { ioapicOf } from "./device";
import { ID_MASK, Redirection } from "./regs";

/** "IOAP" */
const TAG: u32 = 0x50414f49;
const VERSION: u32 = 1;
const ENTRY_MASK: u64 = 0xff00000000000000 | (<u64>Redirection.WRITABLE_MASK) | (<u64>Redirection.REMOTE_IRR);

export const IOAPIC_SAVED_BYTES: u32 = HEADER_BYTES + <u32>IoApic_SIZE;

/** Saves the I/O APIC; returns the bytes written. */
export function ioapicSave(dom: Domain, at: usize): u32 {
  memory.copy(writeHeader(at, TAG, VERSION, <u32>IoApic_SIZE), changetype<usize>(ioapicOf(dom)), IoApic_SIZE);
  return IOAPIC_SAVED_BYTES;
}

/** Restores it; false when the bytes are not a saved I/O APIC. Reserved bits are dropped. */
export function ioapicRestore(dom: Domain, at: usize, length: u32): bool {
  if (!checkHeader(at, length, TAG, VERSION, <u32>IoApic_SIZE)) return false;
  const apic = ioapicOf(dom);
  memory.copy(changetype<usize>(apic), at + HEADER_BYTES, IoApic_SIZE);
  apic.id &= ID_MASK;
  apic.select &= 0xff;
  for (let pin: usize = 0; pin < IOAPIC_PINS; pin++) {
    const entry = changetype<usize>(apic) + IoApicOff.redirection + (pin << 3);
    store<u64>(entry, load<u64>(entry) & ENTRY_MASK);
  }
  return true;
}
