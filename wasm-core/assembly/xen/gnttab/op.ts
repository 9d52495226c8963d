/** HYPERVISOR_grant_table_op(cmd, operations, count). [XEN] grant_table.h */
import {
  Access,
  Domain,
  Errno,
  GrantFlag,
  GrantStatus,
  Hypercall,
  P2m,
  P2mKind,
  Vcpu,
  XenVcpu,
} from "../../gen/layout";
import { flushDomainTlb } from "../../mem/shootdown";
import { domainOf, domainOfVcpu, isLive } from "../../mem/domains";
import { frameOf, framePut } from "../../mem/frames";
import { P2M_FAILED, p2mEntry, p2mKind, p2mMfn, p2mRelease, p2mReplace, p2mResolve, p2mSet } from "../../mem/p2m";
import { copyFromGuest, copyToGuest } from "../../mmu/access";
import { arg, chargeItems, CONTINUE, isSelf, setArg, shouldYield, unknownOp } from "../guest";
import { COPY_BYTES, copyOne } from "./copy";
import { MAP_BYTES, mapOne, UNMAP_BATCH, UNMAP_BYTES, unmapBatch } from "./map";
import {
  activeOf,
  grantEntry,
  grantRefs,
  growGrants,
  lockGrants,
  MAX_GRANT_FRAMES,
  setVersion,
  statusFrame,
  statusFrames,
  unlockGrants,
} from "./table";

const MAP = 0,
  UNMAP = 1,
  SETUP_TABLE = 2,
  TRANSFER = 4,
  COPY = 5,
  QUERY_SIZE = 6,
  UNMAP_AND_REPLACE = 7;
const SET_VERSION = 8,
  GET_STATUS_FRAMES = 9,
  GET_VERSION = 10,
  SWAP = 11,
  CACHE_FLUSH = 12;

/** Bytes of one operation of a command, 0 for commands that do not exist here. */
function sizeOf(cmd: u32): u32 {
  switch (cmd) {
    case MAP:
      return MAP_BYTES;
    case UNMAP:
      return UNMAP_BYTES;
    case SETUP_TABLE:
      return 24;
    case TRANSFER:
      return 24;
    case COPY:
      return COPY_BYTES;
    case QUERY_SIZE:
      return 16;
    case SET_VERSION:
      return 4;
    case GET_STATUS_FRAMES:
      return 16;
    case GET_VERSION:
      return 8;
    case SWAP:
      return 12;
    default:
      return 0;
  }
}

/** Commands whose structures are the same in a 32-bit guest. */
function sameIn32(cmd: u32): bool {
  return cmd == MAP || cmd == UNMAP || cmd == QUERY_SIZE || cmd == SET_VERSION || cmd == GET_VERSION || cmd == SWAP;
}

export function grantTableOp(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  const size = sizeOf(cmd);
  if (cmd == UNMAP_AND_REPLACE || cmd == CACHE_FLUSH) return -Errno.EOPNOTSUPP;
  if (size == 0 || (!x.wide && !sameIn32(cmd))) {
    unknownOp(cpu, Hypercall.GRANT_TABLE_OP, cmd);
    return -Errno.ENOSYS;
  }
  const n = <u32>arg(x, 2);
  if (<i32>n < 0) return -Errno.EINVAL;
  return cmd == UNMAP ? unmapAll(cpu, x, n) : each(cpu, x, cmd, size, n);
}

/** Leaves the arguments of what is still to do. */
function resume(cpu: Vcpu, x: XenVcpu, gva: u64, left: u32, done: u32): i64 {
  setArg(x, 1, gva);
  setArg(x, 2, left);
  chargeItems(cpu, done);
  return CONTINUE;
}

function each(cpu: Vcpu, x: XenVcpu, cmd: u32, size: u32, n: u32): i64 {
  const op = <usize>x.scratch;
  let gva = arg(x, 1);
  for (let i: u32 = 0; i < n; i++, gva += size) {
    if (shouldYield(cpu, i)) return resume(cpu, x, gva, n - i, i);
    if (!copyFromGuest(cpu, op, gva, size)) return -Errno.EFAULT;
    const result = one(cpu, x, cmd, op);
    if (!copyToGuest(cpu, gva, op, size)) return -Errno.EFAULT;
    if (result < 0) return result;
  }
  return 0;
}

function unmapAll(cpu: Vcpu, x: XenVcpu, n: u32): i64 {
  const ops = <usize>x.scratch;
  let gva = arg(x, 1);
  for (let i: u32 = 0; i < n;) {
    if (shouldYield(cpu, i)) return resume(cpu, x, gva, n - i, i);
    const batch = min(UNMAP_BATCH, n - i);
    if (!copyFromGuest(cpu, ops, gva, batch * UNMAP_BYTES)) return -Errno.EFAULT;
    unmapBatch(cpu, x, ops, batch);
    if (!copyToGuest(cpu, gva, ops, batch * UNMAP_BYTES)) return -Errno.EFAULT;
    i += batch;
    gva += batch * UNMAP_BYTES;
  }
  return 0;
}

