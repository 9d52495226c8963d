/**
 * GNTTABOP_map_grant_ref and unmap_grant_ref for auto-translated guests: the granted frame appears at a guest-physical
 * address of the mapper, as a p2m entry of kind GRANT. Unmapping has two phases around one shootdown for many mappings.
 */
import {
  Domain,
  DomainStat,
  Domid,
  GrantMap,
  GrantStatus,
  Maptrack,
  P2m,
  P2mKind,
  Vcpu,
  XenVcpu,
} from "../../gen/layout";
import { flushDomainTlb } from "../../mem/shootdown";
import { count, domainOf, domainOfVcpu } from "../../mem/domains";
import { framePut } from "../../mem/frames";
import { P2M_FAILED, p2mEntry, p2mHasFrame, p2mRelease, p2mReplace, p2mSet } from "../../mem/p2m";
import { acquireGrant, releaseGrant } from "./acquire";
import { allocHandle, freeHandle, lockMaps, mapOf, NO_HANDLE, unlockMaps } from "./maptrack";

/** map_grant_ref: host_addr 0, flags 8, ref 12, dom 16, status 18, handle 20, dev_bus_addr 24. */
export const MAP_BYTES: u32 = 32;
/** unmap_grant_ref: host_addr 0, dev_bus_addr 8, handle 16, status 20. */
export const UNMAP_BYTES: u32 = 24;
/** Unmaps to one shootdown. */
export const UNMAP_BATCH: u32 = 32;
/** Maptrack.flags while an unmap is between its phases: no other flags value. */
const UNMAPPING: u16 = 0x8000;

/** Number of the granting domain that an operation names. */
export function numberOf(cpu: Vcpu, domid: u32): u32 {
  return domid == Domid.SELF ? domainOfVcpu(cpu).domid : domid;
}

/** The granting domain of that number; null when there is none or it has no grant table. */
export function grantor(domid: u32): Domain {
  const dom = domainOf(domid);
  return changetype<usize>(dom) != 0 && dom.gntFrames != 0 ? dom : changetype<Domain>(0);
}

/** One map operation, in place in the copied structure. */
export function mapOne(cpu: Vcpu, op: usize): void {
  const dom = domainOfVcpu(cpu);
  let handle = NO_HANDLE;
  let status = checkMap(load<u64>(op), load<u32>(op, 8));
  if (status == GrantStatus.OKAY) {
    lockMaps(dom);
    handle = allocHandle(dom);
    unlockMaps(dom);
    status = handle == NO_HANDLE ? GrantStatus.NO_SPACE : mapWith(cpu, dom, op, handle);
    if (status != GrantStatus.OKAY && handle != NO_HANDLE) {
      lockMaps(dom);
      freeHandle(dom, handle);
      unlockMaps(dom);
    }
  }
  count(dom, status == GrantStatus.OKAY ? DomainStat.GRANT_MAPS : DomainStat.GRANT_FAILURES);
  store<i16>(op, <i16>status, 18);
  store<u32>(op, handle, 20);
  store<u64>(op, load<u64>(op), 24);
}

function checkMap(address: u64, flags: u32): i32 {
  if ((flags & GrantMap.HOST) == 0 || (flags & (GrantMap.APPLICATION | GrantMap.CONTAINS_PTE)) != 0)
    return GrantStatus.GENERAL_ERROR;
  return (address & 4095) == 0 && address >> 12 < <u64>P2m.GFN_LIMIT ? GrantStatus.OKAY : GrantStatus.BAD_VIRT_ADDR;
}

