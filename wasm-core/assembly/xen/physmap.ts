/**
 * XENMEM_add_to_physmap: shared_info, grant and status frames, and the guest's own pages, at a gfn of its choice. What
 * stood there before goes: memory is freed, as in Xen.
 */
import { Access, Domain, Errno, FrameType, P2m, P2mKind, Vcpu, XenVcpu } from "../gen/layout";
import { flushDomainTlb } from "../mem/shootdown";
import { domainOfVcpu } from "../mem/domains";
import { frameGet, frameOf, framePut } from "../mem/frames";
import {
  P2M_FAILED,
  p2mEntry,
  p2mHasFrame,
  p2mKind,
  p2mMfn,
  p2mRelease,
  p2mResolve,
  p2mSet,
  p2mTakeOut,
} from "../mem/p2m";
import { copyFromGuest, copyToGuest } from "../mmu/access";
import {
  growGrants,
  lockGrants,
  noteGrantGfn,
  sharedFrame,
  statusFrame,
  statusFrames,
  unlockGrants,
} from "./gnttab/table";
import { arg, CMD_SHIFT, getStruct, goOn, isSelf, SCRATCH_ARRAY, shouldYield } from "./guest";

const SPACE_SHARED_INFO = 0,
  SPACE_GRANT_TABLE = 1,
  SPACE_GMFN = 2,
  SPACE_GMFN_RANGE = 3,
  SPACE_GMFN_FOREIGN = 4;
/** Bit of a grant-table index that means a status frame. */
const STATUS_INDEX: u64 = 0x80000000;

/** add_to_physmap: domid 0, size 2, space 4, idx 8, gpfn 16; in 32-bit guests idx 8, gpfn 12. A size is a range's. */
export function addToPhysmap(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), x.wide ? 24 : 16);
  if (op == 0) return -Errno.EFAULT;
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const idx = x.wide ? load<u64>(op, 8) : <u64>load<u32>(op, 8);
  const gfn = x.wide ? load<u64>(op, 16) : <u64>load<u32>(op, 12);
  const dom = domainOfVcpu(cpu);
  const space = load<u32>(op, 4);
  return space == SPACE_GMFN_RANGE ? addRange(cpu, x, idx, gfn, load<u16>(op, 2)) : addOne(dom, space, idx, gfn);
}

/** `n` pages of the guest's own from gfn `from` on to `to` and the following, in slices: each waits for a shootdown. */
function addRange(cpu: Vcpu, x: XenVcpu, from: u64, to: u64, n: u32): i64 {
  const start = arg(x, 0) >> CMD_SHIFT;
  for (let i = start; i < <u64>n; i++) {
    const done = <u32>(i - start);
    if (shouldYield(cpu, done)) return goOn(cpu, x, i, done);
    const result = addOne(domainOfVcpu(cpu), SPACE_GMFN, from + i, to + i);
    if (result < 0) return result;
  }
  return 0;
}

/** add_to_physmap_batch: domid 0, space 2, size 4, extra 6, idxs 8, gpfns 16, errs 24; in 32-bit guests idxs 8, 12, 16. */
export function addToPhysmapBatch(cpu: Vcpu, x: XenVcpu): i64 {
  const wide = x.wide != 0;
  const op = getStruct(cpu, x, arg(x, 1), wide ? 32 : 20);
  if (op == 0) return -Errno.EFAULT;
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const start = arg(x, 0) >> CMD_SHIFT;
  const n = <u64>load<u16>(op, 4);
  const idxs = wide ? load<u64>(op, 8) : <u64>load<u32>(op, 8);
  const gfns = wide ? load<u64>(op, 16) : <u64>load<u32>(op, 12);
  const errs = wide ? load<u64>(op, 24) : <u64>load<u32>(op, 16);
  const size: u32 = wide ? 8 : 4;
  const word = op + SCRATCH_ARRAY;
  for (let i = start; i < n; i++) {
    const done = <u32>(i - start);
    if (shouldYield(cpu, done)) return goOn(cpu, x, i, done);
    store<u64>(word, 0);
    store<u64>(word, 0, 8);
    if (!copyFromGuest(cpu, word, idxs + i * size, size)) return -Errno.EFAULT;
    if (!copyFromGuest(cpu, word + 8, gfns + i * size, size)) return -Errno.EFAULT;
    store<i32>(word, <i32>addOne(domainOfVcpu(cpu), load<u16>(op, 2), load<u64>(word), load<u64>(word, 8)), 16);
    if (!copyToGuest(cpu, errs + (i << 2), word + 16, 4)) return -Errno.EFAULT;
  }
  return 0;
}

function addOne(dom: Domain, space: u32, idx: u64, gfn: u64): i64 {
  if (gfn >= <u64>P2m.GFN_LIMIT) return -Errno.EINVAL;
  switch (space) {
    case SPACE_SHARED_INFO:
      return idx == 0 ? place(dom, <usize>dom.sharedInfo, <u32>gfn) : -Errno.EINVAL;
    case SPACE_GRANT_TABLE:
      return placeGrantFrame(dom, idx, <u32>gfn);
    case SPACE_GMFN:
      return move(dom, idx, <u32>gfn);
    case SPACE_GMFN_FOREIGN:
      return -Errno.EPERM;
    default:
      return -Errno.EINVAL;
  }
}

/** The domain's own pages outlive it only through references, so an address read under the lock may be placed later. */
function placeGrantFrame(dom: Domain, idx: u64, gfn: u32): i64 {
  const status = (idx & STATUS_INDEX) != 0;
  const index = idx & ~STATUS_INDEX;
  lockGrants(dom);
  let page: usize = 0;
  if (index < <u64>dom.gntMaxFrames) {
    const n = <u32>index;
    if (status) page = dom.gntVersion == 2 && n < statusFrames(dom.gntFrames) ? statusFrame(dom, n) : 0;
    else if (growGrants(dom, n + 1)) page = sharedFrame(dom, n);
  }
  unlockGrants(dom);
  if (page == 0) return -Errno.EINVAL;
  const result = place(dom, page, gfn);
  if (result == 0) noteGrantGfn(dom, status, <u32>index, gfn);
  return result;
}

/** Maps a hypervisor page at `gfn`. */
function place(dom: Domain, page: usize, gfn: u32): i64 {
  const mfn = <u32>(page >> 12);
  frameGet(mfn);
  const old = p2mSet(dom, gfn, p2mEntry(mfn, P2mKind.RAM, P2m.R | P2m.W));
  if (old == P2M_FAILED) {
    framePut(mfn);
    return -Errno.ENOMEM;
  }
  drop(dom, old);
  return 0;
}

/** Moves a page of the guest's own from gfn `from` to `to`. */
function move(dom: Domain, from: u64, to: u32): i64 {
  if (from == <u64>to) return 0;
  const entry = p2mResolve(dom, from, Access.WRITE);
  if (p2mKind(entry) != P2mKind.RAM) return -Errno.EINVAL;
  // What the hypervisor shares is not counted, so nothing is booked for it.
  const booked = frameOf(p2mMfn(entry)).type == <u8>FrameType.GUEST;
  if (!p2mTakeOut(dom, <u32>from, entry)) return -Errno.EAGAIN;
  flushDomainTlb(dom);
  const old = p2mSet(dom, to, entry, booked);
  if (old == P2M_FAILED) {
    drop(dom, p2mSet(dom, <u32>from, entry, booked));
    return -Errno.ENOMEM;
  }
  drop(dom, old);
  return 0;
}

function drop(dom: Domain, old: u32): void {
  if (!p2mHasFrame(old)) return;
  flushDomainTlb(dom);
  p2mRelease(old);
}
