/**
 * HYPERVISOR_memory_op(cmd, structure): the guest's reservation (balloon), and placing shared pages in its physical
 * address space. Long reservations are worked off in slices; the extents done are counted in bits 63:6 of the command.
 * [XEN] memory.h
 */
import { Domain, DomainOff, Errno, FrameType, Hypercall, P2m, P2mKind, Vcpu, XenVcpu } from "../gen/layout";
import { flushDomainTlb } from "../mem/shootdown";
import { domainOfVcpu } from "../mem/domains";
import { frameAlloc, frameOf, framePut } from "../mem/frames";
import {
  inRam,
  P2M_FAILED,
  p2mEntry,
  p2mGet,
  p2mHasFrame,
  p2mKind,
  p2mMakePod,
  p2mMfn,
  p2mRelease,
  p2mReplace,
} from "../mem/p2m";
import { copyFromGuest, copyToGuest } from "../mmu/access";
import { machine } from "../util/host";
import { addToPhysmap, addToPhysmapBatch } from "./physmap";
import { arg, CMD_MASK, CMD_SHIFT, getStruct, goOn, isSelf, SCRATCH_ARRAY, shouldYield, unknownOp } from "./guest";

const INCREASE = 0,
  DECREASE = 1,
  MAXIMUM_RAM_PAGE = 2,
  CURRENT = 3,
  MAXIMUM = 4,
  POPULATE = 6,
  ADD_TO_PHYSMAP = 7;
const MEMORY_MAP = 9,
  MACHINE_MEMORY_MAP = 10,
  SET_MEMORY_MAP = 13,
  MAXIMUM_GPFN = 14,
  REMOVE = 15,
  SET_POD = 16,
  GET_POD = 17;
const ADD_BATCH = 23,
  CLAIM_PAGES = 24,
  VNUMA = 26,
  ACQUIRE_RESOURCE = 28;
/** Largest extent: 2 MiB. */
const MAX_ORDER: u32 = 9;
/** Entries that wait for one shootdown. */
const BATCH: u32 = 64;

export function memoryOp(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>(arg(x, 0) & CMD_MASK);
  switch (cmd) {
    case DECREASE:
    case POPULATE:
      return reservation(cpu, x, cmd);
    case ADD_TO_PHYSMAP:
      return addToPhysmap(cpu, x);
    case ADD_BATCH:
      return addToPhysmapBatch(cpu, x);
    case REMOVE:
      return remove(cpu, x);
    case MEMORY_MAP:
      return memoryMap(cpu, x);
    case MAXIMUM_RAM_PAGE:
      return machine().totalFrames;
    case CURRENT:
    case MAXIMUM:
    case MAXIMUM_GPFN:
      return about(cpu, x, cmd);
    case MACHINE_MEMORY_MAP:
      return -Errno.ENOSYS;
    case INCREASE:
    case SET_MEMORY_MAP:
    case SET_POD:
    case GET_POD:
    case CLAIM_PAGES:
    case ACQUIRE_RESOURCE:
      return -Errno.EPERM;
    case VNUMA:
      return -Errno.EOPNOTSUPP;
    default:
      unknownOp(cpu, Hypercall.MEMORY_OP, cmd);
      return -Errno.ENOSYS;
  }
}

/** current_reservation, maximum_reservation, maximum_gpfn: the argument points to a domid. */
function about(cpu: Vcpu, x: XenVcpu, cmd: u32): i64 {
  const op = getStruct(cpu, x, arg(x, 1), 2);
  if (op == 0) return -Errno.EFAULT;
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const dom = domainOfVcpu(cpu);
  if (cmd == CURRENT) return dom.curPages;
  return cmd == MAXIMUM ? dom.maxPages : dom.maxGfn;
}

/** reservation: extent_start 0, nr 8, order 16, flags 20, domid 24; in 32-bit guests 0, 4, 8, 12, 16. */
function reservation(cpu: Vcpu, x: XenVcpu, cmd: u32): i64 {
  const wide = x.wide != 0;
  const op = getStruct(cpu, x, arg(x, 1), wide ? 32 : 20);
  if (op == 0) return -Errno.EFAULT;
  const list = wide ? load<u64>(op) : <u64>load<u32>(op);
  const n = wide ? load<u64>(op, 8) : <u64>load<u32>(op, 4);
  const order = wide ? load<u32>(op, 16) : load<u32>(op, 8);
  const domid = <u32>(wide ? load<u16>(op, 24) : load<u16>(op, 16));
  const start = arg(x, 0) >> CMD_SHIFT;
  if (!isSelf(cpu, domid)) return -Errno.EPERM;
  if (start > n || n > (<u64>1) << 57) return -Errno.EINVAL;
  if (order > MAX_ORDER) return start;
  const step: u32 = wide ? 8 : 4;
  for (let i = start; i < n;) {
    const done = <u32>(i - start);
    if (done != 0 && shouldYield(cpu, done << order >= 256 ? 256 : done)) {
      return goOn(cpu, x, i, done << order);
    }
    const batch = order == 0 ? <u32>min<u64>(BATCH, n - i) : 1;
    if (!copyFromGuest(cpu, <usize>x.scratch + SCRATCH_ARRAY, list + i * step, batch * step)) return i;
    const ok = cmd == POPULATE ? populate(cpu, x, batch, order) : decrease(cpu, x, batch, order);
    i += ok;
    if (ok != batch) return i;
  }
  return n;
}

