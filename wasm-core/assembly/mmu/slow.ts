/**
 * Behind the memory doors: TLB misses, accesses that cross pages, devices, frames that hold code, watched addresses.
 * The life of a miss: canonical check, alignment check, page walk, p2m, then either a TLB entry and a direct pointer or
 * the bounce buffer.
 */
import { TlbEntry, Vcpu, VcpuOff, WalkBit } from "../gen/layout";
import { raiseError, raisePageFault, Vector } from "../cpu/faults";
import { Flag } from "../cpu/flags";
import { checkDataBreakpoint } from "../cpu/watch";
import { codeWasHere, frameOf, isMonitored, isWatched } from "../mem/frames";
import { mmioRead, mmioWrite } from "../bus";
import { isCanonical } from "./canonical";
import { writeToCode } from "./code";
import { writeToMonitored } from "./monitor";
import { Door } from "./door";
import { ENTRY_MFN, ENTRY_W, isApicPage, isMemory, resolve } from "./physical";
import { allowWrites, bringBack, codeEntry, secondAt, secondLook, takeEntry } from "./places";
import { EMPTY_TAG, noteLargePage, noteLocal, noteUserPage, tagIn, tlbSlot, tlbTable } from "./tlb";
import { Access, walk, WALK_OK } from "./walk";

/** translate()'s answer for an address that no memory backs: a device, or nothing. */
const DEVICE: usize = 1;
const BOUNCE_BYTES: u32 = 128;
const CR0_AM: u64 = 1 << 18;
const CR4_PGE: u64 = 1 << 7;

@inline
function bounceAt(cpu: Vcpu): usize {
  return changetype<usize>(cpu) + VcpuOff.bounce;
}

/** A data access of the running instruction at linear address `lin`. 0 after an exception. */
export function slowAccess(cpu: Vcpu, lin: u64, size: u32, door: u32, ss: bool): usize {
  const known = bringBack(cpu, lin, size, door == Door.READ ? Access.READ : Access.WRITE);
  if (known != 0) return known;
  if (!isCanonical(lin) || !isCanonical(lin + size - 1)) {
    raiseError(cpu, ss ? Vector.SS : Vector.GP, 0);
    return 0;
  }
  const user = cpu.cpl == 3;
  if (user && cpu.cr0 & CR0_AM && cpu.eflags & Flag.AC && lin & (<u64>(alignmentOf(size) - 1))) {
    raiseError(cpu, Vector.AC, 0);
    return 0;
  }
  const p = accessAt(cpu, lin, size, door, user, false);
  if (p != 0 && cpu.dataBreakpoints) checkDataBreakpoint(cpu, lin, size, door != Door.READ);
  return p;
}

/** Natural alignment that #AC asks of an access: the largest power of two up to 8 in its size. */
function alignmentOf(size: u32): u32 {
  return size == 10 ? 8 : size > 8 ? 8 : size;
}

/**
 * Where the TLB has `size` bytes at `lin` for a supervisor access that no instruction asked for; 0 when it does not. While
 * EFLAGS.AC lets supervisor code at users' pages they are in the supervisor's table too, where such accesses may not go.
 */
function implicitAt(cpu: Vcpu, lin: u64, size: u32, access: u32): usize {
  if (cpu.clacCount != 0) return 0;
  const table = tlbTable(cpu, false);
  const tag = tagIn(cpu, false, lin, size);
  const e = tlbSlot(table, lin);
  if ((access == Access.READ ? e.tagR : e.tagW) == tag) return <usize>(e.delta + <u32>lin);
  return secondAt(table, e, tag, lin, access);
}

/** A supervisor access to a system structure at `lin`, whatever the CPL. */
export function sysAccess(cpu: Vcpu, lin: u64, size: u32, door: u32): usize {
  const known = implicitAt(cpu, lin, size, door == Door.READ ? Access.READ : Access.WRITE);
  if (known != 0) return known;
  if (!isCanonical(lin) || !isCanonical(lin + size - 1)) {
    raiseError(cpu, Vector.GP, 0);
    return 0;
  }
  return accessAt(cpu, lin, size, door, false, true);
}

export function sysR(cpu: Vcpu, lin: u64, size: u32): usize {
  return sysAccess(cpu, lin, size, Door.READ);
}

export function sysW(cpu: Vcpu, lin: u64, size: u32): usize {
  return sysAccess(cpu, lin, size, Door.WRITE);
}

export function sysRW(cpu: Vcpu, lin: u64, size: u32): usize {
  return sysAccess(cpu, lin, size, Door.UPDATE);
}

