export * from "./index";
export * from "../ioapic";
