/**
 * Changing CR3: MOV and task switches. With PAE outside long mode the four page-directory-pointer entries are checked
 * as the load reads them. [SDM] vol. 3A, 4.4.1 and 4.10.4.
 */
import { Vcpu } from "../gen/layout";
import { Cr0, Cr3, Cr4 } from "../cpu/control-bits";
import { isLong } from "../cpu/modes";
import { physR } from "../mmu/physical";
import { tlbSetCr3 } from "../mmu/tlb";

/** Reserved bits of a present page-directory-pointer entry with 46 physical address bits. */
const PDPTE_RESERVED: u64 = 0xffffc000000001e6;

/** Whether the PAE page-directory-pointer table at `cr3` can be loaded under the given control registers. */
export function pdptesOk(cpu: Vcpu, cr0: u64, cr4: u64, cr3: u64): bool {
  if (!(cr0 & Cr0.PG) || !(cr4 & Cr4.PAE) || isLong(cpu)) return true;
  const p = physR(cpu, cr3 & 0xffffffe0, 32);
  if (p == 0) return true;
  for (let i: usize = 0; i < 32; i += 8) {
    const entry = load<u64>(p + i);
    if (entry & 1 && entry & PDPTE_RESERVED) return false;
  }
  return true;
}

/** Loads CR3 from a TSS: unchecked, and always a flush. */
export function switchAddressSpace(cpu: Vcpu, cr3: u64): void {
  tlbSetCr3(cpu, cr3, false);
}

/** MOV to CR3. False when the value is not allowed, #GP(0). */
export function setCr3(cpu: Vcpu, value: u64): bool {
  let cr3 = value;
  let noFlush = false;
  if (cpu.cr4 & Cr4.PCIDE) {
    noFlush = (value & Cr3.NO_FLUSH) != 0;
    cr3 &= ~Cr3.NO_FLUSH;
  }
  if (isLong(cpu) && cr3 & Cr3.RESERVED) return false;
  if (!pdptesOk(cpu, cpu.cr0, cpu.cr4, cr3)) return false;
  tlbSetCr3(cpu, cr3, noFlush);
  return true;
}
