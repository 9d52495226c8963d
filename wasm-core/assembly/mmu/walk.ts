/**
 * The page walk: linear to guest-physical in every paging mode, with rights, reserved bits and accessed and dirty
 * flags. Its result stands in the vCPU's walk* fields. [SDM] vol. 3A, 4.3 to 4.7.
 */
import { PfError, Vcpu, VcpuOff, WALK_SLOTS, WalkBit } from "../gen/layout";
import { Flag } from "../cpu/flags";
import { wroteCode } from "./code";
import { endWaits } from "./monitor";
import { frameAddress } from "./physical";

/** What walk() answers when the access is allowed; anything else is a page-fault error code. */
export const WALK_OK: i32 = -1;
/** The leaf changed while it was judged. */
const CHANGED: i32 = -2;
/**
 * How often a leaf is judged anew. A guest that changes it without pause must not keep a pCPU in here: it gets a page
 * fault, spurious as after a stale TLB entry, and the next try comes after the vCPU has looked at its events.
 */
const TRIES: i32 = 64;

const CR0_WP: u64 = 1 << 16;
const CR0_PG: u64 = 0x80000000;
const CR4_PSE: u64 = 1 << 4;
const CR4_PAE: u64 = 1 << 5;
const CR4_SMEP: u64 = 1 << 20;
const CR4_SMAP: u64 = 1 << 21;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;

const PTE_P: u64 = 1;
const PTE_W: u64 = 2;
const PTE_U: u64 = 4;
const PTE_A: u64 = 0x20;
const PTE_D: u64 = 0x40;
const PTE_PS: u64 = 0x80;
const PTE_G: u64 = 0x100;
const PTE_NX: u64 = 0x8000000000000000;
/** Address bits of a 64-bit entry, and the reserved ones above the 46 physical address bits that CPUID reports. */
const PTE_ADDR: u64 = 0x00003ffffffff000;
const PTE_HIGH_RSVD: u64 = 0x000fc00000000000;
const LEVEL_SHIFT: u32 = 8;

export namespace Access {
  export const READ: u32 = 0;
  export const WRITE: u32 = 1;
  export const EXEC: u32 = 2;
}

/**
 * Translates `lin` for an access by user or supervisor code; `implicit` is a supervisor access to a system structure,
 * which SMAP judges without EFLAGS.AC. Sets accessed and dirty flags when the access is allowed.
 */
export function walk(cpu: Vcpu, lin: u64, access: u32, user: bool, implicit: bool): i32 {
  if (!(cpu.cr0 & CR0_PG)) {
    cpu.walkGpa = lin & 0xffffffff;
    cpu.walkBits = WalkBit.WRITE | WalkBit.USER | WalkBit.EXEC | WalkBit.DIRTY;
    cpu.walkPage = 4096;
    return WALK_OK;
  }
  if (cpu.efer & EFER_LMA) return walkLong(cpu, lin, access, user, implicit);
  if (cpu.cr4 & CR4_PAE) return walkPae(cpu, lin, access, user, implicit);
  return walk32(cpu, lin, access, user, implicit);
}

/** Guest-physical address of a 64-bit entry's machine copy, or 0 when there is no memory. */
@inline
function entryAt(cpu: Vcpu, table: u64, index: u64): usize {
  const page = frameAddress(cpu, table);
  return page == 0 ? 0 : page + ((<usize>index) << 3);
}

function errorCode(cpu: Vcpu, bits: u32, access: u32, user: bool): i32 {
  if (access == Access.WRITE) bits |= PfError.W;
  if (user) bits |= PfError.U;
  if (access == Access.EXEC && (cpu.cr4 & CR4_SMEP || (cpu.efer & EFER_NXE && cpu.cr4 & CR4_PAE))) bits |= PfError.I;
  return <i32>bits;
}

/**
 * The paging-structure cache's pair for `lin`: a tag, and of the table whose entry maps the page its machine address, its
 * level from bit 8 on, and the rights above it.
 */
@inline
function cachedTable(cpu: Vcpu, lin: u64): usize {
  return changetype<usize>(cpu) + VcpuOff.walkCache + (((<usize>(lin >> 21)) & (WALK_SLOTS - 1)) << 4);
}

