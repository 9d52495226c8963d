/** What the tests of the interrupt controllers, the devices and the buses call. */
export * from "../../bus";
export * from "../lapic";
export { ioapicRaiseCallback, ioapicSetIrq } from "../ioapic";
