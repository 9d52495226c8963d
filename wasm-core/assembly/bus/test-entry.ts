export * from "./index";
export * from "../irq/lapic";
export { ioapicSetIrq } from "../irq/ioapic";
