/** HYPERVISOR_grant_table_op(cmd, operations, count). [XEN] grant_table.h */
import { Domain, Errno, GrantStatus, GrantTableOp, Hypercall, Vcpu, XenVcpu } from "../../gen/layout";
import { domainOfVcpu } from "../../mem/domains";
import { copyFromGuest, copyToGuest } from "../../mmu/access";
import { arg, chargeItems, CONTINUE, setArg, shouldYield, unknownOp } from "../guest";
import { narrowBytes, narrowStatus, widen } from "./compat";
import { COPY_BYTES, copyOne } from "./copy";
import { changeVersion, getStatusFrames, getVersion, querySize, setupTable } from "./frames";
import { MAP_BYTES, mapOne, UNMAP_BATCH, UNMAP_BYTES, unmapBatch } from "./map";
import { activeOf, grantEntry, grantRefs, lockGrants, unlockGrants } from "./table";
import { transfer } from "./transfer";

/** Where a 32-bit guest's structure is kept beside the form that is worked on. */
const RAW_AT: usize = 256;

/** Bytes of one operation of a command, 0 for commands that do not exist here. */
function sizeOf(cmd: u32): u32 {
  switch (cmd) {
    case GrantTableOp.MAP:
      return MAP_BYTES;
    case GrantTableOp.UNMAP:
      return UNMAP_BYTES;
    case GrantTableOp.SETUP_TABLE:
    case GrantTableOp.TRANSFER:
      return 24;
    case GrantTableOp.COPY:
      return COPY_BYTES;
    case GrantTableOp.QUERY_SIZE:
    case GrantTableOp.GET_STATUS_FRAMES:
      return 16;
    case GrantTableOp.SET_VERSION:
      return 4;
    case GrantTableOp.GET_VERSION:
      return 8;
    case GrantTableOp.SWAP:
      return 12;
    default:
      return 0;
  }
}

/** Commands that take one structure and no more. */
function isSingle(cmd: u32): bool {
  return cmd == GrantTableOp.SETUP_TABLE || cmd == GrantTableOp.QUERY_SIZE || cmd == GrantTableOp.GET_STATUS_FRAMES;
}

/** Commands that Xen keeps from HVM guests: what they do is for those that see machine frames. */
function isForPv(cmd: u32): bool {
  return cmd == GrantTableOp.DUMP_TABLE || cmd == GrantTableOp.UNMAP_AND_REPLACE || cmd == GrantTableOp.CACHE_FLUSH;
}

export function grantTableOp(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  if (isForPv(cmd)) return -Errno.ENOSYS;
  if (sizeOf(cmd) == 0) {
    unknownOp(cpu, Hypercall.GRANT_TABLE_OP, cmd);
    return -Errno.ENOSYS;
  }
  const n = <u32>arg(x, 2);
  if (<i32>n < 0 || (isSingle(cmd) && n != 1)) return -Errno.EINVAL;
  return cmd == GrantTableOp.UNMAP ? unmapAll(cpu, x, n) : each(cpu, x, cmd, n);
}

/** Leaves the arguments of what is still to do. */
function resume(cpu: Vcpu, x: XenVcpu, gva: u64, left: u32, done: u32): i64 {
  setArg(x, 1, gva);
  setArg(x, 2, left);
  chargeItems(cpu, done);
  return CONTINUE;
}

function each(cpu: Vcpu, x: XenVcpu, cmd: u32, n: u32): i64 {
  const op = <usize>x.scratch;
  const wideSize = sizeOf(cmd);
  const size = x.wide ? wideSize : narrowBytes(cmd, wideSize);
  // Where the sizes are the same the forms are too.
  const same = size == wideSize;
  const raw = same ? op : op + RAW_AT;
  let gva = arg(x, 1);
  for (let i: u32 = 0; i < n; i++, gva += size) {
    if (shouldYield(cpu, i)) return resume(cpu, x, gva, n - i, i);
    if (!copyFromGuest(cpu, raw, gva, size)) return -Errno.EFAULT;
    if (!same) widen(cmd, raw, op, wideSize);
    const result = one(cpu, x, cmd, op);
    if (!same) narrowStatus(cmd, op, raw);
    if (!copyToGuest(cpu, gva, raw, size)) return -Errno.EFAULT;
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
    case GrantTableOp.MAP:
      mapOne(cpu, op);
      return 0;
    case GrantTableOp.COPY:
      copyOne(cpu, op, op + 64);
      return 0;
    case GrantTableOp.TRANSFER:
      store<i16>(op, <i16>transfer(cpu, op), 16);
      return 0;
    case GrantTableOp.SETUP_TABLE:
      setupTable(cpu, x, op);
      return 0;
    case GrantTableOp.QUERY_SIZE:
      querySize(cpu, op);
      return 0;
    case GrantTableOp.SET_VERSION:
      return changeVersion(cpu, op);
    case GrantTableOp.GET_STATUS_FRAMES:
      getStatusFrames(cpu, op);
      return 0;
    case GrantTableOp.GET_VERSION:
      return getVersion(cpu, op);
    default:
      store<i16>(op, <i16>swapRefs(cpu, op), 8);
      return 0;
  }
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
  else if (a != b && (inUse(dom, a) || inUse(dom, b))) status = GrantStatus.EAGAIN;
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