function one(cpu: Vcpu, x: XenVcpu, cmd: u32, op: usize): i64 {
  switch (cmd) {
    case MAP:
      mapOne(cpu, op);
      return 0;
    case COPY:
      copyOne(cpu, op, op + 64);
      return 0;
    case TRANSFER:
      store<i16>(op, <i16>transfer(cpu, op), 16);
      return 0;
    case SETUP_TABLE:
      setupTable(cpu, op);
      return 0;
    case QUERY_SIZE:
      querySize(cpu, op);
      return 0;
    case SET_VERSION:
      return changeVersion(cpu, op);
    case GET_STATUS_FRAMES:
      return getStatusFrames(cpu, op);
    case GET_VERSION:
      return getVersion(cpu, op);
    default:
      store<i16>(op, <i16>swapRefs(cpu, op), 8);
      return 0;
  }
}

/** setup_table: dom 0, nr_frames 4, status 8, list 16. The frames themselves are mapped with add_to_physmap. */
function setupTable(cpu: Vcpu, op: usize): void {
  const dom = domainOfVcpu(cpu);
  let status: i32 = GrantStatus.BAD_DOMAIN;
  if (isSelf(cpu, load<u16>(op))) {
    lockGrants(dom);
    status = growGrants(dom, load<u32>(op, 4)) ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
    unlockGrants(dom);
  }
  store<i16>(op, <i16>status, 8);
}

/** query_size: dom 0, nr_frames 4, max_nr_frames 8, status 12. */
function querySize(cpu: Vcpu, op: usize): void {
  const dom = domainOfVcpu(cpu);
  const self = isSelf(cpu, load<u16>(op));
  store<u32>(op, self ? dom.gntFrames : 0, 4);
  store<u32>(op, self ? MAX_GRANT_FRAMES : 0, 8);
  store<i16>(op, <i16>(self ? GrantStatus.OKAY : GrantStatus.BAD_DOMAIN), 12);
}

function changeVersion(cpu: Vcpu, op: usize): i64 {
  const dom = domainOfVcpu(cpu);
  lockGrants(dom);
  const result = setVersion(dom, load<u32>(op));
  store<u32>(op, dom.gntVersion);
  unlockGrants(dom);
  return result;
}

/** get_version: dom 0, version 4. */
function getVersion(cpu: Vcpu, op: usize): i64 {
  const domid = <u32>load<u16>(op);
  const dom = isSelf(cpu, domid) ? domainOfVcpu(cpu) : domainOf(domid);
  if (changetype<usize>(dom) == 0 || dom.gntFrames == 0) return -Errno.ESRCH;
  store<u32>(op, dom.gntVersion, 4);
  return 0;
}

/** get_status_frames: nr_frames 0, dom 4, status 6, list 8. */
function getStatusFrames(cpu: Vcpu, op: usize): i64 {
  const dom = domainOfVcpu(cpu);
  let status: i32 = GrantStatus.OKAY;
  const n = load<u32>(op);
  if (!isSelf(cpu, load<u16>(op, 4))) status = GrantStatus.BAD_DOMAIN;
  else if (dom.gntVersion != 2 || n > statusFrames(dom.gntFrames)) status = GrantStatus.GENERAL_ERROR;
  for (let i: u32 = 0; status == GrantStatus.OKAY && i < n; i++) {
    store<u64>(op, <u64>(statusFrame(dom, i) >> 12), 32);
    if (!copyToGuest(cpu, load<u64>(op, 8) + ((<u64>i) << 3), op + 32, 8)) return -Errno.EFAULT;
  }
  store<i16>(op, <i16>status, 6);
  return 0;
}

/** swap_grant_ref: ref_a 0, ref_b 4, status 8. */
function swapRefs(cpu: Vcpu, op: usize): i32 {
  const dom = domainOfVcpu(cpu);
  const a = load<u32>(op);
  const b = load<u32>(op, 4);
  lockGrants(dom);
  let status: i32 = GrantStatus.OKAY;
  const refs = grantRefs(dom);
  if (a >= refs || b >= refs) status = GrantStatus.BAD_GNTREF;
  else if (inUse(dom, a) || inUse(dom, b)) status = GrantStatus.EAGAIN;
  else swapEntries(grantEntry(dom, a), grantEntry(dom, b), dom.gntVersion == 2 ? 16 : 8);
  unlockGrants(dom);
  return status;
}

function inUse(dom: Domain, ref: u32): bool {
  const a = activeOf(dom, ref);
  return (a.readers | a.writers) != 0;
}

function swapEntries(a: usize, b: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 8) {
    const v = load<u64>(a + i);
    store<u64>(a + i, load<u64>(b + i));
    store<u64>(b + i, v);
  }
}

/** transfer: gfn 0, domid 8, ref 12, status 16. Gives a page away to a domain that has offered a place for it. */
function transfer(cpu: Vcpu, op: usize): i32 {
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
  finishTransfer(remote, ref, mfn);
  return GrantStatus.OKAY;
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

function finishTransfer(dom: Domain, ref: u32, frame: u32): void {
  lockGrants(dom);
  if (ref < grantRefs(dom)) {
    const e = grantEntry(dom, ref);
    if (dom.gntVersion == 2) store<u64>(e, frame, 8);
    else store<u32>(e, frame, 4);
    atomic.or<u16>(e, <u16>GrantFlag.TRANSFER_COMPLETED);
  }
  unlockGrants(dom);
}