function mapWith(cpu: Vcpu, dom: Domain, op: usize, handle: u32): i32 {
  const domid = numberOf(cpu, load<u16>(op, 16));
  const remote = grantor(domid);
  if (changetype<usize>(remote) == 0) return GrantStatus.BAD_DOMAIN;
  const ref = load<u32>(op, 12);
  const flags = load<u32>(op, 8);
  const readonly = (flags & GrantMap.READONLY) != 0;
  const mfn = acquireGrant(remote, domid, ref, dom.domid, readonly, false);
  if (mfn < 0) return mfn;
  const gfn = <u32>(load<u64>(op) >> 12);
  const old = p2mSet(dom, gfn, p2mEntry(mfn, P2mKind.GRANT, readonly ? P2m.R : P2m.R | P2m.W));
  if (old == P2M_FAILED) {
    releaseGrant(domid, ref, mfn, dom.domid, readonly);
    framePut(mfn);
    return GrantStatus.NO_SPACE;
  }
  lockMaps(dom);
  const t = mapOf(dom, handle);
  t.ref = ref;
  t.domid = <u16>domid;
  t.flags = <u16>(flags & 15);
  t.gfn = gfn;
  t.mfn = mfn;
  t.address = load<u64>(op);
  unlockMaps(dom);
  if (p2mHasFrame(old)) {
    flushDomainTlb(dom);
    p2mRelease(old);
  }
  return GrantStatus.OKAY;
}

/**
 * Phase one of an unmap: takes the mapping out of the p2m. Leaves in `note` the handle (all ones when it failed) and the
 * entry that went, and the status in the operation. True when a shootdown is due.
 */
export function unmapBegin(cpu: Vcpu, op: usize, note: usize): bool {
  const dom = domainOfVcpu(cpu);
  const handle = load<u32>(op, 16);
  let status: i32 = GrantStatus.BAD_HANDLE;
  let entry: u32 = 0;
  lockMaps(dom);
  const t = mapOf(dom, handle);
  if (changetype<usize>(t) != 0 && t.flags != 0 && (t.flags & UNMAPPING) == 0) {
    status = t.address == load<u64>(op) ? GrantStatus.OKAY : GrantStatus.BAD_VIRT_ADDR;
    if (status == GrantStatus.OKAY) t.flags |= UNMAPPING;
  }
  unlockMaps(dom);
  if (status == GrantStatus.OKAY) entry = takeOut(dom, t);
  store<u32>(note, status == GrantStatus.OKAY ? handle : NO_HANDLE);
  store<u32>(note, entry, 4);
  store<i16>(op, <i16>status, 20);
  return entry != 0;
}

/** Removes the mapping's p2m entry; 0 when the guest has put something else there meanwhile. */
function takeOut(dom: Domain, t: Maptrack): u32 {
  const rights = (t.flags & (<u16>GrantMap.READONLY)) != 0 ? P2m.R : P2m.R | P2m.W;
  const entry = p2mEntry(t.mfn, P2mKind.GRANT, rights);
  return p2mReplace(dom, t.gfn, entry, 0) == entry ? entry : 0;
}

/** Phase two, after the shootdown: gives the grant and the handle back. */
export function unmapEnd(cpu: Vcpu, note: usize): void {
  const handle = load<u32>(note);
  if (handle == NO_HANDLE) return;
  const dom = domainOfVcpu(cpu);
  const t = mapOf(dom, handle);
  releaseGrant(t.domid, t.ref, t.mfn, dom.domid, (t.flags & (<u16>GrantMap.READONLY)) != 0);
  p2mRelease(load<u32>(note, 4));
  lockMaps(dom);
  freeHandle(dom, handle);
  unlockMaps(dom);
}

/** Runs `n` unmap operations (at most UNMAP_BATCH) that were copied to `ops`. */
export function unmapBatch(cpu: Vcpu, x: XenVcpu, ops: usize, n: u32): void {
  const notes = <usize>x.scratch + 4096 - (UNMAP_BATCH << 3);
  let flush = false;
  for (let i: u32 = 0; i < n; i++) {
    if (unmapBegin(cpu, ops + i * UNMAP_BYTES, notes + (i << 3))) flush = true;
  }
  if (flush) flushDomainTlb(domainOfVcpu(cpu));
  for (let i: u32 = 0; i < n; i++) unmapEnd(cpu, notes + (i << 3));
}
