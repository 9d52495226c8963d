/**
 * The soft TLB. Two tables a vCPU, supervisor and user; an entry has one tag for each kind of access, so that one compare
 * with a page's own entry decides and everything unusual is a miss; who misses looks at a second entry before he walks
 * (places.ts). The user table's tags carry an address-space number, the supervisor table's, where most pages are global, one
 * of its own: flushing is taking a fresh number. [SDM] vol. 3A, 4.10.
 */
import {
  JUMP_CACHE_BYTES,
  JumpEntry_SIZE,
  JumpEntryOff,
  PfError,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_SECOND,
  TLB_WRITERS,
  TlbEntry,
  TlbEntry_SIZE,
  Vcpu,
  VcpuOff,
  WALK_SLOTS,
} from "../gen/layout";
import { Flag } from "../cpu/flags";
import { codeCache } from "./code-cache";

export const EMPTY_TAG: u64 = 0xffffffffffffffff;
/** Address-space numbers run from 1; the table is emptied when they are used up. */
const LAST_ASID: u32 = 0xffe;
const CR0_AM: u64 = 1 << 18;
const PCID_SLOTS: u32 = 16;
const LARGE_BITS: usize = 16384;
const LARGE_SHIFT: u32 = 18;
const CODE_BITS: usize = 4096;
const CR4_PCIDE: u64 = 1 << 17;
const CR3_PCID_MASK: u64 = 0xfff;

/**
 * The entry that may hold linear address `lin`: bits 22:12 of it, mixed with bits 31:23 so that buffers a power of two apart
 * do not collide. As these are fewer than those, neighbouring pages never share an entry, on which access.ts relies.
 */
@inline
export function tlbSlot(table: usize, lin: u64): TlbEntry {
  const low = <u32>lin;
  const slots: u32 = (TLB_ENTRIES - 1) * TlbEntry_SIZE;
  return changetype<TlbEntry>(table + <usize>(((low >> 7) ^ (low >> 18)) & slots));
}

/**
 * The other entry that may hold what has its own at `e` of `table`: two pages that are used all the time and share one would
 * drive each other out. Only who misses looks here. No page's other entry is one of the page behind it.
 */
@inline
export function secondSlot(table: usize, e: TlbEntry): TlbEntry {
  return changetype<TlbEntry>(table + ((changetype<usize>(e) - table) ^ (<usize>TLB_SECOND * TlbEntry_SIZE)));
}

/** What the tag of a TLB entry must be for an access of `size` bytes at `lin` to be on its page as a whole. */
@inline
export function tagOf(cpu: Vcpu, lin: u64, size: u32): u64 {
  return ((lin + <u64>(size - 1)) & ~0xfff) | cpu.ctx;
}

/** The same in one of the tables, whichever is in use. */
@inline
export function tagIn(cpu: Vcpu, user: bool, lin: u64, size: u32): u64 {
  return ((lin + <u64>(size - 1)) & ~0xfff) | (<u64>(user ? cpu.tlbAsid : cpu.tlbSupervisor));
}

/** The supervisor table; the user table follows it. */
@inline
function tables(cpu: Vcpu): usize {
  return <usize>cpu.tlbBase;
}

@inline
export function tlbTable(cpu: Vcpu, user: bool): usize {
  return tables(cpu) + (user ? TLB_BYTES >> 1 : 0);
}

/** Drops the paging-structure cache as a whole, as INVLPG does. [SDM] vol. 3A, 4.10.4.1 */
function forgetTables(cpu: Vcpu): void {
  cpu.walkEpoch += WALK_EPOCH;
  if (cpu.walkEpoch == 0) memory.fill(changetype<usize>(cpu) + VcpuOff.walkCache, 0, WALK_SLOTS * 16);
}

function emptyTlb(cpu: Vcpu): void {
  memory.fill(changetype<usize>(cpu) + VcpuOff.localSlots, 0, TLB_ENTRIES / 8);
  memory.fill(tables(cpu), 0xff, TLB_BYTES);
  memory.fill(cpu.tlbWriters, 0, TLB_WRITERS << 1);
  forgetTables(cpu);
  memory.fill(changetype<usize>(cpu) + VcpuOff.largePages, 0, LARGE_BITS / 8);
  cpu.clacCount = 0;
}