function accessAt(cpu: Vcpu, lin: u64, size: u32, door: u32, user: bool, implicit: bool): usize {
  const access = door == Door.READ ? Access.READ : Access.WRITE;
  const room: u32 = 4096 - ((<u32>lin) & 4095);
  if (size > room) return crossing(cpu, lin, size, room, door, user, implicit);
  const p = translate(cpu, lin, size, access, user, implicit);
  if (p > DEVICE) return p;
  if (p == 0) return 0;
  return deviceBounce(cpu, size, door);
}

/**
 * Machine address of `size` bytes (within a page) at `lin`; DEVICE with cpu.walkGpa when no memory is there; 0 after a
 * page fault. Enters the translation in the TLB where the fast path may use it.
 */
function translate(cpu: Vcpu, lin: u64, size: u32, access: u32, user: bool, implicit: bool): usize {
  const fault = walk(cpu, lin, access, user, implicit);
  if (fault != WALK_OK) {
    raisePageFault(cpu, lin, <u32>fault);
    return 0;
  }
  const gpa = cpu.walkGpa;
  if (isApicPage(cpu, gpa)) return DEVICE;
  const entry = resolve(cpu, gpa, access);
  if (!isMemory(entry) || (access == Access.WRITE && !(entry & ENTRY_W))) return DEVICE;
  const host = (entry & ENTRY_MFN) << 12;
  const frame = frameOf(entry & ENTRY_MFN);
  const off = (<u32>gpa) & 4095;
  if (access == Access.WRITE) {
    writeToCode(cpu, frame, off, size);
    if (isMonitored(frame)) writeToMonitored(cpu, frame, gpa, size);
  }
  if (!implicit || !(cpu.walkBits & WalkBit.USER))
    fill(cpu, lin, host, access, user, (entry & ENTRY_W) != 0 && !isWatched(frame));
  return <usize>(host + off);
}

/**
 * The p2m entry of plain memory on one page, all of it, that the running code can access with nobody to be told; 0 when
 * there is anything to look at. Nothing is read of a device, no exception is raised, and the TLB is not asked.
 */
function plainEntry(cpu: Vcpu, lin: u64, size: u32, access: u32): u32 {
  if (!isCanonical(lin) || ((<u32>lin) & 4095) + size > 4096 || cpu.dataBreakpoints) return 0;
  const user = cpu.cpl == 3;
  if (user && cpu.cr0 & CR0_AM && cpu.eflags & Flag.AC) return 0;
  if (walk(cpu, lin, access, user, false) != WALK_OK || isApicPage(cpu, cpu.walkGpa)) return 0;
  const entry = resolve(cpu, cpu.walkGpa, access);
  if (!isMemory(entry)) return 0;
  const frame = frameOf(entry & ENTRY_MFN);
  // Where code was overwritten the region itself may be stale by another's write, and must see its own: this is the first
  // since then, for as long as code was there nobody's TLB had the right to write.
  if (access == Access.WRITE && (!(entry & ENTRY_W) || isWatched(frame) || codeWasHere(frame))) return 0;
  return entry;
}

/**
 * A region's access to `size` bytes at `lin`: the machine address when they are plain memory on one page and nobody
 * watches, and 0 when there is anything to look at, which is left to the interpreter. What is said holds for the page as
 * a whole, because the region goes on to other bytes of it without asking again.
 */
export function plainAccess(cpu: Vcpu, lin: u64, size: u32, access: u32): usize {
  const known = secondLook(cpu, lin, size, access);
  if (known != 0) return known;
  const entry = plainEntry(cpu, lin, size, access);
  if (entry == 0) return 0;
  const host = (entry & ENTRY_MFN) << 12;
  const writable = (entry & ENTRY_W) != 0 && !isWatched(frameOf(entry & ENTRY_MFN));
  fill(cpu, lin, host, access, cpu.cpl == 3, writable);
  return <usize>(host + ((<u32>lin) & 4095));
}

/**
 * The same for bytes that an instruction passes through once: the page does not take the place of another in the TLB.
 * Copies go through more memory than there are entries, and making one takes longer than to walk.
 */
export function passingAccess(cpu: Vcpu, lin: u64, access: u32): usize {
  const entry = plainEntry(cpu, lin, 1, access);
  return entry == 0 ? 0 : <usize>(((entry & ENTRY_MFN) << 12) + ((<u32>lin) & 4095));
}

