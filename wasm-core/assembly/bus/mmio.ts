/**
 * Guest-physical addresses that are devices: the vCPU's own local APIC page in xAPIC mode and the I/O APIC. Both have
 * 32-bit registers, one in each 16 bytes; the bytes between read zero. Elsewhere reads give all ones and writes go
 * nowhere.
 */
import { PlatformAddress, PlatformFlag, Vcpu } from "../gen/layout";
import { ioapicRead, ioapicWrite } from "../irq/ioapic";
import { lapicPresent, lapicRead, lapicWrite, lapicX2apic } from "../irq/lapic";
import { pitSync } from "../irq/pit";
import { hasDevice, lockPlatform, unlockPlatform } from "../irq/platform";
import { domainOfVcpu } from "../mem/domains";
import { platformRearm } from "./platform";

const PAGE_MASK: u64 = 0xfff;
/** Address bits of IA32_APIC_BASE. */
const APIC_BASE_MASK: u64 = 0x000ffffffffff000;

/** True when `gpa` lies in the page of this vCPU's local APIC. */
export function isLapicPage(cpu: Vcpu, gpa: u64): bool {
  return (gpa & ~PAGE_MASK) == (cpu.apicBase & APIC_BASE_MASK) && lapicPresent(cpu) && !lapicX2apic(cpu);
}

/** True when `gpa` lies in the page of the domain's I/O APIC. */
export function isIoApicPage(cpu: Vcpu, gpa: u64): bool {
  return (gpa & ~PAGE_MASK) == PlatformAddress.IOAPIC && hasDevice(domainOfVcpu(cpu), PlatformFlag.IOAPIC);
}

/** The part of a register that an access of `size` bytes at `offset` sees. */
function partOf(register: u32, offset: u32, size: u32): u64 {
  const byte = offset & 15;
  if (byte >= 4) return 0;
  const value = <u64>(register >> (byte << 3));
  return size >= 8 ? value : value & (((<u64>1) << (size << 3)) - 1);
}

/** Reads `size` (1, 2, 4 or 8) bytes. */
export function mmioRead(cpu: Vcpu, gpa: u64, size: u32): u64 {
  const offset = <u32>(gpa & PAGE_MASK);
  if (isLapicPage(cpu, gpa)) return (offset & 15) < 4 ? partOf(lapicRead(cpu, offset & ~15), offset, size) : 0;
  if (isIoApicPage(cpu, gpa)) {
    const dom = domainOfVcpu(cpu);
    lockPlatform(dom);
    const value = partOf(ioapicRead(dom, offset & ~15), offset, size);
    unlockPlatform(dom);
    return value;
  }
  return size >= 8 ? ~(<u64>0) : ((<u64>1) << (size << 3)) - 1;
}

/** Writes the low `size` (1, 2, 4 or 8) bytes of `value`; local APIC registers only take aligned dwords. */
export function mmioWrite(cpu: Vcpu, gpa: u64, size: u32, value: u64): void {
  const offset = <u32>(gpa & PAGE_MASK);
  if ((offset & 15) != 0) return;
  if (isLapicPage(cpu, gpa)) {
    if (size == 4) lapicWrite(cpu, offset, <u32>value);
  } else if (isIoApicPage(cpu, gpa)) {
    const dom = domainOfVcpu(cpu);
    const register = size < 4 ? (<u32>value) & (((<u32>1) << (size << 3)) - 1) : <u32>value;
    lockPlatform(dom);
    // Edges before this write meet the old redirection entries.
    if (hasDevice(dom, PlatformFlag.PIT)) pitSync(dom);
    ioapicWrite(dom, offset, register);
    unlockPlatform(dom);
    platformRearm(dom, cpu);
  }
}
