/** The handles of the mappings that a domain has made. With Domain.mapLock held unless said. */
import { Domain, DomainOff, Maptrack, Maptrack_SIZE, MAPTRACK_PER_PAGE } from "../../gen/layout";
import { heapPages } from "../../mem/heap";
import { spinLock, spinUnlock } from "../../util/atomics";

/** Not a handle. */
export const NO_HANDLE: u32 = 0xffffffff;
const MAX_PAGES: u32 = 128;

export function lockMaps(dom: Domain): void {
  spinLock(changetype<usize>(dom) + DomainOff.mapLock);
}

export function unlockMaps(dom: Domain): void {
  spinUnlock(changetype<usize>(dom) + DomainOff.mapLock);
}

/** The mapping of a handle; a null pointer for handles never given out. */
export function mapOf(dom: Domain, handle: u32): Maptrack {
  if (handle >= dom.mapCount) return changetype<Maptrack>(0);
  const page = <usize>load<u32>(changetype<usize>(dom) + DomainOff.mapPages + ((handle >> 7) << 2));
  return changetype<Maptrack>(page + <usize>(handle & 127) * Maptrack_SIZE);
}

/** A handle whose record is the caller's to fill in; all ones when the domain has too many. */
export function allocHandle(dom: Domain): u32 {
  if (dom.mapFree == NO_HANDLE && !addPage(dom)) return NO_HANDLE;
  const handle = dom.mapFree;
  dom.mapFree = mapOf(dom, handle).ref;
  dom.mapUsed += 1;
  return handle;
}

function addPage(dom: Domain): bool {
  const index = dom.mapCount >> 7;
  const page = index < MAX_PAGES ? heapPages(0) : 0;
  if (page == 0) return false;
  store<u32>(changetype<usize>(dom) + DomainOff.mapPages + (index << 2), <u32>page);
  const first = dom.mapCount;
  dom.mapCount += <u32>MAPTRACK_PER_PAGE;
  for (let h = dom.mapCount; h-- > first;) {
    mapOf(dom, h).ref = dom.mapFree;
    dom.mapFree = h;
  }
  return true;
}

export function freeHandle(dom: Domain, handle: u32): void {
  const t = mapOf(dom, handle);
  t.flags = 0;
  t.ref = dom.mapFree;
  dom.mapFree = handle;
  dom.mapUsed -= 1;
}