/** Whose table it is. Address-space numbers begin with 1, so an empty pair is nobody's. */
@inline
function cacheTag(cpu: Vcpu, lin: u64): u64 {
  return cpu.walkEpoch | ((lin >> 21) << 12) | (<u64>cpu.tlbAsid);
}

/**
 * Long mode: by the table in which the last walk for these 2 MiB ended, else from the top. A fault is never told from
 * what was remembered. [SDM] vol. 3A, 4.10.3
 */
function walkLong(cpu: Vcpu, lin: u64, access: u32, user: bool, implicit: bool): i32 {
  const pair = cachedTable(cpu, lin);
  if (load<u64>(pair) == cacheTag(cpu, lin)) {
    const known = load<u64>(pair, 8);
    const level = ((<u32>known) >> LEVEL_SHIFT) & 7;
    const at = <usize>((<u32>known) & ~4095) + ((<usize>indexAt(lin, level)) << 3);
    if (walkLeaf(cpu, lin, at, level, known & (PTE_W | PTE_U), known & PTE_NX, access, user, implicit) == WALK_OK)
      return WALK_OK;
    store<u64>(pair, 0);
  }
  return walkLevels(cpu, lin, cpu.cr3 & PTE_ADDR, 4, access, user, implicit);
}

@inline
function reservedBits(cpu: Vcpu): u64 {
  return PTE_HIGH_RSVD | (cpu.efer & EFER_NXE ? 0 : PTE_NX);
}

/** Which entry of a table of `level` is that of `lin`. */
@inline
function indexAt(lin: u64, level: u32): u64 {
  return (lin >> u64(12 + (level - 1) * 9)) & 511;
}

/** Walks 64-bit entries from `level` (4 = PML4) down, anew when a large page has become a table meanwhile. */
function walkLevels(cpu: Vcpu, lin: u64, root: u64, level: u32, access: u32, user: bool, implicit: bool): i32 {
  for (let i = 0; i < TRIES; i++) {
    const fault = tryLevels(cpu, lin, root, level, access, user, implicit);
    if (fault != CHANGED) return fault;
  }
  return errorCode(cpu, PfError.P, access, user);
}

function tryLevels(cpu: Vcpu, lin: u64, root: u64, level: u32, access: u32, user: bool, implicit: bool): i32 {
  const reserved = reservedBits(cpu);
  const long = level == 4;
  let table = root;
  let rights: u64 = PTE_W | PTE_U;
  let nx: u64 = 0;
  while (true) {
    const at = entryAt(cpu, table, indexAt(lin, level));
    if (at == 0) return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
    const entry = load<u64>(at);
    if (level == 1 || (entry & (PTE_P | PTE_PS)) == (PTE_P | PTE_PS)) {
      if (long) rememberTable(cpu, lin, at, level, rights | nx);
      return walkLeaf(cpu, lin, at, level, rights, nx, access, user, implicit);
    }
    if (!(entry & PTE_P)) return errorCode(cpu, 0, access, user);
    if (entry & reserved) return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
    rights &= entry;
    nx |= entry & PTE_NX;
    if (!(entry & PTE_A)) setBits(at, entry, PTE_A);
    table = entry & PTE_ADDR;
    level -= 1;
  }
}

@inline
function rememberTable(cpu: Vcpu, lin: u64, at: usize, level: u32, rights: u64): void {
  const pair = cachedTable(cpu, lin);
  store<u64>(pair, cacheTag(cpu, lin));
  store<u64>(pair, (<u64>(((<u32>at) & ~4095) | (level << LEVEL_SHIFT))) | rights, 8);
}

/**
 * The entry at `at`, which maps a page of `level`; `rights` and `nx` are those of the levels above. CHANGED when it leads
 * to another table.
 */