/** Forgets which block and which region lie at which RIP. */
export function emptyJumpCache(cpu: Vcpu): void {
  memory.fill(changetype<usize>(cpu) + VcpuOff.codePages, 0, CODE_BITS / 8);
  memory.fill(cpu.jumpCache, 0, JUMP_CACHE_BYTES);
}

/** Takes an address-space number nobody's entries carry. */
function freshAsid(cpu: Vcpu): u32 {
  let asid = cpu.tlbNextAsid;
  if (asid == 0 || asid > LAST_ASID) {
    emptyTlb(cpu);
    emptyJumpCache(cpu);
    memory.fill(changetype<usize>(cpu) + VcpuOff.pcidAsid, 0, PCID_SLOTS * 4);
    asid = 1;
  }
  cpu.tlbNextAsid = asid + 1;
  return asid;
}

function useAsid(cpu: Vcpu, asid: u32): void {
  cpu.tlbAsid = asid;
  updateCtx(cpu);
}

@inline
function updateCtx(cpu: Vcpu): void {
  cpu.ctx = <u64>(cpu.cpl == 3 ? cpu.tlbAsid : cpu.tlbSupervisor);
}

@inline
function pcidSlot(cpu: Vcpu, pcid: u32): usize {
  return changetype<usize>(cpu) + VcpuOff.pcidAsid + ((pcid & (PCID_SLOTS - 1)) << 2);
}

/** Bits 63:55 of a paging-structure cache's tag count how often it was dropped. */
const WALK_EPOCH: u64 = 1 << 55;
/** Keys of global code have this bit, which no address-space number reaches, and count up. */
const GLOBAL_KEY: u32 = 1 << 21;
const LAST_GLOBAL_KEY: u32 = 0x3ff << 22;

/** Global code is to be looked up anew. */
function freshGlobalKey(cpu: Vcpu): void {
  if (cpu.globalKey >= (GLOBAL_KEY | LAST_GLOBAL_KEY)) emptyJumpCache(cpu);
  cpu.globalKey =
    cpu.globalKey >= (GLOBAL_KEY | LAST_GLOBAL_KEY) ? GLOBAL_KEY : (cpu.globalKey | GLOBAL_KEY) + (1 << 22);
}

/** The entry, of the supervisor table, holds a page that is not global. */
export function noteLocal(cpu: Vcpu, e: TlbEntry): void {
  const slot = (changetype<usize>(e) - tables(cpu)) >> 5;
  const word = changetype<usize>(cpu) + VcpuOff.localSlots + ((slot >> 6) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << (slot & 63)));
}

/**
 * Another address space: its global pages are those of the last one and stay, what else supervisor code used goes. That is
 * little: where SMAP is on users' pages have gone before. [SDM] vol. 3A, 4.10.2.4
 */
function dropLocals(cpu: Vcpu): void {
  for (let word: u32 = 0; word < <u32>TLB_ENTRIES / 64; word++) {
    const at = changetype<usize>(cpu) + VcpuOff.localSlots + ((<usize>word) << 3);
    const all = load<u64>(at);
    if (all == 0) continue;
    store<u64>(at, 0);
    for (let bits = all; bits != 0; bits &= bits - 1) {
      const e = changetype<TlbEntry>(tables(cpu) + ((((<usize>word) << 6) + <usize>ctz<u64>(bits)) << 5));
      if (!e.isGlobal) clearEntry(e);
    }
  }
}

/** A number that no entry of the supervisor table carries. */
function freshSupervisor(cpu: Vcpu): void {
  if (cpu.tlbSupervisor >= LAST_ASID) {
    emptyTlb(cpu);
    cpu.tlbSupervisor = 0;
  }
  cpu.tlbSupervisor += 1;
}

