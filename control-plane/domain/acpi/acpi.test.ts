import { describe, expect, it } from "vitest";
import { ByteView, byteString } from "../../util/index.js";
import { amlDevice, amlEisaId, amlInteger, amlName, amlPackage } from "./aml.js";
import { buildAcpiTables } from "./index.js";

const BASE = 0xfc000000;
const PLAIN = { apicIds: [0, 2, 4], ioapic: false, pit: false, pmTimer: false, serial: false };
const FULL = { apicIds: [0, 2], ioapic: true, pit: true, pmTimer: true, serial: true };

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;

/** Follows the pointers from the RSDP on, as a kernel does. */
function readTables(block: Uint8Array): Map<string, ByteView> {
  const all = new ByteView(block);
  const table = (address: number) => {
    const at = address - BASE;
    return new ByteView(all.slice(at, all.u32(at + 4)));
  };
  const xsdt = table(all.u64(24));
  const tables = new Map<string, ByteView>([["XSDT", xsdt]]);
  for (let at = 36; at < xsdt.length; at += 8) {
    const found = table(xsdt.u64(at));
    tables.set(byteString(found.slice(0, 4)), found);
  }
  tables.set("DSDT", table(tables.get("FACP")!.u64(140)));
  return tables;
}

describe("ACPI tables", () => {
  it.each([PLAIN, FULL])("have right checksums and pointers", (platform) => {
    const block = buildAcpiTables(BASE, platform);
    expect(byteString(block.subarray(0, 8))).toBe("RSD PTR ");
    expect(sum(block.subarray(0, 20))).toBe(0);
    expect(sum(block.subarray(0, 36))).toBe(0);
    const tables = readTables(block);
    expect([...tables.keys()].sort()).toEqual(["APIC", "DSDT", "FACP", "XSDT"]);
    for (const table of tables.values()) expect(sum(table.bytes)).toBe(0);
  });

  it("describe a hardware-reduced platform whose sleep and reset registers are ports", () => {
    const fadt = readTables(buildAcpiTables(BASE, PLAIN)).get("FACP")!;
    expect([fadt.length, fadt.u8(8)]).toEqual([268, 5]);
    expect(fadt.u32(112) & (1 << 20)).not.toBe(0);
    expect(fadt.u16(109)).toBe(0x24);
    expect([fadt.u8(244), fadt.u8(245), fadt.u64(248)]).toEqual([1, 8, 0x600]);
    expect([fadt.u8(256), fadt.u64(260)]).toEqual([1, 0x601]);
    expect([fadt.u64(120), fadt.u8(128)]).toEqual([0x604, 1]);
    expect([fadt.u32(76), fadt.u8(91)]).toEqual([0, 0]);
  });

  it("list every vCPU as enabled, with its number as processor UID", () => {
    const madt = readTables(buildAcpiTables(BASE, PLAIN)).get("APIC")!;
    const entries = [0, 1, 2].map((index) => [...madt.slice(44 + 8 * index, 8)]);
    expect(entries).toEqual([
      [0, 8, 0, 0, 1, 0, 0, 0],
      [0, 8, 1, 2, 1, 0, 0, 0],
      [0, 8, 2, 4, 1, 0, 0, 0],
    ]);
    expect(madt.length).toBe(44 + 24);
  });

  it("name the optional devices only where they are", () => {
    const tables = readTables(buildAcpiTables(BASE, FULL));
    const madt = tables.get("APIC")!;
    expect([...madt.slice(60, 12)]).toEqual([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    expect([...madt.slice(72, 10)]).toEqual([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    expect(tables.get("FACP")!.u32(76)).toBe(0x608);
    expect(byteString(tables.get("DSDT")!.bytes)).toContain("COM1");
    expect(byteString(readTables(buildAcpiTables(BASE, PLAIN)).get("DSDT")!.bytes)).not.toContain("COM1");
  });

  it("use x2APIC entries for ids that xAPIC cannot hold", () => {
    const madt = readTables(buildAcpiTables(BASE, { ...PLAIN, apicIds: [300] })).get("APIC")!;
    expect([...madt.slice(44, 16)]).toEqual([9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("AML", () => {
  it("encodes names, integers and packages", () => {
    const s5 = amlName("\\_S5", amlPackage([amlInteger(5), amlInteger(0)]));
    expect([...s5]).toEqual([0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 5, 2, 0x0a, 5, 0]);
    expect([...amlInteger(0x1234)]).toEqual([0x0b, 0x34, 0x12]);
    expect([...amlInteger(0x12345678)]).toEqual([0x0c, 0x78, 0x56, 0x34, 0x12]);
  });

  it("encodes EISA ids big-endian", () => {
    expect([...amlEisaId("PNP0501")]).toEqual([0x0c, 0x41, 0xd0, 0x05, 0x01]);
  });

  it("uses two length bytes from 63 bytes on", () => {
    const device = amlDevice("DEV0", [new Uint8Array(100)]);
    expect([...device.subarray(0, 4)]).toEqual([0x5b, 0x82, 0x40 | (106 & 0xf), 106 >> 4]);
    expect(device.length).toBe(2 + 106);
  });
});