function walkLeaf(
  cpu: Vcpu,
  lin: u64,
  at: usize,
  level: u32,
  rights: u64,
  nx: u64,
  access: u32,
  user: bool,
  implicit: bool,
): i32 {
  const bytes = (<u64>1) << u64(12 + (level - 1) * 9);
  const want = access == Access.WRITE ? PTE_A | PTE_D : PTE_A;
  for (let i = 0; i < TRIES; i++) {
    const entry = load<u64>(at);
    if (!(entry & PTE_P)) return errorCode(cpu, 0, access, user);
    if (level > 1 && !(entry & PTE_PS)) return CHANGED;
    if (entry & reservedBits(cpu)) return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
    if (level > 1 && (level == 4 || (entry & (bytes - 1) & 0x3fffe000) != 0)) {
      return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
    }
    const all = rights & entry;
    const never = ((nx | entry) & PTE_NX) != 0;
    const fault = checkRights(cpu, all, never, access, user, implicit);
    if (fault != WALK_OK) return fault;
    // What another pCPU has changed meanwhile is judged anew: an entry that was taken out as clean must not be written by.
    if ((entry & want) != want && !setBits(at, entry, want)) continue;
    const gpa = (entry & PTE_ADDR & ~(bytes - 1)) | (lin & (bytes - 1));
    finish(cpu, lin, gpa, bytes, all, never, entry | want);
    return WALK_OK;
  }
  return errorCode(cpu, PfError.P, access, user);
}

/**
 * Fills the PDPTE registers: once after each load of CR3 or change of paging, whatever memory says later. False when the
 * table is not memory.
 */
function loadPdptes(cpu: Vcpu): bool {
  const page = frameAddress(cpu, cpu.cr3 & 0xfffff000);
  if (page == 0) return false;
  memory.copy(changetype<usize>(cpu) + VcpuOff.pdpte, page + <usize>(cpu.cr3 & 0xfe0), 32);
  cpu.pdpteValid = 1;
  return true;
}

/** PAE outside long mode: four page-directory-pointer registers, then two levels. */
function walkPae(cpu: Vcpu, lin: u64, access: u32, user: bool, implicit: bool): i32 {
  if (!cpu.pdpteValid && !loadPdptes(cpu)) return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
  const entry = load<u64>(changetype<usize>(cpu) + ((<usize>((lin >> 30) & 3)) << 3), VcpuOff.pdpte);
  if (!(entry & PTE_P)) return errorCode(cpu, 0, access, user);
  if (entry & (PTE_HIGH_RSVD | PTE_NX | 0x1e6)) return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
  return walkLevels(cpu, lin & 0xffffffff, entry & PTE_ADDR, 2, access, user, implicit);
}

/** 32-bit paging: from the directory's entry anew when the leaf has changed, for that may be anything by now. */
function walk32(cpu: Vcpu, lin: u64, access: u32, user: bool, implicit: bool): i32 {
  for (let i = 0; i < TRIES; i++) {
    const fault = try32(cpu, lin, access, user, implicit);
    if (fault != CHANGED) return fault;
  }
  return errorCode(cpu, PfError.P, access, user);
}

/** Two levels of 32-bit entries, with 4 MiB pages (PSE-36) when CR4.PSE; CHANGED as leaf32. */
function try32(cpu: Vcpu, lin: u64, access: u32, user: bool, implicit: bool): i32 {
  const directory = frameAddress(cpu, cpu.cr3 & 0xfffff000);
  if (directory == 0) return errorCode(cpu, PfError.P, access, user);
  const pdeAt = directory + ((<usize>((lin >> 22) & 1023)) << 2);
  const pde = load<u32>(pdeAt);
  if (!(pde & 1)) return errorCode(cpu, 0, access, user);
  const large = (pde & (<u32>PTE_PS)) != 0 && (cpu.cr4 & CR4_PSE) != 0;
  if (large && pde & (1 << 21)) return errorCode(cpu, PfError.P | PfError.RSVD, access, user);
  return large
    ? leaf32(cpu, lin, pdeAt, pde, PTE_W | PTE_U, true, access, user, implicit)
    : table32(cpu, lin, pdeAt, pde, access, user, implicit);
}

