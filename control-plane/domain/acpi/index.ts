/** ACPI tables for a PVH domain. */
export { type AcpiPlatform, buildAcpiTables } from "./tables.js";
