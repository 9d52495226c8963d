/** The I/O APIC. */
export { ioapicLine, ioapicOf, ioapicRead, ioapicReset, ioapicWrite } from "./device";
export { ioapicEoi, ioapicSetIrq } from "./locked";
