/**
 * Linear to machine addresses by the guest's page tables, for what the TLB has lost. Nothing is checked and no flag is
 * set: it is a guess, as all that the compiler reads. assembly/mmu/walk.ts is the walk that counts. [SDM] vol. 3A, 4.3 to 4.5.
 */
import { Domain } from "../../abi/structs/domain.js";
import { P2m, P2mKind } from "../../abi/structs/machine.js";
import { Vcpu } from "../../abi/structs/vcpu.js";

const CR0_PG = 1 << 31;
const CR4_PAE = 1 << 5;
const EFER_LMA = 1 << 10;
const PRESENT = 1;
const LARGE = 0x80;
/** Bits 45:32 of an entry's address; CPUID reports 46. */
const HIGH = 0x3fff;
const PAGE = 4096;

/** The 32-bit word at a machine address. */
type Read = (address: number) => number;

/** Machine address of guest frame `gfn` of the domain at `domain`, 0 when it has no memory. */
function frame(read: Read, domain: number, gfn: number): number {
  if (gfn >= P2m.values.GFN_LIMIT) return 0;
  let node = read(domain + Domain.off.p2mRoot);
  for (const shift of [20, 10, 0]) {
    if (node === 0) return 0;
    node = read(node + (((gfn >>> shift) & 1023) << 2));
  }
  const kind = (node >>> Number(P2m.values.KIND_SHIFT)) & Number(P2m.values.KIND_MASK);
  const { RAM, COW, GRANT } = P2mKind.values;
  if (kind !== RAM && kind !== COW && kind !== GRANT) return 0;
  return ((node & Number(P2m.values.MFN_MASK)) * PAGE) >>> 0;
}

/** Guest frame that the 8-byte entry at machine address `at` names, as CR3 does. */
const named = (read: Read, at: number): number => (read(at + 4) & HIGH) * 2 ** 20 + (read(at) >>> 12);

/** Guest frame that holds linear page `lin`, or -1, by `levels` levels of 8-byte entries; `table` is the frame of the first. */
function wide(read: Read, domain: number, lin: bigint, table: number, levels: number): number {
  let gfn = table;
  for (let level = levels; level > 0; level--) {
    const page = frame(read, domain, gfn);
    if (page === 0) return -1;
    const shift = 12 + (level - 1) * 9;
    const at = page + Number((lin >> BigInt(shift)) & 511n) * 8;
    const low = read(at);
    if ((low & PRESENT) === 0) return -1;
    gfn = named(read, at);
    if (level > 1 && (low & LARGE) !== 0) {
      const pages = 2 ** (shift - 12);
      return gfn - (gfn % pages) + Number((lin >> 12n) & BigInt(pages - 1));
    }
  }
  return gfn;
}

/** The same by 32-bit paging, 4 MiB pages among it. */
function narrow(read: Read, domain: number, lin: bigint, cr3: number): number {
  const address = Number(lin & 0xffffffffn);
  const directory = frame(read, domain, cr3 >>> 12);
  if (directory === 0) return -1;
  const pde = read(directory + (address >>> 22) * 4);
  if ((pde & PRESENT) === 0) return -1;
  if ((pde & LARGE) !== 0) return (pde >>> 22) * 1024 + ((pde >>> 13) & 0xff) * 2 ** 20 + ((address >>> 12) & 1023);
  const table = frame(read, domain, pde >>> 12);
  if (table === 0) return -1;
  const pte = read(table + ((address >>> 12) & 1023) * 4);
  return (pte & PRESENT) === 0 ? -1 : pte >>> 12;
}

/** Machine address of the page that holds linear page `lin` by the page tables that `vcpu` has now, or 0. */
export function walkPages(read: Read, vcpu: number, lin: bigint): number {
  const domain = read(vcpu + Vcpu.off.domain);
  const cr3 = vcpu + Vcpu.off.cr3;
  let gfn: number;
  if ((read(vcpu + Vcpu.off.cr0) & CR0_PG) === 0) gfn = Number((lin & 0xffffffffn) >> 12n);
  else if ((read(vcpu + Vcpu.off.efer) & EFER_LMA) !== 0) gfn = wide(read, domain, lin, named(read, cr3), 4);
  else if ((read(vcpu + Vcpu.off.cr4) & CR4_PAE) !== 0) {
    const entry = vcpu + Vcpu.off.pdpte + Number((lin >> 30n) & 3n) * 8;
    if ((read(entry) & PRESENT) === 0) return 0;
    gfn = wide(read, domain, lin, named(read, entry), 2);
  } else gfn = narrow(read, domain, lin, read(cr3));
  return gfn < 0 ? 0 : frame(read, domain, gfn);
}
