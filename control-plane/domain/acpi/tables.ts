/**
 * The ACPI tables of a PVH domain: RSDP, XSDT, FADT (revision 5, hardware-reduced), MADT and DSDT. A hardware-reduced
 * platform has no PIC, PIT or fixed power management: sleep and reset are single registers. [ACPI] 5.2
 */
import {
  AcpiValue,
  IOAPIC_PINS,
  PlatformAddress,
  PlatformLine,
  PlatformPort,
} from "../../../wasm-core/abi/structs/platform.js";
import { ByteWriter, concatBytes } from "../../util/index.js";
import {
  amlBuffer,
  amlDevice,
  amlEisaId,
  amlInteger,
  amlName,
  amlPackage,
  amlScope,
  END_TAG,
  interruptResource,
  ioPortResource,
} from "./aml.js";

export interface AcpiPlatform {
  /** Local APIC ids by vCPU number. The processor UID is the vCPU number: Linux takes its Xen vCPU id from there. */
  readonly apicIds: readonly number[];
  readonly ioapic: boolean;
  readonly pit: boolean;
  readonly pmTimer: boolean;
  readonly serial: boolean;
}

const HEADER_BYTES = 36;
const RSDP_BYTES = 36;
const OEM_ID = "XENOLT";
const OEM_TABLE_ID = "XENOLITH";
const CREATOR_ID = "XNLT";
const TABLE_ALIGN = 16;

const FADT_BYTES = 268;
const FADT_REVISION = 5;
const BOOT_ARCH_NO_VGA = 1 << 2;
const BOOT_ARCH_NO_CMOS_RTC = 1 << 5;
const FADT_WBINVD = 1 << 0;
const FADT_POWER_BUTTON = 1 << 4;
const FADT_SLEEP_BUTTON = 1 << 5;
const FADT_TIMER_32BIT = 1 << 8;
const FADT_RESET_REGISTER = 1 << 10;
const FADT_HW_REDUCED = 1 << 20;

const GAS_SYSTEM_IO = 1;
const GAS_BYTE_ACCESS = 1;
const GAS_DWORD_ACCESS = 3;

const MADT_LAPIC = 0;
const MADT_IOAPIC = 1;
const MADT_OVERRIDE = 2;
const MADT_X2APIC = 9;
const MADT_ENABLED = 1;
const XAPIC_BROADCAST_ID = 255;

const port = (name: keyof typeof PlatformPort.values): number => Number(PlatformPort.values[name]);

/** The tables as one block whose first byte, the RSDP, will lie at guest-physical `base`. */
export function buildAcpiTables(base: number, platform: AcpiPlatform): Uint8Array {
  const dsdtAt = base + align(RSDP_BYTES);
  const dsdt = buildDsdt(platform);
  const fadtAt = dsdtAt + align(dsdt.length);
  const fadt = buildFadt(dsdtAt, platform);
  const madtAt = fadtAt + align(fadt.length);
  const madt = buildMadt(platform);
  const xsdtAt = madtAt + align(madt.length);
  const xsdt = buildXsdt([fadtAt, madtAt]);
  return concatBytes([buildRsdp(xsdtAt), dsdt, fadt, madt, xsdt].map(padded));
}

const align = (length: number): number => Math.ceil(length / TABLE_ALIGN) * TABLE_ALIGN;

function padded(table: Uint8Array): Uint8Array {
  const block = new Uint8Array(align(table.length));
  block.set(table);
  return block;
}

/** What makes the bytes of a range sum to zero. */
function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** Puts the common header in front of a body and sets the checksum. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new ByteWriter()
    .text(signature, 4)
    .u32(HEADER_BYTES + body.length)
    .u8(revision)
    .u8(0)
    .text(OEM_ID, 6)
    .text(OEM_TABLE_ID, 8)
    .u32(1)
    .text(CREATOR_ID, 4)
    .u32(1)
    .append(body)
    .finish();
  bytes[9] = checksum(bytes);
  return bytes;
}

function buildRsdp(xsdt: number): Uint8Array {
  const bytes = new ByteWriter()
    .text("RSD PTR ")
    .u8(0)
    .text(OEM_ID, 6)
    .u8(2)
    .u32(0)
    .u32(RSDP_BYTES)
    .u64(xsdt)
    .u8(0)
    .zeros(3)
    .finish();
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}

