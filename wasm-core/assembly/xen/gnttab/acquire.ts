/**
 * Taking a grant into use and giving it back: the protocol on the guest's entry (flags and domid are read and the
 * in-use bits set in one step, so that a concurrent revocation either sees them or wins). [XEN] grant_table.c
 */
import { Access, Domain, FrameType, GrantActive, GrantFlag, GrantStatus } from "../../gen/layout";
import { domainOf, isLive } from "../../mem/domains";
import { frameOf, framePut, frameRetire } from "../../mem/frames";
import { p2mMfn, p2mPrepare, p2mTryPin } from "../../mem/p2m";
import { lend } from "../../mmu/monitor";
import { activeOf, grantEntry, grantRefs, lockGrants, statusWord, unlockGrants } from "./table";

const TRIES: i32 = 4;

/** gfn that an entry names. Version 2 sub-page entries keep it where full-page ones do. */
function entryGfn(dom: Domain, ref: u32): u64 {
  const e = grantEntry(dom, ref);
  return dom.gntVersion == 2 ? load<u64>(e, 8) : <u64>load<u32>(e, 4);
}

/** Checks the header of an entry against what is wanted. A GrantStatus. */
function checkHeader(head: u32, user: u32, readonly: bool, subPage: bool): i32 {
  const flags = head & 0xffff;
  if ((flags & GrantFlag.TYPE_MASK) != GrantFlag.PERMIT || head >> 16 != user) return GrantStatus.GENERAL_ERROR;
  if (!readonly && (flags & GrantFlag.READONLY) != 0) return GrantStatus.GENERAL_ERROR;
  if (!subPage && (flags & GrantFlag.SUB_PAGE) != 0) return GrantStatus.GENERAL_ERROR;
  return GrantStatus.OKAY;
}

/** Sets the in-use bits of an entry that allows the use. A GrantStatus; EAGAIN when the guest keeps changing it. */
export function markUsed(dom: Domain, ref: u32, user: u32, readonly: bool, subPage: bool): i32 {
  const bits: u32 = GrantFlag.READING | (readonly ? 0 : GrantFlag.WRITING);
  const e = grantEntry(dom, ref);
  for (let i = 0; i < TRIES; i++) {
    const head = atomic.load<u32>(e);
    const status = checkHeader(head, user, readonly, subPage);
    if (status != GrantStatus.OKAY) return status;
    if (dom.gntVersion != 2) {
      if (atomic.cmpxchg<u32>(e, head, head | bits) == head) return GrantStatus.OKAY;
      continue;
    }
    const word = statusWord(dom, ref);
    const before = atomic.or<u16>(word, <u16>bits);
    if (atomic.load<u32>(e) == head) return GrantStatus.OKAY;
    atomic.and<u16>(word, ~((<u16>bits) & ~before));
  }
  return GrantStatus.EAGAIN;
}

/** Books a use on an active record; the record must be free or of the same user and frame. */
function book(a: GrantActive, user: u32, mfn: u32, readonly: bool): bool {
  if ((a.readers | a.writers) != 0 && (a.domid != <u16>user || a.mfn != mfn)) return false;
  a.domid = <u16>user;
  a.mfn = mfn;
  if (readonly) a.readers += 1;
  else a.writers += 1;
  return true;
}

/** Clears the in-use bits that no use stands behind any more. */
function unmark(dom: Domain, ref: u32, a: GrantActive): void {
  let bits: u32 = 0;
  if (a.writers == 0) bits |= GrantFlag.WRITING;
  if ((a.readers | a.writers) == 0) bits |= GrantFlag.READING;
  if (bits != 0) atomic.and<u16>(statusWord(dom, ref), ~(<u16>bits));
}

/**
 * Takes reference `ref` of `dom`, which was found as domain `domid`, into use for domain `user`, with a reference to its
 * frame: the mfn, or a negative GrantStatus. `subPage` allows sub-page grants, whose bounds the caller reads from the entry.
 */
export function acquireGrant(dom: Domain, domid: u32, ref: u32, user: u32, readonly: bool, subPage: bool): i32 {
  const access: u32 = readonly ? Access.READ : Access.WRITE;
  for (let i = 0; i < TRIES; i++) {
    lockGrants(dom);
    if (!isLive(dom, domid) || ref >= grantRefs(dom)) {
      unlockGrants(dom);
      return GrantStatus.BAD_GNTREF;
    }
    const gfn = entryGfn(dom, ref);
    unlockGrants(dom);
    // Populating or unsharing may need a shootdown, so it comes before the lock.
    p2mPrepare(dom, gfn, access);
    lockGrants(dom);
    const result = isLive(dom, domid) ? acquireLocked(dom, ref, user, readonly, subPage, gfn) : GrantStatus.BAD_DOMAIN;
    unlockGrants(dom);
    if (result > 0 && !readonly) lend(result);
    if (result != GrantStatus.EAGAIN) return result;
  }
  return GrantStatus.BAD_PAGE;
}

function acquireLocked(dom: Domain, ref: u32, user: u32, readonly: bool, subPage: bool, gfn: u64): i32 {
  if (ref >= grantRefs(dom)) return GrantStatus.BAD_GNTREF;
  const a = activeOf(dom, ref);
  if ((a.readers | a.writers) != 0 && (a.domid != <u16>user || a.transitive != 0)) return GrantStatus.GENERAL_ERROR;
  const status = markUsed(dom, ref, user, readonly, subPage);
  if (status != GrantStatus.OKAY) return status;
  const entry = entryGfn(dom, ref) == gfn ? p2mTryPin(dom, gfn, readonly ? Access.READ : Access.WRITE) : 0;
  if (entry == 0) {
    unmark(dom, ref, a);
    return entryGfn(dom, ref) == gfn && gfn >> 30 != 0 ? GrantStatus.BAD_PAGE : GrantStatus.EAGAIN;
  }
  const mfn = p2mMfn(entry);
  const frame = frameOf(mfn);
  if (frame.type == <u8>FrameType.XEN_SHARED || !book(a, user, mfn, readonly)) {
    framePut(mfn);
    unmark(dom, ref, a);
    return GrantStatus.BAD_PAGE;
  }
  if (!readonly) frameRetire(frame);
  return <i32>mfn;
}

/**
 * Ends one use. The frame reference of the use is the caller's to drop. Nothing happens when the granting domain is
 * gone, or when `ref` is not in such use of that frame.
 */
export function releaseGrant(domid: u32, ref: u32, mfn: u32, user: u32, readonly: bool): bool {
  const dom = domainOf(domid);
  if (changetype<usize>(dom) == 0) return false;
  lockGrants(dom);
  let done = false;
  if (dom.domid == domid && ref < grantRefs(dom)) {
    const a = activeOf(dom, ref);
    done = a.domid == <u16>user && a.mfn == mfn && (readonly ? a.readers : a.writers) != 0;
    if (done) {
      if (readonly) a.readers -= 1;
      else a.writers -= 1;
      unmark(dom, ref, a);
      if (!readonly) frameRetire(frameOf(mfn));
    }
  }
  unlockGrants(dom);
  return done;
}

/** Frame of a grant that `user` has in such use, 0 when it has not. */
export function grantInUse(dom: Domain, ref: u32, user: u32, readonly: bool): u32 {
  lockGrants(dom);
  let mfn: u32 = 0;
  if (ref < grantRefs(dom)) {
    const a = activeOf(dom, ref);
    if (a.domid == <u16>user && (readonly ? a.readers : a.writers) != 0) mfn = a.mfn;
  }
  unlockGrants(dom);
  return mfn;
}