/** Enters a data translation: read right always, write right when nothing is left to notice on a write. */
function fill(cpu: Vcpu, lin: u64, host: u32, access: u32, user: bool, writable: bool): void {
  const bits = cpu.walkBits;
  const tag = tagIn(cpu, user, lin, 1);
  const e = takeEntry(cpu, user, lin);
  const delta = host - ((<u32>lin) & ~0xfff);
  if (e.delta != delta || (e.tagR != tag && e.tagX != tag)) {
    e.tagX = EMPTY_TAG;
    e.tagW = EMPTY_TAG;
    e.delta = delta;
  }
  noteKind(cpu, e, user);
  e.tagR = tag;
  // A supervisor write with CR0.WP clear may ignore the entry's W: such pages are not entered for writing.
  if (writable && bits & WalkBit.WRITE && (access == Access.WRITE || bits & WalkBit.DIRTY))
    allowWrites(cpu, e, tag, host);
  else if (access == Access.WRITE) e.tagW = EMPTY_TAG;
  if (bits & WalkBit.LARGE) noteLargePage(cpu, lin, cpu.walkPage);
  if (!user && bits & WalkBit.USER) noteUserPage(cpu, e);
}

/** Writes down whether the page that was just walked is global. */
@inline
function noteKind(cpu: Vcpu, e: TlbEntry, user: bool): void {
  const isGlobal = !user && (cpu.walkBits & WalkBit.GLOBAL) != 0 && (cpu.cr4 & CR4_PGE) != 0;
  e.isGlobal = isGlobal ? 1 : 0;
  if (!user && !isGlobal) noteLocal(cpu, e);
}

/** Machine address of the instruction byte at `lin`; 0 after a fault. No memory there reads as a fault of the bus: #GP. */
export function translateCode(cpu: Vcpu, lin: u64): usize {
  const user = cpu.cpl == 3;
  const known = codeEntry(cpu, user, lin);
  if (changetype<usize>(known) != 0) return <usize>(known.delta + <u32>lin);
  const fault = walk(cpu, lin, Access.EXEC, user, false);
  if (fault != WALK_OK) {
    raisePageFault(cpu, lin, <u32>fault);
    return 0;
  }
  const entry = resolve(cpu, cpu.walkGpa, Access.EXEC);
  if (!isMemory(entry)) {
    raiseError(cpu, Vector.GP, 0);
    return 0;
  }
  const host = (entry & ENTRY_MFN) << 12;
  const delta = host - ((<u32>lin) & ~0xfff);
  const tag = tagIn(cpu, user, lin, 1);
  const e = takeEntry(cpu, user, lin);
  if (e.delta != delta || e.tagR != tag) {
    e.tagR = EMPTY_TAG;
    e.tagW = EMPTY_TAG;
    e.delta = delta;
  }
  noteKind(cpu, e, user);
  e.tagX = tag;
  if (cpu.walkBits & WalkBit.LARGE) noteLargePage(cpu, lin, cpu.walkPage);
  if (!user && cpu.walkBits & WalkBit.USER) noteUserPage(cpu, e);
  return <usize>(host + ((<u32>lin) & 4095));
}

/** An access in two pages: both are translated before anything happens, then gathered. */
function crossing(cpu: Vcpu, lin: u64, size: u32, first: u32, door: u32, user: bool, implicit: bool): usize {
  const access = door == Door.READ ? Access.READ : Access.WRITE;
  const legacy = (cpu.modeKey & 3) != 2;
  const second = legacy ? (lin + first) & 0xffffffff : lin + first;
  const host1 = translate(cpu, lin, first, access, user, implicit);
  if (host1 == 0) return 0;
  const gpa1 = cpu.walkGpa;
  const host2 = translate(cpu, second, size - first, access, user, implicit);
  if (host2 == 0) return 0;
  const bounce = bounceAt(cpu);
  cpu.bounceLin = lin;
  cpu.bounceSize = size;
  cpu.bounceSplit = first;
  cpu.bounceHost = <u32>host1;
  cpu.bounceHost2 = <u32>host2;
  cpu.bounceGpa = gpa1;
  cpu.bounceKind = 0;
  if (door != Door.WRITE) {
    gather(cpu, bounce, host1, gpa1, first);
    gather(cpu, bounce + first, host2, cpu.walkGpa, size - first);
  }
  return bounce;
}

function gather(cpu: Vcpu, to: usize, host: usize, gpa: u64, size: u32): void {
  if (host > DEVICE) memory.copy(to, host, size);
  else for (let i: u32 = 0; i < size; i++) store<u8>(to + i, <u8>mmioRead(cpu, gpa + i, 1));
}