/** Drops every translation of every address space. */
export function tlbFlushAll(cpu: Vcpu): void {
  freshGlobalKey(cpu);
  memory.fill(changetype<usize>(cpu) + VcpuOff.pcidAsid, 0, PCID_SLOTS * 4);
  freshSupervisor(cpu);
  useAsid(cpu, freshAsid(cpu));
  if (cpu.cr4 & CR4_PCIDE) rememberPcid(cpu);
}

function rememberPcid(cpu: Vcpu): void {
  const pcid = <u32>(cpu.cr3 & CR3_PCID_MASK);
  store<u32>(pcidSlot(cpu, pcid), (pcid << 16) | cpu.tlbAsid);
}

/** MOV CR3: `cpu.cr3` is set to `value` (bit 63 already removed). With PCIDs, `noFlush` keeps what that PCID had. */
export function tlbSetCr3(cpu: Vcpu, value: u64, noFlush: bool): void {
  cpu.cr3 = value;
  cpu.pdpteValid = 0;
  chooseAsid(cpu, <u32>(value & CR3_PCID_MASK), noFlush);
  dropLocals(cpu);
}

function chooseAsid(cpu: Vcpu, pcid: u32, noFlush: bool): void {
  if (!(cpu.cr4 & CR4_PCIDE)) {
    useAsid(cpu, freshAsid(cpu));
    return;
  }
  const kept = load<u32>(pcidSlot(cpu, pcid));
  if (noFlush && kept != 0 && kept >> 16 == pcid) useAsid(cpu, kept & 0xfff);
  else {
    useAsid(cpu, freshAsid(cpu));
    rememberPcid(cpu);
  }
}

/**
 * After a change of CPL, CR0.AM, EFLAGS.AC at CPL 3 or the data breakpoints: picks the table that accesses compare
 * against. While every access must be looked at that is an empty one.
 */
export function tlbUpdateContext(cpu: Vcpu): void {
  const user = cpu.cpl == 3;
  const watched = cpu.dataBreakpoints != 0 || (user && cpu.cr0 & CR0_AM && cpu.eflags & Flag.AC);
  cpu.tlb = watched ? codeCache().emptyTlb : <u32>tlbTable(cpu, user);
  updateCtx(cpu);
}

@inline
export function clearEntry(e: TlbEntry): void {
  e.tagR = EMPTY_TAG;
  e.tagW = EMPTY_TAG;
  e.tagX = EMPTY_TAG;
}

/** Whatever lies where the page at `lin` may lie goes. */
@inline
function clearPage(table: usize, lin: u64): void {
  const e = tlbSlot(table, lin);
  clearEntry(e);
  clearEntry(secondSlot(table, e));
}

@inline
function codeHash(lin: u64): u32 {
  const page = <u32>(lin >> 12);
  return (page ^ (page >> 12)) & (<u32>CODE_BITS - 1);
}

@inline
function codeWord(cpu: Vcpu, lin: u64): usize {
  return changetype<usize>(cpu) + VcpuOff.codePages + ((<usize>(codeHash(lin) >> 6)) << 3);
}

@inline
function codeBit(lin: u64): u64 {
  return (<u64>1) << u64(codeHash(lin) & 63);
}

/** Drops what the jump cache says of the page at `lin`. Filling it again would cost more than looking through it. */
function forgetCodePage(cpu: Vcpu, lin: u64): void {
  const page = lin >> 12;
  for (let at = <usize>cpu.jumpCache; at < <usize>cpu.jumpCache + JUMP_CACHE_BYTES; at += JumpEntry_SIZE) {
    if (load<u64>(at) >> 12 == page) store<u32>(at, 0, JumpEntryOff.key);
    // A region that begins elsewhere may go on there.
    if (load<u32>(at, JumpEntryOff.pages) != 0) store<u32>(at, 0, JumpEntryOff.pages);
  }
}

/** The jump cache learns of code on the page at `lin`. */
export function noteCodePage(cpu: Vcpu, lin: u64): void {
  const word = codeWord(cpu, lin);
  store<u64>(word, load<u64>(word) | codeBit(lin));
}

