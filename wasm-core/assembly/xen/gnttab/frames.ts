/**
 * The grant-table operations about the table itself: its frames, its size, its version. Frame lists hold gfns, as the
 * guest is auto-translated: where it has put a frame with XENMEM_add_to_physmap, all ones before. [XEN] grant_table.c
 */
import { Domain, Errno, GrantStatus, P2mKind, Vcpu, XenVcpu } from "../../gen/layout";
import { domainOf, domainOfVcpu } from "../../mem/domains";
import { p2mGet, p2mKind, p2mMfn } from "../../mem/p2m";
import { copyToGuest } from "../../mmu/access";
import { isSelf } from "../guest";
import {
  growGrants,
  lockGrants,
  MAX_GRANT_FRAMES,
  noteOfGrantGfn,
  setVersion,
  sharedFrame,
  statusFrame,
  statusFrames,
  unlockGrants,
} from "./table";

/** INVALID_M2P_ENTRY */
const NOWHERE: u64 = u64.MAX_VALUE;
/** Room for one element of a list, behind the structures. */
const ELEMENT_AT: usize = 512;

/** What an operation on another domain's table answers: that it may not, or that there is no such domain. */
function refusal(domid: u32): i32 {
  return changetype<usize>(domainOf(domid)) != 0 ? GrantStatus.PERMISSION_DENIED : GrantStatus.BAD_DOMAIN;
}

/** The gfn at which the guest sees a frame of its table. */
function gfnOf(dom: Domain, status: bool, index: u32): u64 {
  const page = status ? statusFrame(dom, index) : sharedFrame(dom, index);
  const gfn = noteOfGrantGfn(dom, status, index);
  const entry = p2mGet(dom, gfn);
  return p2mKind(entry) == P2mKind.RAM && p2mMfn(entry) == <u32>(page >> 12) ? <u64>gfn : NOWHERE;
}

/** Writes the gfns of the first `n` frames, elements of `size` bytes. False when the guest's list does not take them. */
function writeList(cpu: Vcpu, op: usize, status: bool, n: u32, list: u64, size: u32): bool {
  const dom = domainOfVcpu(cpu);
  for (let i: u32 = 0; i < n; i++) {
    store<u64>(op + ELEMENT_AT, gfnOf(dom, status, i));
    if (!copyToGuest(cpu, list + <u64>i * size, op + ELEMENT_AT, size)) return false;
  }
  return true;
}

/** setup_table: dom 0, nr_frames 4, status 8, list 16 of unsigned longs. Makes the table at least that long. */
export function setupTable(cpu: Vcpu, x: XenVcpu, op: usize): void {
  const dom = domainOfVcpu(cpu);
  const n = load<u32>(op, 4);
  let status = refusal(load<u16>(op));
  if (isSelf(cpu, load<u16>(op))) {
    lockGrants(dom);
    status = growGrants(dom, n) ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
    unlockGrants(dom);
  }
  if (status == GrantStatus.OKAY && !writeList(cpu, op, false, n, load<u64>(op, 16), x.wide ? 8 : 4))
    status = GrantStatus.BAD_VIRT_ADDR;
  store<i16>(op, <i16>status, 8);
}

/** query_size: dom 0, nr_frames 4, max_nr_frames 8, status 12. */
export function querySize(cpu: Vcpu, op: usize): void {
  const self = isSelf(cpu, load<u16>(op));
  store<u32>(op, self ? domainOfVcpu(cpu).gntFrames : 0, 4);
  store<u32>(op, self ? MAX_GRANT_FRAMES : 0, 8);
  store<i16>(op, <i16>(self ? GrantStatus.OKAY : refusal(load<u16>(op))), 12);
}

/** set_version: version 0, in and out. */
export function changeVersion(cpu: Vcpu, op: usize): i64 {
  const dom = domainOfVcpu(cpu);
  lockGrants(dom);
  const result = setVersion(dom, load<u32>(op));
  store<u32>(op, dom.gntVersion);
  unlockGrants(dom);
  return result;
}

/** get_version: dom 0, version 4. */
export function getVersion(cpu: Vcpu, op: usize): i64 {
  const domid = <u32>load<u16>(op);
  if (!isSelf(cpu, domid)) return changetype<usize>(domainOf(domid)) != 0 ? -Errno.EPERM : -Errno.ESRCH;
  store<u32>(op, domainOfVcpu(cpu).gntVersion, 4);
  return 0;
}

/** get_status_frames: nr_frames 0, dom 4, status 6, list 8 of u64. */
export function getStatusFrames(cpu: Vcpu, op: usize): void {
  const dom = domainOfVcpu(cpu);
  const n = load<u32>(op);
  let status = refusal(load<u16>(op, 4));
  if (isSelf(cpu, load<u16>(op, 4))) {
    const known = dom.gntVersion == 2 && n <= statusFrames(dom.gntFrames);
    status = known ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
  }
  if (status == GrantStatus.OKAY && !writeList(cpu, op, true, n, load<u64>(op, 8), 8))
    status = GrantStatus.BAD_VIRT_ADDR;
  store<i16>(op, <i16>status, 6);
}
