/** The I/O APIC. */
export { ioapicIsMasked, ioapicLine, ioapicOf, ioapicRead, ioapicReset, ioapicWrite } from "./device";
export { ioapicEoi, ioapicRaiseCallback, ioapicSetIrq } from "./locked";
export { IOAPIC_SAVED_BYTES, ioapicRestore, ioapicSave } from "./saved";
