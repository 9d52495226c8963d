/**
 * GNTTABOP_copy: bytes between two pages, each named by a grant or, for the caller's own, by gfn. Sub-page grants bound
 * the copy; a transitive grant is followed once. [XEN] grant_table.c
 */
import { Access, Domain, DomainStat, Domid, GrantFlag, GrantStatus, Vcpu } from "../../gen/layout";
import { count, domainOfVcpu } from "../../mem/domains";
import { frameAddress, frameOf, framePut, frameRetire } from "../../mem/frames";
import { p2mMfn, p2mPin } from "../../mem/p2m";
import { pinToWrite } from "../../mmu/monitor";
import { acquireGrant, releaseGrant } from "./acquire";
import { grantor, numberOf } from "./map";
import { grantEntry, grantRefs, lockGrants, unlockGrants } from "./table";

/** gnttab_copy: source at 0 and dest at 16, each {ref or gfn 0, domid 8, offset 10}; len 32, flags 34, status 36. */
export const COPY_BYTES: u32 = 40;
const SOURCE_GREF: u32 = 1;
const DEST_GREF: u32 = 2;

/** What one side of a copy holds. */
@unmanaged
class Side {
  domid: u32;
  ref: u32;
  user: u32;
  isGrant: u32;
}

/** One copy operation, in place; `sides` is room for two Side records. */
export function copyOne(cpu: Vcpu, op: usize, sides: usize): void {
  const dom = domainOfVcpu(cpu);
  const flags = <u32>load<u16>(op, 34);
  const status = copyWith(cpu, op, flags, changetype<Side>(sides), changetype<Side>(sides + 16));
  count(dom, status == GrantStatus.OKAY ? DomainStat.GRANT_COPIES : DomainStat.GRANT_FAILURES);
  store<i16>(op, <i16>status, 36);
}

function copyWith(cpu: Vcpu, op: usize, flags: u32, from: Side, to: Side): i32 {
  const length = <u32>load<u16>(op, 32);
  const fromAt = <u32>load<u16>(op, 10);
  const toAt = <u32>load<u16>(op, 26);
  if (fromAt + length > 4096 || toAt + length > 4096) return GrantStatus.BAD_COPY_ARG;
  const source = takeSide(cpu, op, (flags & SOURCE_GREF) != 0, true, fromAt, length, from);
  if (source < 0) return source;
  const dest = takeSide(cpu, op + 16, (flags & DEST_GREF) != 0, false, toAt, length, to);
  if (dest >= 0) {
    frameRetire(frameOf(dest));
    memory.copy(frameAddress(dest) + toAt, frameAddress(source) + fromAt, length);
    frameRetire(frameOf(dest));
    dropSide(to, dest, false);
  }
  dropSide(from, source, true);
  return dest < 0 ? dest : GrantStatus.OKAY;
}

/** Pins the frame of one side: its mfn, or a negative GrantStatus. */
function takeSide(cpu: Vcpu, op: usize, gref: bool, readonly: bool, at: u32, length: u32, side: Side): i32 {
  const dom = domainOfVcpu(cpu);
  const domid = <u32>load<u16>(op, 8);
  side.isGrant = gref ? 1 : 0;
  if (!gref) {
    if (domid != Domid.SELF && domid != dom.domid) return GrantStatus.PERMISSION_DENIED;
    const gfn = load<u64>(op);
    const entry = readonly ? p2mPin(dom, gfn, Access.READ) : pinToWrite(dom, gfn);
    return entry == 0 ? GrantStatus.BAD_PAGE : <i32>p2mMfn(entry);
  }
  side.domid = numberOf(cpu, domid);
  const remote = grantor(side.domid);
  if (changetype<usize>(remote) == 0) return GrantStatus.BAD_DOMAIN;
  return takeGrant(remote, load<u32>(op), dom.domid, readonly, at, length, side, true);
}

/** `dom` was found as domain `side.domid`. */
function takeGrant(
  dom: Domain,
  ref: u32,
  user: u32,
  readonly: bool,
  at: u32,
  length: u32,
  side: Side,
  follow: bool,
): i32 {
  const bounds = checkV2(dom, ref, at, length);
  if (bounds < 0) return bounds;
  if (bounds == TRANSITIVE)
    return follow ? takeTransitive(dom, ref, user, readonly, at, length, side) : GrantStatus.GENERAL_ERROR;
  side.ref = ref;
  side.user = user;
  return acquireGrant(dom, side.domid, ref, user, readonly, true);
}

/** checkV2's answer for a transitive grant. */
const TRANSITIVE: i32 = 1;

/** Bounds of a sub-page grant. 0, TRANSITIVE, or a negative GrantStatus. */
function checkV2(dom: Domain, ref: u32, at: u32, length: u32): i32 {
  lockGrants(dom);
  let result: i32 = 0;
  if (ref >= grantRefs(dom)) {
    result = GrantStatus.BAD_GNTREF;
  } else if (dom.gntVersion == 2) {
    const e = grantEntry(dom, ref);
    const flags = <u32>load<u16>(e);
    if ((flags & GrantFlag.TYPE_MASK) == GrantFlag.TRANSITIVE) {
      result = TRANSITIVE;
    } else if ((flags & GrantFlag.SUB_PAGE) != 0) {
      const start = <u32>load<u16>(e, 4);
      const room = <u32>load<u16>(e, 6);
      if (at < start || at + length > start + room) result = GrantStatus.BAD_COPY_ARG;
    }
  }
  unlockGrants(dom);
  return result;
}

/** Follows a transitive grant: the entry must be for `user`, and what it names must be granted to its owner. */
function takeTransitive(dom: Domain, ref: u32, user: u32, readonly: bool, at: u32, length: u32, side: Side): i32 {
  lockGrants(dom);
  const known = ref < grantRefs(dom) && dom.gntVersion == 2;
  const e = known ? grantEntry(dom, ref) : 0;
  const head = known ? load<u32>(e) : 0;
  const next = known ? <u32>load<u16>(e, 4) : 0;
  const nextRef = known ? load<u32>(e, 8) : 0;
  unlockGrants(dom);
  if ((head & GrantFlag.TYPE_MASK) != GrantFlag.TRANSITIVE || head >> 16 != user) return GrantStatus.GENERAL_ERROR;
  if (!readonly && (head & GrantFlag.READONLY) != 0) return GrantStatus.GENERAL_ERROR;
  const remote = grantor(next);
  if (changetype<usize>(remote) == 0) return GrantStatus.BAD_DOMAIN;
  const owner = side.domid;
  side.domid = next;
  return takeGrant(remote, nextRef, owner, readonly, at, length, side, false);
}

function dropSide(side: Side, mfn: u32, readonly: bool): void {
  if (side.isGrant) releaseGrant(side.domid, side.ref, mfn, side.user, readonly);
  framePut(mfn);
}
