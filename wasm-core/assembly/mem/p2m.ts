/**
 * The p2m: a domain's table from guest frame numbers to machine frames, with kind and rights. A radix tree of three
 * levels, ten bits each; nodes are frames, made when first needed and kept until the domain dies, so that lookups take
 * no lock. An empty entry inside a RAM range means "populate on demand"; a hole that the guest made there is BALLOON.
 */
import {
  Access,
  CrashReason,
  Domain,
  DomainOff,
  DomainStat,
  FrameFlag,
  FrameOff,
  FrameType,
  P2m,
  P2mKind,
} from "../gen/layout";
import { flushDomainTlb } from "./shootdown";
import { spinLock, spinUnlock } from "../util/atomics";
import { count, domainCrash } from "./domains";
import { frameAddress, frameAlloc, frameGet, frameOf, framePut, frameStrand, strandedFrames } from "./frames";
import { heapFreePages, heapPages } from "./heap";

const POD_ENTRY: u32 = (P2mKind.POD << P2m.KIND_SHIFT) | P2m.RWX;

/** An entry from its parts. */
@inline
export function p2mEntry(mfn: u32, kind: u32, rights: u32): u32 {
  return mfn | (kind << P2m.KIND_SHIFT) | rights;
}

@inline
export function p2mKind(entry: u32): u32 {
  return (entry >> P2m.KIND_SHIFT) & P2m.KIND_MASK;
}

@inline
export function p2mMfn(entry: u32): u32 {
  return entry & P2m.MFN_MASK;
}

/** True when a frame stands behind the entry. */
@inline
export function p2mHasFrame(entry: u32): bool {
  const kind = p2mKind(entry);
  return kind == P2mKind.RAM || kind == P2mKind.COW || kind == P2mKind.GRANT;
}

/** True when `gfn` lies in RAM that was declared for the domain. */
export function inRam(dom: Domain, gfn: u32): bool {
  const n = dom.ramRanges;
  let at = changetype<usize>(dom) + DomainOff.ram;
  for (let i: u32 = 0; i < n; i++, at += 8) {
    if (gfn - load<u32>(at) < load<u32>(at, 4)) return true;
  }
  return false;
}

/** Address of the entry's word, 0 when its nodes do not exist. */
function find(dom: Domain, gfn: u32): usize {
  const top = <usize>dom.p2mRoot;
  if (top == 0) return 0;
  const mid = <usize>atomic.load<u32>(top + ((gfn >> 20) << 2));
  if (mid == 0) return 0;
  const leaf = <usize>atomic.load<u32>(mid + (((gfn >> 10) & 1023) << 2));
  return leaf == 0 ? 0 : leaf + ((gfn & 1023) << 2);
}

/** As find, making the nodes. 0 when memory or the domain's allowance is exhausted. Call with the p2m lock held. */
function make(dom: Domain, gfn: u32): usize {
  let node = <usize>dom.p2mRoot;
  if (node == 0) return 0;
  for (let shift: u32 = 20; shift >= 10; shift -= 10) {
    const slot = node + (((gfn >> shift) & 1023) << 2);
    let child = <usize>load<u32>(slot);
    if (child == 0) {
      if (dom.p2mNodes >= dom.p2mMaxNodes) return 0;
      child = heapPages(0);
      if (child == 0) return 0;
      dom.p2mNodes += 1;
      atomic.store<u32>(slot, <u32>child);
    }
    node = child;
  }
  return node + ((gfn & 1023) << 2);
}

/** The entry of a gfn, without side effects. */
export function p2mGet(dom: Domain, gfn: u64): u32 {
  if (gfn >= <u64>P2m.GFN_LIMIT) return 0;
  const slot = find(dom, <u32>gfn);
  const entry = slot != 0 ? atomic.load<u32>(slot) : 0;
  return entry == 0 && inRam(dom, <u32>gfn) ? POD_ENTRY : entry;
}

/**
 * The entry of a gfn, made ready for an access: populated, unshared, marked dirty. The caller looks at kind and rights:
 * what comes back without a frame is not memory, and a write without the W right is refused or dropped.
 */
export function p2mResolve(dom: Domain, gfn: u64, access: u32): u32 {
  let entry = p2mGet(dom, gfn);
  const kind = p2mKind(entry);
  if (kind == P2mKind.POD) entry = populateOnDemand(dom, <u32>gfn);
  else if (kind == P2mKind.COW && access == Access.WRITE) entry = unshare(dom, <u32>gfn);
  if (access == Access.WRITE && p2mHasFrame(entry)) markDirty(p2mMfn(entry));
  return entry;
}

function markDirty(mfn: u32): void {
  const f = frameOf(mfn);
  if ((f.flags & (<u8>FrameFlag.DIRTY)) == 0) atomic.or<u8>(changetype<usize>(f), <u8>FrameFlag.DIRTY, FrameOff.flags);
}

/**
 * Populates or unshares what another domain wants to access. Nodes go when their domain is destroyed: who does not run on
 * its behalf looks at them with the lock held.
 */