@inline
function extentAt(x: XenVcpu, i: u32): u64 {
  const at = <usize>x.scratch + SCRATCH_ARRAY;
  return x.wide ? load<u64>(at + (i << 3)) : <u64>load<u32>(at + (i << 2));
}

/** Makes memory behind the extents; the number that succeeded, counted from the first. */
function populate(cpu: Vcpu, x: XenVcpu, n: u32, order: u32): u32 {
  const dom = domainOfVcpu(cpu);
  for (let i: u32 = 0; i < n; i++) {
    const first = extentAt(x, i);
    const pages = (<u64>1) << order;
    if (first + pages > <u64>P2m.GFN_LIMIT || first >= <u64>P2m.GFN_LIMIT) return i;
    for (let k: u32 = 0; k < <u32>pages; k++) {
      if (!populateOne(dom, <u32>first + k)) return i;
    }
  }
  return n;
}

/**
 * In RAM the hole becomes memory on demand again; elsewhere the frame is given at once. What is memory already stays.
 * Whether the domain may have one more is decided where it is counted, under the lock.
 */
function populateOne(dom: Domain, gfn: u32): bool {
  const old = p2mGet(dom, gfn);
  const kind = p2mKind(old);
  if (p2mHasFrame(old) || kind == P2mKind.POD) return kind != P2mKind.GRANT;
  if (inRam(dom, gfn)) return p2mMakePod(dom, gfn);
  const mfn = frameAlloc(dom.domid);
  if (mfn == 0) return false;
  if (p2mReplace(dom, gfn, old, p2mEntry(mfn, P2mKind.RAM, P2m.RWX)) != P2M_FAILED) return true;
  framePut(mfn);
  return false;
}

/** Takes the memory behind the extents back; the number that succeeded. One shootdown for all. */
function decrease(cpu: Vcpu, x: XenVcpu, n: u32, order: u32): u32 {
  const dom = domainOfVcpu(cpu);
  const gone = <usize>x.scratch + 2048;
  let flush: u32 = 0;
  let i: u32 = 0;
  for (; i < n; i++) {
    const first = extentAt(x, i);
    const pages = (<u32>1) << order;
    if (first + pages > <u64>P2m.GFN_LIMIT || first >= <u64>P2m.GFN_LIMIT) break;
    let k: u32 = 0;
    for (; k < pages; k++) {
      const old = dropOne(dom, <u32>first + k);
      if (old == P2M_FAILED) break;
      if (!p2mHasFrame(old)) continue;
      store<u32>(gone + (flush << 2), old);
      if (++flush == 512) flush = settle(dom, gone, flush);
    }
    if (k != pages) break;
  }
  settle(dom, gone, flush);
  return i;
}

/** The shootdown for removed entries, then their release. Returns 0. */
function settle(dom: Domain, gone: usize, n: u32): u32 {
  if (n != 0) flushDomainTlb(dom);
  for (let i: u32 = 0; i < n; i++) p2mRelease(load<u32>(gone + (i << 2)));
  return 0;
}

/** Takes one page of the guest's own memory out: the old raw entry, P2M_FAILED when it is none. */
function dropOne(dom: Domain, gfn: u32): u32 {
  while (true) {
    const old = p2mGet(dom, gfn);
    const kind = p2mKind(old);
    if (kind != P2mKind.RAM && kind != P2mKind.POD && kind != P2mKind.COW) return P2M_FAILED;
    if (kind == P2mKind.RAM && frameOf(p2mMfn(old)).type == <u8>FrameType.XEN_SHARED) return P2M_FAILED;
    const was = p2mReplace(dom, gfn, old, 0);
    if (was != P2M_FAILED) return was;
    if (p2mGet(dom, gfn) == old) return P2M_FAILED;
  }
}

/** remove_from_physmap: domid 0, gfn 8 (in 32-bit guests 4). */
function remove(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), x.wide ? 16 : 8);
  if (op == 0) return -Errno.EFAULT;
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const gfn = x.wide ? load<u64>(op, 8) : <u64>load<u32>(op, 4);
  const dom = domainOfVcpu(cpu);
  const entry = p2mGet(dom, gfn);
  if (p2mKind(entry) == P2mKind.NONE || p2mKind(entry) == P2mKind.BALLOON) return -Errno.ENOENT;
  if (p2mKind(entry) == P2mKind.GRANT) return -Errno.EPERM;
  const was = p2mReplace(dom, <u32>gfn, entry, 0);
  if (was == P2M_FAILED) return -Errno.EAGAIN;
  if (p2mHasFrame(was)) {
    flushDomainTlb(dom);
    p2mRelease(was);
  }
  return 0;
}

/** memory_map: nr 0, buffer 8 (in 32-bit guests 4); entries of 20 bytes. */
function memoryMap(cpu: Vcpu, x: XenVcpu): i64 {
  const gva = arg(x, 1);
  const op = getStruct(cpu, x, gva, x.wide ? 16 : 8);
  if (op == 0) return -Errno.EFAULT;
  const dom = domainOfVcpu(cpu);
  if (dom.e820Count == 0) return -Errno.ENOSYS;
  const n = min(load<u32>(op), dom.e820Count);
  const buffer = x.wide ? load<u64>(op, 8) : <u64>load<u32>(op, 4);
  store<u32>(op, n);
  if (!copyToGuest(cpu, buffer, changetype<usize>(dom) + DomainOff.e820, n * 20)) return -Errno.EFAULT;
  return copyToGuest(cpu, gva, op, 4) ? 0 : -Errno.EFAULT;
}