/** INVLPG: drops the page at `lin` in every address space, and everything when a large page may map it. */
export function tlbInvlpg(cpu: Vcpu, lin: u64): void {
  if (mayBeLarge(cpu, lin)) {
    tlbFlushAll(cpu);
    return;
  }
  forgetTables(cpu);
  clearPage(tlbTable(cpu, false), lin);
  clearPage(tlbTable(cpu, true), lin);
  const word = codeWord(cpu, lin);
  if (load<u64>(word) & codeBit(lin)) forgetCodePage(cpu, lin);
}

/** INVPCID types 0 to 3; `lin` matters for type 0 only. Broader than asked where numbers make that cheaper. */
export function tlbInvpcid(cpu: Vcpu, type: u32, pcid: u32, lin: u64): void {
  if (type == 0) {
    tlbInvlpg(cpu, lin);
    return;
  }
  if (type == 1 && <u32>(cpu.cr3 & CR3_PCID_MASK) != pcid) {
    const slot = pcidSlot(cpu, pcid);
    if (load<u32>(slot) >> 16 == pcid) store<u32>(slot, 0);
    return;
  }
  tlbFlushAll(cpu);
}

// --- large pages: a Bloom filter of 2 MiB areas; a 1 GiB page is filed under its first area, one of 4 MiB under both

@inline
function largeWord(cpu: Vcpu, area: u32): usize {
  const hash = (area * 0x9e3779b1) >> LARGE_SHIFT;
  return changetype<usize>(cpu) + VcpuOff.largePages + ((<usize>(hash >> 6)) << 3);
}

@inline
function largeBit(area: u32): u64 {
  return (<u64>1) << u64(((area * 0x9e3779b1) >> LARGE_SHIFT) & 63);
}

/** Remembers that a fragment of the large page of `bytes` bytes around `lin` was put in the TLB. */
export function noteLargePage(cpu: Vcpu, lin: u64, bytes: u64): void {
  const area = <u32>((lin & ~(bytes - 1)) >> 21);
  noteLargeArea(cpu, area);
  if (bytes == 0x400000) noteLargeArea(cpu, area + 1);
}

function noteLargeArea(cpu: Vcpu, area: u32): void {
  const word = largeWord(cpu, area);
  store<u64>(word, load<u64>(word) | largeBit(area));
}

function mayBeLarge(cpu: Vcpu, lin: u64): bool {
  const area2m = <u32>(lin >> 21);
  if (load<u64>(largeWord(cpu, area2m)) & largeBit(area2m)) return true;
  const area1g = <u32>((lin & ~0x3fffffff) >> 21);
  return (load<u64>(largeWord(cpu, area1g)) & largeBit(area1g)) != 0;
}

// --- SMAP: user pages that supervisor code may touch only while EFLAGS.AC is set

/** Remembers a supervisor entry for a user page, to be dropped when AC falls. */
export function noteUserPage(cpu: Vcpu, e: TlbEntry): void {
  const n = cpu.clacCount;
  if (n < 8) store<u32>(changetype<usize>(cpu) + VcpuOff.clacList + (n << 2), <u32>changetype<usize>(e));
  if (n <= 8) cpu.clacCount = n + 1;
}

/** EFLAGS.AC fell: supervisor code loses its user pages. */
export function clacEvict(cpu: Vcpu): void {
  const n = cpu.clacCount;
  if (n == 0) return;
  if (n > 8) {
    memory.fill(tlbTable(cpu, false), 0xff, TLB_BYTES >> 1);
  } else {
    for (let i: u32 = 0; i < n; i++) {
      clearEntry(changetype<TlbEntry>(load<u32>(changetype<usize>(cpu) + VcpuOff.clacList + (i << 2))));
    }
  }
  cpu.clacCount = 0;
}

/** The table's state at reset. */
export function tlbReset(cpu: Vcpu): void {
  cpu.tlbNextAsid = 0;
  cpu.tlbSupervisor = 1;
  freshGlobalKey(cpu);
  useAsid(cpu, freshAsid(cpu));
  tlbUpdateContext(cpu);
}

/** Error code of a fault by an access: 0 read, 1 write, 2 execute. */
@inline
export function accessError(access: u32, user: bool): u32 {
  return (access == 1 ? PfError.W : 0) | (user ? PfError.U : 0);
}
