/** GNTTABOP_transfer: gives a page away to a domain that has offered a place for it. [XEN] grant_table.c */
import { Access, Domain, GrantFlag, GrantStatus, P2m, P2mKind, Vcpu } from "../../gen/layout";
import { flushDomainTlb } from "../../mem/shootdown";
import { domainOf, domainOfVcpu, isLive } from "../../mem/domains";
import { frameOf, framePut } from "../../mem/frames";
import {
  P2M_FAILED,
  p2mEntry,
  p2mHasFrame,
  p2mKind,
  p2mMfn,
  p2mRelease,
  p2mReplace,
  p2mResolve,
  p2mSet,
} from "../../mem/p2m";
import { grantEntry, grantRefs, lockGrants, unlockGrants } from "./table";

/** transfer: gfn 0, domid 8, ref 12, status 16. */
export function transfer(cpu: Vcpu, op: usize): i32 {
  const dom = domainOfVcpu(cpu);
  const gfn = load<u64>(op);
  const remote = domainOf(load<u16>(op, 8));
  if (changetype<usize>(remote) == 0 || remote === dom || remote.gntFrames == 0) return GrantStatus.BAD_DOMAIN;
  const entry = p2mResolve(dom, gfn, Access.WRITE);
  if (p2mKind(entry) != P2mKind.RAM || frameOf(p2mMfn(entry)).refs != 1) return GrantStatus.BAD_PAGE;
  const ref = load<u32>(op, 12);
  const target = commitTransfer(remote, load<u16>(op, 8), ref, dom.domid);
  if (target < 0) return <i32>target;
  if (p2mReplace(dom, <u32>gfn, entry, 0) != entry) return GrantStatus.BAD_PAGE;
  flushDomainTlb(dom);
  const mfn = p2mMfn(entry);
  if (frameOf(mfn).refs != 1) {
    putBack(dom, <u32>gfn, entry);
    return GrantStatus.BAD_PAGE;
  }
  frameOf(mfn).owner = <u16>remote.domid;
  const old = p2mSet(remote, <u32>target, p2mEntry(mfn, P2mKind.RAM, P2m.RWX));
  if (old == P2M_FAILED) {
    framePut(mfn);
    return GrantStatus.GENERAL_ERROR;
  }
  if (old != 0 && old >> P2m.KIND_SHIFT != <u32>P2mKind.BALLOON) {
    flushDomainTlb(remote);
    p2mRelease(old);
  }
  finishTransfer(remote, ref);
  return GrantStatus.OKAY;
}

/** Somebody took a reference to the page before its entry was gone: it stays. */
function putBack(dom: Domain, gfn: u32, entry: u32): void {
  const old = p2mSet(dom, gfn, entry);
  if (!p2mHasFrame(old)) return;
  flushDomainTlb(dom);
  p2mRelease(old);
}

/** Commits an accept_transfer entry to the transfer: the gfn it names, or a negative GrantStatus. */
function commitTransfer(dom: Domain, domid: u32, ref: u32, from: u32): i64 {
  lockGrants(dom);
  let result: i64 = GrantStatus.BAD_GNTREF;
  if (isLive(dom, domid) && ref < grantRefs(dom) && dom.curPages < dom.maxPages) {
    const e = grantEntry(dom, ref);
    const head: u32 = GrantFlag.TRANSFER | (from << 16);
    const gfn = dom.gntVersion == 2 ? load<u64>(e, 8) : <u64>load<u32>(e, 4);
    if (atomic.cmpxchg<u32>(e, head, head | GrantFlag.TRANSFER_COMMITTED) == head) {
      result = gfn < <u64>P2m.GFN_LIMIT ? <i64>gfn : GrantStatus.BAD_PAGE;
    }
  }
  unlockGrants(dom);
  return result;
}

/** The entry keeps the gfn that it names: the guest is auto-translated and never sees frames. */
function finishTransfer(dom: Domain, ref: u32): void {
  lockGrants(dom);
  if (ref < grantRefs(dom)) atomic.or<u16>(grantEntry(dom, ref), <u16>GrantFlag.TRANSFER_COMPLETED);
  unlockGrants(dom);
}
