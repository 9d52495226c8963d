/** The end of a dying domain's grant table and of the mappings it has made of others' grants. */
import { Domain, DomainOff, GrantMap } from "../../gen/layout";
import { framePut } from "../../mem/frames";
import { heapFreePages } from "../../mem/heap";
import { releaseGrant } from "./acquire";
import { mapOf, NO_HANDLE } from "./maptrack";
import {
  ACTIVE_ORDER,
  activeOf,
  grantRefs,
  lockGrants,
  MAX_GRANT_FRAMES,
  sharedFrame,
  statusFrame,
  unlockGrants,
} from "./table";

@inline
function word(dom: Domain, table: usize, index: u32): usize {
  return changetype<usize>(dom) + table + ((<usize>index) << 2);
}

/** Frees the table; pins that Domain0 still has on granted frames are dropped. Takes the locks itself. */
export function freeGrants(dom: Domain): void {
  dropMaptrack(dom);
  lockGrants(dom);
  const refs = grantRefs(dom);
  for (let ref: u32 = 0; ref < refs; ref++) {
    const a = activeOf(dom, ref);
    if (a.domid == 0) for (let n = a.readers + a.writers; n != 0; n--) framePut(a.mfn);
  }
  for (let i: u32 = 0; i < dom.gntFrames; i++) framePut(<u32>(sharedFrame(dom, i) >> 12));
  dom.gntFrames = 0;
  for (let i: u32 = 0; i < 16; i++) {
    if (statusFrame(dom, i) != 0) framePut(<u32>(statusFrame(dom, i) >> 12));
    store<u32>(word(dom, DomainOff.gntStatus, i), 0);
  }
  for (let i: u32 = 0; i < MAX_GRANT_FRAMES; i++) {
    heapFreePages(<usize>load<u32>(word(dom, DomainOff.gntActive, i)), ACTIVE_ORDER);
    store<u32>(word(dom, DomainOff.gntActive, i), 0);
  }
  unlockGrants(dom);
}

/** Ends every mapping of a dying domain; its p2m drops the frames itself. Takes locks itself. */
function dropMaptrack(dom: Domain): void {
  for (let h: u32 = 0; h < dom.mapCount; h++) {
    const t = mapOf(dom, h);
    if (t.flags != 0) releaseGrant(t.domid, t.ref, t.mfn, dom.domid, (t.flags & (<u16>GrantMap.READONLY)) != 0);
  }
  for (let i: u32 = 0; i < dom.mapCount >> 7; i++) {
    const slot = changetype<usize>(dom) + DomainOff.mapPages + (i << 2);
    heapFreePages(<usize>load<u32>(slot), 0);
    store<u32>(slot, 0);
  }
  dom.mapCount = 0;
  dom.mapFree = NO_HANDLE;
}