/** Reads the memory of an access in two pages anew; a device is not read twice. */
export function gatherAgain(cpu: Vcpu): void {
  if (cpu.bounceKind == 1) return;
  const bounce = bounceAt(cpu);
  const first = cpu.bounceSplit;
  if (cpu.bounceHost > DEVICE) memory.copy(bounce, cpu.bounceHost, first);
  if (cpu.bounceHost2 > DEVICE) memory.copy(bounce + first, cpu.bounceHost2, cpu.bounceSize - first);
}

/** An access to a device inside one page, cpu.walkGpa. */
function deviceBounce(cpu: Vcpu, size: u32, door: u32): usize {
  const bounce = bounceAt(cpu);
  const gpa = cpu.walkGpa;
  cpu.bounceGpa = gpa;
  cpu.bounceSize = size;
  cpu.bounceKind = 1;
  // Only bulk string paths ask for more, and they turn away from a bounce.
  if (door == Door.WRITE || size > BOUNCE_BYTES) return bounce;
  if (size <= 8 && (size & (size - 1)) == 0) store<u64>(bounce, mmioRead(cpu, gpa, size));
  else for (let i: u32 = 0; i < size; i++) store<u8>(bounce + i, <u8>mmioRead(cpu, gpa + i, 1));
  return bounce;
}

/** Carries what was written into the bounce buffer to where it belongs. */
export function commitBounce(cpu: Vcpu): void {
  const bounce = bounceAt(cpu);
  const size = cpu.bounceSize;
  if (cpu.bounceKind == 1) {
    const gpa = cpu.bounceGpa;
    if (size <= 8 && (size & (size - 1)) == 0) mmioWrite(cpu, gpa, size, load<u64>(bounce));
    else for (let i: u32 = 0; i < size; i++) mmioWrite(cpu, gpa + i, 1, <u64>load<u8>(bounce + i));
    return;
  }
  const first = cpu.bounceSplit;
  if (cpu.bounceHost > DEVICE) memory.copy(cpu.bounceHost, bounce, first);
  if (cpu.bounceHost2 > DEVICE) memory.copy(cpu.bounceHost2, bounce + first, size - first);
}

/** #GP(0) of a 16-byte operand that is not aligned. */
export function alignmentFault(cpu: Vcpu): usize {
  raiseError(cpu, Vector.GP, 0);
  return 0;
}

/**
 * Copies between hypervisor memory and guest-virtual memory for a hypercall: supervisor rights, no exception. A
 * shootdown waits for the copy, which holds machine addresses, although it does not wait for the hypercall.
 */
export function copyGuest(cpu: Vcpu, gva: u64, host: usize, size: u32, toGuest: bool): bool {
  const inHypervisor = cpu.inHypervisor;
  atomic.store<u32>(changetype<usize>(cpu), 0, VcpuOff.inHypervisor);
  const done = copyPages(cpu, gva, host, size, toGuest);
  atomic.store<u32>(changetype<usize>(cpu), inHypervisor, VcpuOff.inHypervisor);
  return done;
}

function copyPages(cpu: Vcpu, gva: u64, host: usize, size: u32, toGuest: bool): bool {
  const access = toGuest ? Access.WRITE : Access.READ;
  const vector = cpu.faultVector;
  const cr2 = cpu.cr2;
  while (size != 0) {
    const n = min<u32>(size, 4096 - ((<u32>gva) & 4095));
    let p = implicitAt(cpu, gva, n, access);
    if (p == 0 && isCanonical(gva)) p = translate(cpu, gva, n, access, false, true);
    if (p <= DEVICE) {
      cpu.faultVector = vector;
      cpu.cr2 = cr2;
      return false;
    }
    if (toGuest) memory.copy(p, host, n);
    else memory.copy(host, p, n);
    gva += n;
    host += n;
    size -= n;
  }
  return true;
}

/** Reads `n` bytes at guest-virtual `gva`; false when not all of them are mapped. */
export function copyFromGuest(cpu: Vcpu, dst: usize, gva: u64, n: u32): bool {
  return copyGuest(cpu, gva, dst, n, false);
}

/** Writes `n` bytes at guest-virtual `gva`; false when not all of them are mapped writable. */
export function copyToGuest(cpu: Vcpu, gva: u64, src: usize, n: u32): bool {
  return copyGuest(cpu, gva, src, n, true);
}
