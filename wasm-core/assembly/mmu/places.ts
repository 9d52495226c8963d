/**
 * Where in the TLB pages lie. Each has an entry of its own, which is all that the fast paths look at; the page that lay
 * there before moves to a second one. Who comes to a page in its second entry by the interpreter has it moved back, because
 * regions that look once and then leave would leave each time; a region's door finds it where it is.
 */
import { TlbEntry, TlbEntryOff, Vcpu } from "../gen/layout";
import { frameOf, isWatched } from "../mem/frames";
import { Access } from "./walk";
import { clearEntry, EMPTY_TAG, noteLocal, secondSlot, tagIn, tagOf, tlbSlot, tlbTable } from "./tlb";
import { noteWriter } from "./writers";

/** One page in so many that has to go takes the place of another that has its own entry there, which may be used no more. */
const BOLD: u32 = 8;

@inline
function holds(e: TlbEntry, tag: u64): bool {
  return e.tagR == tag || e.tagX == tag;
}

/** Whether a page with the number that `tag` carries lies there. */
@inline
function isLive(e: TlbEntry, tag: u64): bool {
  return (((<u32>e.tagR) ^ (<u32>tag)) & 0xfff) == 0 || (((<u32>e.tagX) ^ (<u32>tag)) & 0xfff) == 0;
}

/** Whether it is the own entry of the page that lies there. */
@inline
function isOwn(table: usize, e: TlbEntry): bool {
  return tlbSlot(table, e.tagR != EMPTY_TAG ? e.tagR : e.tagX) == e;
}

/** Whether entries may move: those of users' pages that supervisor code has for a moment are remembered by where they lie. */
@inline
function mayMove(cpu: Vcpu, user: bool): bool {
  return user || cpu.clacCount == 0;
}

/** The page at `lin` has been walked: its own entry. What lay there before has moved, or is about to be overwritten. */
export function takeEntry(cpu: Vcpu, user: bool, lin: u64): TlbEntry {
  const table = tlbTable(cpu, user);
  const tag = tagIn(cpu, user, lin, 1);
  const e = tlbSlot(table, lin);
  if (holds(e, tag)) return e;
  const second = secondSlot(table, e);
  if (!mayMove(cpu, user)) {
    if (holds(second, tag)) clearEntry(second);
  } else if (holds(second, tag)) swap(cpu, user, e, second);
  else if (isLive(e, tag) && isOwn(table, e) && mayTake(cpu, table, second, tag)) move(cpu, user, e, second);
  return e;
}

function mayTake(cpu: Vcpu, table: usize, e: TlbEntry, tag: u64): bool {
  if (!isLive(e, tag) || !isOwn(table, e)) return true;
  cpu.tlbTurn += 1;
  return cpu.tlbTurn % BOLD == 0;
}

function move(cpu: Vcpu, user: bool, from: TlbEntry, to: TlbEntry): void {
  put(cpu, user, to, from.tagR, from.tagW, from.tagX, from.delta, from.isGlobal);
}

function swap(cpu: Vcpu, user: bool, a: TlbEntry, b: TlbEntry): void {
  const tagR = a.tagR;
  const tagW = a.tagW;
  const tagX = a.tagX;
  const delta = a.delta;
  const isGlobal = a.isGlobal;
  move(cpu, user, b, a);
  put(cpu, user, b, tagR, tagW, tagX, delta, isGlobal);
}

function put(cpu: Vcpu, user: bool, e: TlbEntry, tagR: u64, tagW: u64, tagX: u64, delta: u32, isGlobal: u32): void {
  e.tagW = EMPTY_TAG;
  e.tagR = tagR;
  e.tagX = tagX;
  e.delta = delta;
  e.isGlobal = isGlobal;
  if (!user && !isGlobal) noteLocal(cpu, e);
  if (tagW != EMPTY_TAG) allowWrites(cpu, e, tagW, delta + ((<u32>tagW) & ~0xfff));
}

/** Whoever begins to watch a frame marks it and then looks through the TLBs; so this enters first and then looks. */
@inline
export function allowWrites(cpu: Vcpu, e: TlbEntry, tag: u64, host: u32): void {
  noteWriter(cpu, e, host);
  atomic.store<u64>(changetype<usize>(e), tag, TlbEntryOff.tagW);
  if (isWatched(frameOf(host >> 12))) e.tagW = EMPTY_TAG;
}

/** Where the second entry of `table`, besides `own`, says that `lin` lies, if it is of `tag` and allows the access; else 0. */
@inline
export function secondAt(table: usize, own: TlbEntry, tag: u64, lin: u64, access: u32): usize {
  const e = secondSlot(table, own);
  return (access == Access.READ ? e.tagR : e.tagW) == tag ? <usize>(e.delta + <u32>lin) : 0;
}

/** The entry by which instructions are fetched from the page at `lin`, its own or the second; null when there is none. */
@inline
export function codeEntry(cpu: Vcpu, user: bool, lin: u64): TlbEntry {
  const table = tlbTable(cpu, user);
  const tag = tagIn(cpu, user, lin, 1);
  const e = tlbSlot(table, lin);
  if (e.tagX == tag) return e;
  const second = secondSlot(table, e);
  return second.tagX == tag ? second : changetype<TlbEntry>(0);
}

/** Where the page's second entry has `size` bytes at `lin`, for a data access that has missed its own; 0 when it does not. */
@inline
export function secondLook(cpu: Vcpu, lin: u64, size: u32, access: u32): usize {
  return secondAt(cpu.tlb, tlbSlot(cpu.tlb, lin), tagOf(cpu, lin, size), lin, access);
}

/** The same for the interpreter; the page then lies in its own entry, if it may move. */
export function bringBack(cpu: Vcpu, lin: u64, size: u32, access: u32): usize {
  const at = secondLook(cpu, lin, size, access);
  const user = cpu.cpl == 3;
  if (at != 0 && mayMove(cpu, user)) {
    const e = tlbSlot(cpu.tlb, lin);
    swap(cpu, user, e, secondSlot(cpu.tlb, e));
  }
  return at;
}