function buildXsdt(tables: readonly number[]): Uint8Array {
  const body = new ByteWriter();
  for (const address of tables) body.u64(address);
  return table("XSDT", 1, body.finish());
}

/** A generic address structure of one I/O port; all zero for one that is absent. */
function writeGas(writer: ByteWriter, address: number, bits: number): ByteWriter {
  if (address === 0) return writer.zeros(12);
  const access = bits === 8 ? GAS_BYTE_ACCESS : GAS_DWORD_ACCESS;
  return writer.u8(GAS_SYSTEM_IO).u8(bits).u8(0).u8(access).u64(address);
}

function buildFadt(dsdt: number, platform: AcpiPlatform): Uint8Array {
  const pmTimer = platform.pmTimer ? port("PM_TIMER") : 0;
  const always = FADT_WBINVD | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET_REGISTER | FADT_HW_REDUCED;
  const flags = always | (platform.pmTimer ? FADT_TIMER_32BIT : 0);
  const body = new ByteWriter();
  const padTo = (offset: number) => body.zeros(offset - HEADER_BYTES - body.length);
  padTo(40).u32(dsdt);
  padTo(76).u32(pmTimer);
  padTo(91).u8(platform.pmTimer ? 4 : 0);
  padTo(109).u16(BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_CMOS_RTC);
  padTo(112).u32(flags);
  writeGas(padTo(116), port("ACPI_RESET"), 8).u8(Number(AcpiValue.values.RESET));
  padTo(140).u64(dsdt);
  writeGas(padTo(208), pmTimer, 32);
  writeGas(padTo(244), port("ACPI_SLEEP_CONTROL"), 8);
  writeGas(padTo(256), port("ACPI_SLEEP_STATUS"), 8);
  padTo(FADT_BYTES);
  return table("FACP", FADT_REVISION, body.finish());
}

function buildMadt(platform: AcpiPlatform): Uint8Array {
  const body = new ByteWriter().u32(Number(PlatformAddress.values.LAPIC)).u32(0);
  // Every vCPU the domain may have is listed as enabled: Linux never lets one in later that was not.
  platform.apicIds.forEach((apicId, uid) => {
    if (apicId < XAPIC_BROADCAST_ID && uid < XAPIC_BROADCAST_ID) {
      body.u8(MADT_LAPIC).u8(8).u8(uid).u8(apicId).u32(MADT_ENABLED);
    } else {
      body.u8(MADT_X2APIC).u8(16).u16(0).u32(apicId).u32(MADT_ENABLED).u32(uid);
    }
  });
  if (platform.ioapic) {
    const id = 0;
    body.u8(MADT_IOAPIC).u8(12).u8(id).u8(0).u32(Number(PlatformAddress.values.IOAPIC)).u32(0);
    const pitLine = Number(PlatformLine.values.PIT);
    if (platform.pit && pitLine < IOAPIC_PINS) body.u8(MADT_OVERRIDE).u8(10).u8(0).u8(0).u32(pitLine).u16(0);
  }
  return table("APIC", 4, body.finish());
}

function buildDsdt(platform: AcpiPlatform): Uint8Array {
  const sleepType = amlInteger(Number(AcpiValue.values.SLP_TYP_S5));
  const zero = amlInteger(0);
  const terms = [amlName("\\_S5", amlPackage([sleepType, zero, zero, zero]))];
  if (platform.serial) terms.push(amlScope("\\_SB", [serialPort(platform)]));
  return table("DSDT", 2, concatBytes(terms));
}

function serialPort(platform: AcpiPlatform): Uint8Array {
  const resources = [ioPortResource(port("COM1"), 8)];
  if (platform.ioapic) resources.push(interruptResource(Number(PlatformLine.values.COM1)));
  return amlDevice("COM1", [
    amlName("_HID", amlEisaId("PNP0501")),
    amlName("_UID", amlInteger(1)),
    amlName("_CRS", amlBuffer(concatBytes([...resources, END_TAG]))),
  ]);
}