/** The page table that the directory's entry `pde` names. */
function table32(cpu: Vcpu, lin: u64, pdeAt: usize, pde: u32, access: u32, user: bool, implicit: bool): i32 {
  if (!(pde & (<u32>PTE_A))) setBits32(pdeAt, pde, <u32>PTE_A);
  const table = frameAddress(cpu, <u64>(pde & 0xfffff000));
  if (table == 0) return errorCode(cpu, PfError.P, access, user);
  const at = table + ((<usize>((lin >> 12) & 1023)) << 2);
  const entry = load<u32>(at);
  if (!(entry & 1)) return errorCode(cpu, 0, access, user);
  return leaf32(cpu, lin, at, entry, (<u64>pde) & (PTE_W | PTE_U), false, access, user, implicit);
}

/** As walkLeaf; CHANGED when the entry at `at` is not `entry` any more. */
function leaf32(
  cpu: Vcpu,
  lin: u64,
  at: usize,
  entry: u32,
  above: u64,
  large: bool,
  access: u32,
  user: bool,
  implicit: bool,
): i32 {
  const rights = above & (<u64>entry);
  const fault = checkRights(cpu, rights, false, access, user, implicit);
  if (fault != WALK_OK) return fault;
  const want = access == Access.WRITE ? <u32>(PTE_A | PTE_D) : <u32>PTE_A;
  if ((entry & want) != want && !setBits32(at, entry, want)) return CHANGED;
  const base = large
    ? (<u64>(entry & 0xffc00000)) | ((<u64>((entry >> 13) & 0xff)) << 32) | (lin & 0x3ff000)
    : <u64>(entry & 0xfffff000);
  finish(cpu, lin, base | (lin & 4095), large ? 0x400000 : 4096, rights, false, <u64>(entry | want));
  return WALK_OK;
}

function checkRights(cpu: Vcpu, rights: u64, nx: bool, access: u32, user: bool, implicit: bool): i32 {
  const userPage = (rights & PTE_U) != 0;
  let ok = true;
  if (user) ok = userPage && (access != Access.WRITE || (rights & PTE_W) != 0);
  else if (access == Access.EXEC) ok = !(userPage && cpu.cr4 & CR4_SMEP);
  else {
    if (userPage && cpu.cr4 & CR4_SMAP && (implicit || !(cpu.eflags & Flag.AC))) ok = false;
    if (access == Access.WRITE && !(rights & PTE_W) && cpu.cr0 & CR0_WP) ok = false;
  }
  if (access == Access.EXEC && nx) ok = false;
  return ok ? WALK_OK : errorCode(cpu, PfError.P, access, user);
}

/**
 * Sets flags in an entry; false when it changed meanwhile, and keeps its new value. Of an entry that leads to another
 * table the walk then goes on with the old one, as a processor may.
 */
function setBits(at: usize, entry: u64, bits: u64): bool {
  if (atomic.cmpxchg<u64>(at, entry, entry | bits) != entry) return false;
  noticeWrite(at, 8);
  return true;
}

/** Flags that a walk sets are written to memory like anything else: code may be there, or a line that somebody waits for. */
@inline
function noticeWrite(at: usize, size: u32): void {
  wroteCode(at, size);
  endWaits(<u32>(at >> 12));
}

function setBits32(at: usize, entry: u32, bits: u32): bool {
  if (atomic.cmpxchg<u32>(at, entry, entry | bits) != entry) return false;
  noticeWrite(at, 4);
  return true;
}

/** The walk's result; `entry` is the leaf with the flags that were set. */
function finish(cpu: Vcpu, lin: u64, gpa: u64, bytes: u64, rights: u64, nx: bool, entry: u64): void {
  cpu.walkGpa = gpa;
  cpu.walkPage = bytes;
  let bits: u32 = 0;
  if (rights & PTE_W) bits |= WalkBit.WRITE;
  if (rights & PTE_U) bits |= WalkBit.USER;
  if (!nx) bits |= WalkBit.EXEC;
  if (entry & PTE_G) bits |= WalkBit.GLOBAL;
  if (entry & PTE_D) bits |= WalkBit.DIRTY;
  if (bytes > 4096) bits |= WalkBit.LARGE;
  cpu.walkBits = bits;
}
