/**
 * A domain's grant table: the shared frames that the guest writes, their status frames (version 2), and the
 * hypervisor's own record of which references are in use. With Domain.gntLock held unless said. [XEN] grant_table.c
 */
import {
  Domain,
  DomainOff,
  Errno,
  FrameType,
  GrantActive,
  GrantActive_SIZE,
  GrantFlag,
  GRANTS_PER_PAGE_V1,
  GRANTS_PER_PAGE_V2,
  STATUS_PER_PAGE,
} from "../../gen/layout";
import { frameAddress, frameAlloc, frameOf } from "../../mem/frames";
import { heapPages } from "../../mem/heap";
import { spinLock, spinUnlock } from "../../util/atomics";

export const MAX_GRANT_FRAMES: u32 = 64;
/** Entries that keep their contents over a change of version. */
const RESERVED_ENTRIES: u32 = 8;
/** Bits of an entry that the hypervisor sets; in version 2 they stand in the status frames. */
const IN_USE: u32 = GrantFlag.READING | GrantFlag.WRITING;
/** References to a block of GrantActive. */
const ACTIVE_PER_BLOCK: u32 = 512;
export const ACTIVE_ORDER: u32 = 1;

export function lockGrants(dom: Domain): void {
  spinLock(changetype<usize>(dom) + DomainOff.gntLock);
}

export function unlockGrants(dom: Domain): void {
  spinUnlock(changetype<usize>(dom) + DomainOff.gntLock);
}

@inline
function slot(dom: Domain, table: usize, index: u32): usize {
  return changetype<usize>(dom) + table + ((<usize>index) << 2);
}

@inline
export function sharedFrame(dom: Domain, index: u32): usize {
  return <usize>load<u32>(slot(dom, DomainOff.gntShared, index));
}

@inline
export function statusFrame(dom: Domain, index: u32): usize {
  return <usize>load<u32>(slot(dom, DomainOff.gntStatus, index));
}

/** Notes where the guest has put a frame of its table. */
export function noteGrantGfn(dom: Domain, status: bool, index: u32, gfn: u32): void {
  store<u32>(slot(dom, status ? DomainOff.gntStatusGfn : DomainOff.gntSharedGfn, index), gfn);
}

/** Where the guest has put it last; something else may stand there by now. */
export function noteOfGrantGfn(dom: Domain, status: bool, index: u32): u32 {
  return load<u32>(slot(dom, status ? DomainOff.gntStatusGfn : DomainOff.gntSharedGfn, index));
}

/** References that the table has room for. */
export function grantRefs(dom: Domain): u32 {
  return dom.gntFrames * <u32>(dom.gntVersion == 2 ? GRANTS_PER_PAGE_V2 : GRANTS_PER_PAGE_V1);
}

/** Status frames of a version 2 table of `frames` frames. */
export function statusFrames(frames: u32): u32 {
  return (frames * <u32>GRANTS_PER_PAGE_V2 + <u32>STATUS_PER_PAGE - 1) / <u32>STATUS_PER_PAGE;
}

/** Address of the guest's entry; `ref` is below grantRefs. */
export function grantEntry(dom: Domain, ref: u32): usize {
  if (dom.gntVersion == 2) return sharedFrame(dom, ref >> 8) + ((ref & 255) << 4);
  return sharedFrame(dom, ref >> 9) + ((ref & 511) << 3);
}

/** Where the reading and writing bits of a reference are: the entry's flags, or its status word. */
export function statusWord(dom: Domain, ref: u32): usize {
  if (dom.gntVersion != 2) return grantEntry(dom, ref);
  return statusFrame(dom, ref >> 11) + ((ref & 2047) << 1);
}

export function activeOf(dom: Domain, ref: u32): GrantActive {
  const block = <usize>load<u32>(slot(dom, DomainOff.gntActive, ref >> 9));
  return changetype<GrantActive>(block + <usize>(ref & 511) * GrantActive_SIZE);
}

/** Creates a table of one frame; no lock is needed yet. */
export function initGrants(dom: Domain): bool {
  dom.gntVersion = 1;
  dom.gntMaxFrames = MAX_GRANT_FRAMES;
  dom.mapFree = 0xffffffff;
  return growGrants(dom, 1);
}