export function p2mPrepare(dom: Domain, gfn: u64, access: u32): void {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const kind = p2mKind(p2mGet(dom, gfn));
  spinUnlock(lock);
  if (kind == P2mKind.POD) populateOnDemand(dom, <u32>gfn);
  else if (kind == P2mKind.COW && access == Access.WRITE) unshare(dom, <u32>gfn);
}

function populateOnDemand(dom: Domain, gfn: u32): u32 {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  let entry = p2mGet(dom, gfn);
  if (dom.p2mRoot == 0) entry = 0;
  if (p2mKind(entry) == P2mKind.POD) {
    const slot = make(dom, gfn);
    const mfn = slot != 0 && dom.totPages < dom.maxPages ? frameAlloc(dom.domid) : 0;
    if (mfn == 0) {
      spinUnlock(lock);
      domainCrash(dom, CrashReason.OUT_OF_MEMORY);
      return 0;
    }
    dom.totPages += 1;
    entry = p2mEntry(mfn, P2mKind.RAM, P2m.RWX);
    atomic.store<u32>(slot, entry);
    count(dom, DomainStat.POD_FILLS);
  }
  spinUnlock(lock);
  return entry;
}

/** Gives the domain its own copy of a shared frame; the last sharer takes the frame itself. */
function unshare(dom: Domain, gfn: u32): u32 {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const old = p2mGet(dom, gfn);
  if (p2mKind(old) != P2mKind.COW) {
    spinUnlock(lock);
    return old;
  }
  const mfn = frameAlloc(dom.domid);
  if (mfn == 0) {
    spinUnlock(lock);
    domainCrash(dom, CrashReason.OUT_OF_MEMORY);
    return 0;
  }
  memory.copy(frameAddress(mfn), frameAddress(p2mMfn(old)), 4096);
  const entry = p2mEntry(mfn, P2mKind.RAM, P2m.RWX);
  atomic.store<u32>(find(dom, gfn), entry);
  count(dom, DomainStat.COW_BREAKS);
  spinUnlock(lock);
  flushDomainTlb(dom);
  framePut(p2mMfn(old));
  return entry;
}

/**
 * Replaces the entry of a gfn; the frame reference in `entry` becomes the p2m's. What stood there is returned for
 * p2mRelease after a shootdown; P2M_FAILED when there is no memory for nodes or the domain has all the pages that it may.
 * With `booked` the page counts already and its booking is used up: then, and with room for the nodes, nothing fails.
 */
export function p2mSet(dom: Domain, gfn: u32, entry: u32, booked: bool = false): u32 {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const old = swap(dom, gfn, make(dom, gfn), entry, booked);
  spinUnlock(lock);
  return old;
}

/** Whether the domain has all the pages that it may, with those that it gave back and others still have. */
@inline
export function p2mIsFull(dom: Domain): bool {
  return dom.curPages + strandedFrames(dom.domid) >= dom.maxPages;
}

/** Makes room for the entry of a gfn and books a page; false when there is no memory for that or the domain is full. */
export function p2mBook(dom: Domain, gfn: u32): bool {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const done = !p2mIsFull(dom) && make(dom, gfn) != 0;
  if (done) dom.curPages += 1;
  spinUnlock(lock);
  return done;
}

/** Gives a booking back. */
export function p2mUnbook(dom: Domain): void {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  dom.curPages -= 1;
  spinUnlock(lock);
}

/** As p2mSet when the entry still is `expected` (as p2mGet tells it); P2M_FAILED when it is not. */
export function p2mReplace(dom: Domain, gfn: u32, expected: u32, entry: u32): u32 {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const old = p2mGet(dom, gfn) == expected ? swap(dom, gfn, make(dom, gfn), entry, false) : P2M_FAILED;
  spinUnlock(lock);
  return old;
}

/**
 * Takes the domain's own page `entry` out of a gfn, to be put back or elsewhere: it stays booked, so that other vCPUs
 * cannot fill its place meanwhile. False when the entry is another by now.
 */
export function p2mTakeOut(dom: Domain, gfn: u32, entry: u32): bool {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const done = p2mGet(dom, gfn) == entry && swap(dom, gfn, find(dom, gfn), 0, false) != P2M_FAILED;
  if (done && isOwned(dom, entry)) dom.curPages += 1;
  spinUnlock(lock);
  return done;
}

/** Stores the entry of a gfn, whose slot make() gave; what stood there, or P2M_FAILED without a slot or a page to spare. */
function swap(dom: Domain, gfn: u32, slot: usize, entry: u32, booked: bool): u32 {
  if (slot == 0) return P2M_FAILED;
  const old = load<u32>(slot);
  const full = p2mIsFull(dom) && isOwned(dom, entry) && !isCounted(dom, gfn, old);
  if (full && !booked) return P2M_FAILED;
  atomic.store<u32>(slot, entry == 0 && inRam(dom, gfn) ? BALLOON_ENTRY : entry);
  if (booked) dom.curPages -= 1;
  accountSwap(dom, gfn, old, entry);
  if (entry != 0 && gfn > dom.maxGfn) dom.maxGfn = gfn;
  return old;
}

