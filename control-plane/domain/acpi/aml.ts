/**
 * A tiny writer of AML, the byte code of ACPI's DSDT: just the terms that our tables need, each a function that returns
 * its bytes. [ACPI] 20.2 "AML Grammar Definition"
 */
import { ByteWriter, bytesOf, concatBytes } from "../../util/index.js";

const NAME_OP = 0x08;
const BYTE_PREFIX = 0x0a;
const WORD_PREFIX = 0x0b;
const DWORD_PREFIX = 0x0c;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const EXT_OP_PREFIX = 0x5b;
const DEVICE_OP = 0x82;
const ROOT_CHAR = 0x5c;

/** PkgLength counts its own one to four bytes. */
function packageLength(contentBytes: number): Uint8Array {
  if (contentBytes + 1 < 0x40) return Uint8Array.of(contentBytes + 1);
  for (let following = 1; following <= 3; following++) {
    const total = contentBytes + 1 + following;
    if (total >= 1 << (4 + 8 * following)) continue;
    const bytes = [(following << 6) | (total & 0xf)];
    for (let index = 0; index < following; index++) bytes.push((total >>> (4 + 8 * index)) & 0xff);
    return Uint8Array.from(bytes);
  }
  throw new Error("AML package too long");
}

function sized(opcode: readonly number[], content: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.from(opcode), packageLength(content.length), content]);
}

/** A name segment, padded with underscores; a leading backslash stays. */
function nameString(name: string): Uint8Array {
  const rooted = name.startsWith("\\");
  const segment = bytesOf((rooted ? name.slice(1) : name).padEnd(4, "_"));
  return rooted ? concatBytes([Uint8Array.of(ROOT_CHAR), segment]) : segment;
}

export function amlInteger(value: number): Uint8Array {
  if (value === 0 || value === 1) return Uint8Array.of(value);
  const writer = new ByteWriter();
  if (value <= 0xff) writer.u8(BYTE_PREFIX).u8(value);
  else if (value <= 0xffff) writer.u8(WORD_PREFIX).u16(value);
  else writer.u8(DWORD_PREFIX).u32(value);
  return writer.finish();
}

export function amlName(name: string, value: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(NAME_OP), nameString(name), value]);
}

export function amlPackage(elements: readonly Uint8Array[]): Uint8Array {
  return sized([PACKAGE_OP], concatBytes([Uint8Array.of(elements.length), ...elements]));
}

export function amlBuffer(bytes: Uint8Array): Uint8Array {
  return sized([BUFFER_OP], concatBytes([amlInteger(bytes.length), bytes]));
}

export function amlScope(name: string, terms: readonly Uint8Array[]): Uint8Array {
  return sized([SCOPE_OP], concatBytes([nameString(name), ...terms]));
}

export function amlDevice(name: string, terms: readonly Uint8Array[]): Uint8Array {
  return sized([EXT_OP_PREFIX, DEVICE_OP], concatBytes([nameString(name), ...terms]));
}

/** A compressed EISA id such as "PNP0501": three letters of five bits, then four hex digits, big-endian. */
export function amlEisaId(id: string): Uint8Array {
  const letter = (index: number) => id.charCodeAt(index) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  const bigEndian = ((vendor << 16) | product) >>> 0;
  return new ByteWriter()
    .u8(DWORD_PREFIX)
    .u8(bigEndian >>> 24)
    .u8((bigEndian >>> 16) & 0xff)
    .u8((bigEndian >>> 8) & 0xff)
    .u8(bigEndian & 0xff)
    .finish();
}

/** Resource descriptors for _CRS. [ACPI] 6.4 */
export function ioPortResource(port: number, length: number): Uint8Array {
  return new ByteWriter().u8(0x47).u8(1).u16(port).u16(port).u8(1).u8(length).finish();
}

/** An edge-triggered, active-high, exclusive interrupt of the device. */
export function interruptResource(gsi: number): Uint8Array {
  const CONSUMER_EDGE = 0x03;
  return new ByteWriter().u8(0x89).u16(6).u8(CONSUMER_EDGE).u8(1).u32(gsi).finish();
}

/** Closes a list of resources; the checksum 0 means "not given". */
export const END_TAG = Uint8Array.of(0x79, 0);