function xenPage(dom: Domain): usize {
  const mfn = frameAlloc(dom.domid);
  if (mfn != 0) frameOf(mfn).type = <u8>FrameType.XEN_SHARED;
  return frameAddress(mfn);
}

/** Makes the table at least `frames` frames long. */
export function growGrants(dom: Domain, frames: u32): bool {
  if (frames > dom.gntMaxFrames) return false;
  while (dom.gntFrames < frames) {
    const next = dom.gntFrames;
    if (!growActive(dom, dom.gntVersion, next + 1)) return false;
    if (dom.gntVersion == 2 && !growStatus(dom, next + 1)) return false;
    const page = xenPage(dom);
    if (page == 0) return false;
    store<u32>(slot(dom, DomainOff.gntShared, next), <u32>page);
    dom.gntFrames = next + 1;
  }
  return true;
}

/** Makes the records of all references that `frames` shared frames have room for in a version. */
function growActive(dom: Domain, version: u32, frames: u32): bool {
  const refs = frames * <u32>(version == 2 ? GRANTS_PER_PAGE_V2 : GRANTS_PER_PAGE_V1);
  for (let i: u32 = 0; i * ACTIVE_PER_BLOCK < refs; i++) {
    const at = slot(dom, DomainOff.gntActive, i);
    if (load<u32>(at) == 0) store<u32>(at, <u32>heapPages(ACTIVE_ORDER));
    if (load<u32>(at) == 0) return false;
  }
  return true;
}

/** Makes the status frames that `frames` shared frames need. */
function growStatus(dom: Domain, frames: u32): bool {
  const n = statusFrames(frames);
  for (let i: u32 = 0; i < n; i++) {
    const at = slot(dom, DomainOff.gntStatus, i);
    if (load<u32>(at) == 0) store<u32>(at, <u32>xenPage(dom));
    if (load<u32>(at) == 0) return false;
  }
  return true;
}

/** GNTTABOP_set_version: 0, or -EBUSY while grants are in use. */
export function setVersion(dom: Domain, version: u32): i32 {
  if (version != 1 && version != 2) return -Errno.EINVAL;
  if (version == dom.gntVersion) return 0;
  const refs = grantRefs(dom);
  for (let ref = RESERVED_ENTRIES; ref < refs; ref++) {
    const a = activeOf(dom, ref);
    if ((a.readers | a.writers) != 0) return -Errno.EBUSY;
  }
  // Frames have twice as many references in version 1.
  if (!growActive(dom, version, dom.gntFrames)) return -Errno.ENOMEM;
  if (version == 2 && !growStatus(dom, dom.gntFrames)) return -Errno.ENOMEM;
  convert(dom, version);
  return 0;
}

/** Rewrites the reserved entries, which may be in use, in the other version's form and clears all others. */
function convert(dom: Domain, version: u32): void {
  const first = sharedFrame(dom, 0);
  for (let i = 0; i < <i32>RESERVED_ENTRIES; i++) {
    // Going to wider entries the last comes first, so that none is overwritten before it is read.
    const ref = version == 2 ? RESERVED_ENTRIES - 1 - i : <u32>i;
    const from = first + ((<usize>ref) << (version == 2 ? 3 : 4));
    const to = first + ((<usize>ref) << (version == 2 ? 4 : 3));
    const head = load<u32>(from);
    const frame = version == 2 ? load<u32>(from, 4) : load<u32>(from, 8);
    if (version == 2) {
      store<u64>(to, head & ~IN_USE);
      store<u64>(to, frame, 8);
      store<u16>(statusFrame(dom, 0) + (ref << 1), <u16>(head & IN_USE));
    } else {
      store<u32>(to, head | ((<u32>load<u16>(statusFrame(dom, 0) + (ref << 1))) & IN_USE));
      store<u32>(to, frame, 4);
    }
  }
  const kept = (<usize>RESERVED_ENTRIES) << (version == 2 ? 4 : 3);
  memory.fill(first + kept, 0, 4096 - kept);
  for (let i: u32 = 1; i < dom.gntFrames; i++) memory.fill(sharedFrame(dom, i), 0, 4096);
  dom.gntVersion = version;
}
