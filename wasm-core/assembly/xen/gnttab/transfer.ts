/** GNTTABOP_transfer: gives a page away to a domain that has offered a place for it. [XEN] grant_table.c */
import { Access, Domain, GrantFlag, GrantStatus, P2m, P2mKind, Vcpu } from "../../gen/layout";
import { flushDomainTlb } from "../../mem/shootdown";
import { domainOf, domainOfVcpu, isLive } from "../../mem/domains";
import { frameOf } from "../../mem/frames";
import {
  p2mBook,
  p2mEntry,
  p2mHasFrame,
  p2mIsFull,
  p2mKind,
  p2mMfn,
  p2mRelease,
  p2mResolve,
  p2mSet,
  p2mTakeOut,
  p2mUnbook,
} from "../../mem/p2m";
import { grantEntry, grantRefs, lockGrants, unlockGrants } from "./table";

/**
 * transfer: gfn 0, domid 8, ref 12, status 16. The offer is committed to only when nothing can go wrong any more: who has
 * made it then waits until it is completed.
 */
export function transfer(cpu: Vcpu, op: usize): i32 {
  const dom = domainOfVcpu(cpu);
  const gfn = load<u64>(op);
  const domid = <u32>load<u16>(op, 8);
  const ref = load<u32>(op, 12);
  const remote = domainOf(domid);
  if (changetype<usize>(remote) == 0 || remote === dom || remote.gntFrames == 0) return GrantStatus.BAD_DOMAIN;
  const entry = p2mResolve(dom, gfn, Access.WRITE);
  const mfn = p2mMfn(entry);
  if (p2mKind(entry) != P2mKind.RAM || frameOf(mfn).refs != 1) return GrantStatus.BAD_PAGE;
  lockGrants(remote);
  const offered = isOffered(remote, domid, ref, dom.domid);
  unlockGrants(remote);
  if (!offered) return GrantStatus.BAD_GNTREF;
  if (!p2mTakeOut(dom, <u32>gfn, entry)) return GrantStatus.BAD_PAGE;
  flushDomainTlb(dom);
  // Somebody may have taken a reference to the page before its entry was gone: it stays.
  const status = frameOf(mfn).refs == 1 ? give(remote, domid, ref, dom.domid, mfn) : GrantStatus.BAD_PAGE;
  if (status == GrantStatus.OKAY) p2mUnbook(dom);
  else putBack(dom, <u32>gfn, entry);
  return status;
}

function putBack(dom: Domain, gfn: u32, entry: u32): void {
  const old = p2mSet(dom, gfn, entry, true);
  if (!p2mHasFrame(old)) return;
  flushDomainTlb(dom);
  p2mRelease(old);
}

/** What an entry says that waits for a page of domain `from`. */
@inline
function offerTo(from: u32): u32 {
  return GrantFlag.TRANSFER | (from << 16);
}

/** Whether reference `ref` waits for a page of domain `from`, and may have one. With the grant lock held. */
function isOffered(dom: Domain, domid: u32, ref: u32, from: u32): bool {
  if (!isLive(dom, domid) || ref >= grantRefs(dom) || p2mIsFull(dom)) return false;
  return atomic.load<u32>(grantEntry(dom, ref)) == offerTo(from);
}

/** Puts the frame, which nobody has, where the entry says. A GrantStatus. */
function give(dom: Domain, domid: u32, ref: u32, from: u32, mfn: u32): i32 {
  let old: u32 = 0;
  // As long as the lock is held the domain cannot be destroyed, and its struct be another's.
  lockGrants(dom);
  let status: i32 = GrantStatus.BAD_GNTREF;
  if (isOffered(dom, domid, ref, from)) {
    const e = grantEntry(dom, ref);
    const gfn = dom.gntVersion == 2 ? load<u64>(e, 8) : <u64>load<u32>(e, 4);
    if (gfn >= <u64>P2m.GFN_LIMIT || !p2mBook(dom, <u32>gfn)) status = GrantStatus.BAD_PAGE;
    else if (commit(e, from)) {
      frameOf(mfn).owner = <u16>domid;
      old = p2mSet(dom, <u32>gfn, p2mEntry(mfn, P2mKind.RAM, P2m.RWX), true);
      status = GrantStatus.OKAY;
    } else p2mUnbook(dom);
  }
  unlockGrants(dom);
  if (status != GrantStatus.OKAY) return status;
  if (p2mHasFrame(old)) {
    flushDomainTlb(dom);
    p2mRelease(old);
  }
  complete(dom, domid, ref);
  return status;
}

/** Commits an entry to the transfer, unless its guest has changed it. */
function commit(e: usize, from: u32): bool {
  const head = offerTo(from);
  return atomic.cmpxchg<u32>(e, head, head | GrantFlag.TRANSFER_COMMITTED) == head;
}

/** The entry keeps the gfn that it names: the guest is auto-translated and never sees frames. */
function complete(dom: Domain, domid: u32, ref: u32): void {
  lockGrants(dom);
  if (isLive(dom, domid) && ref < grantRefs(dom))
    atomic.or<u16>(grantEntry(dom, ref), <u16>GrantFlag.TRANSFER_COMPLETED);
  unlockGrants(dom);
}