/** No entry has all bits set. */
export const P2M_FAILED: u32 = 0xffffffff;
const BALLOON_ENTRY: u32 = P2mKind.BALLOON << P2m.KIND_SHIFT;

/** True when the entry's frame counts as the domain's own memory. */
function isOwned(dom: Domain, entry: u32): bool {
  const kind = p2mKind(entry);
  if (kind == P2mKind.COW) return true;
  return kind == P2mKind.RAM && frameOf(p2mMfn(entry)).type == <u8>FrameType.GUEST;
}

/** Whether what the slot of a gfn holds is in curPages: memory, or the promise of some. */
function isCounted(dom: Domain, gfn: u32, entry: u32): bool {
  return isOwned(dom, entry) || (entry == 0 && inRam(dom, gfn));
}

function accountSwap(dom: Domain, gfn: u32, old: u32, entry: u32): void {
  const had = isOwned(dom, old);
  const has = isOwned(dom, entry);
  if (had) dom.totPages -= 1;
  if (has) dom.totPages += 1;
  if (isCounted(dom, gfn, old)) dom.curPages -= 1;
  if (has) dom.curPages += 1;
}

/** Drops the reference that an entry held. A shootdown must have come between its removal and this. */
export function p2mRelease(entry: u32): void {
  if (!p2mHasFrame(entry)) return;
  const mfn = p2mMfn(entry);
  if (p2mKind(entry) == P2mKind.RAM && frameOf(mfn).type == <u8>FrameType.GUEST) frameStrand(mfn);
  framePut(mfn);
}

/** Puts an empty entry in place of a hole, so that the gfn is RAM on demand again, if the domain may have one page more. */
export function p2mMakePod(dom: Domain, gfn: u32): bool {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const slot = find(dom, gfn);
  const isHole = slot != 0 && p2mKind(load<u32>(slot)) == P2mKind.BALLOON && inRam(dom, gfn);
  const done = isHole && !p2mIsFull(dom);
  if (done) {
    atomic.store<u32>(slot, 0);
    dom.curPages += 1;
  }
  spinUnlock(lock);
  return done;
}

/**
 * Whether the entry can be pinned for `access`: memory of the domain's own. What others have granted to it is not, for they
 * may take that back at any time. [XEN] p2m_get_page_from_gfn
 */
@inline
function canPin(entry: u32, access: u32): bool {
  const kind = p2mKind(entry);
  return (kind == P2mKind.RAM || kind == P2mKind.COW) && (access != Access.WRITE || (entry & P2m.W) != 0);
}

/** Takes a reference to the frame behind a gfn if it is ready for `access` without further ado: its entry, else 0. */
export function p2mTryPin(dom: Domain, gfn: u64, access: u32): u32 {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const entry = p2mGet(dom, gfn);
  const ready = canPin(entry, access);
  if (ready) {
    frameGet(p2mMfn(entry));
    if (access == Access.WRITE) markDirty(p2mMfn(entry));
  }
  spinUnlock(lock);
  return ready ? entry : 0;
}

/** Takes a reference to the frame behind a gfn, made ready for `access`: its entry, or 0 when it is not such memory. */
export function p2mPin(dom: Domain, gfn: u64, access: u32): u32 {
  while (true) {
    const entry = p2mResolve(dom, gfn, access);
    if (!canPin(entry, access)) return 0;
    const pinned = p2mTryPin(dom, gfn, access);
    if (pinned != 0) return pinned;
  }
}

/** Takes a reference to the frame behind a gfn as it is, whoever it belongs to: its entry, or 0 when there is none. */
export function p2mHold(dom: Domain, gfn: u64): u32 {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const entry = p2mGet(dom, gfn);
  const there = p2mHasFrame(entry);
  if (there) frameGet(p2mMfn(entry));
  spinUnlock(lock);
  return there ? entry : 0;
}

/** Creates the empty p2m. */
export function p2mInit(dom: Domain): bool {
  dom.p2mRoot = <u32>heapPages(0);
  dom.p2mNodes = 1;
  return dom.p2mRoot != 0;
}

/**
 * Frees every frame and every node. Nothing of the domain runs any more, but another domain that it has granted pages to
 * may be about to populate or to pin one: from the first step on there is nothing to be found.
 */
export function p2mDestroy(dom: Domain): void {
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const top = <usize>dom.p2mRoot;
  dom.p2mRoot = 0;
  spinUnlock(lock);
  if (top == 0) return;
  for (let i: usize = 0; i < 4096; i += 4) {
    const mid = <usize>load<u32>(top + i);
    if (mid == 0) continue;
    for (let j: usize = 0; j < 4096; j += 4) {
      const leaf = <usize>load<u32>(mid + j);
      if (leaf == 0) continue;
      for (let k: usize = 0; k < 4096; k += 4) {
        const entry = load<u32>(leaf + k);
        if (p2mHasFrame(entry)) framePut(p2mMfn(entry));
      }
      heapFreePages(leaf, 0);
    }
    heapFreePages(mid, 0);
  }
  heapFreePages(top, 0);
  dom.p2mNodes = 0;
  dom.totPages = 0;
}
