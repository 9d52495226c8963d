/** What the tests of mem/ drive. Compiled by them alone. */
import { Domain, Domain_SIZE, DomainOff, ShutdownReason } from "../gen/layout";
import { domainOf } from "./domains";
import { frameAlloc, frameGet, frameOf, framePut, frameRetire, freeFrames } from "./frames";
import { heapAlloc, heapFree, heapFreePages, heapPages } from "./heap";
import { layoutMachine, machineReady } from "./machine";
import { p2mDestroy, p2mEntry, p2mGet, p2mInit, p2mMakePod, p2mRelease, p2mReplace, p2mResolve, p2mSet } from "./p2m";
import { machine } from "../util/host";
import { spinLock, spinTryLock, spinUnlock } from "../util/atomics";

export {
  frameAlloc,
  frameGet,
  framePut,
  freeFrames,
  heapAlloc,
  heapFree,
  heapFreePages,
  heapPages,
  p2mEntry,
  p2mRelease,
  spinLock,
  spinTryLock,
  spinUnlock,
};

export function start(frames: u32): i32 {
  const result = layoutMachine(frames, 1, false, 1);
  machineReady();
  return result;
}
export function frameAddressOf(mfn: u32): usize {
  return changetype<usize>(frameOf(mfn));
}
export function retire(mfn: u32): void {
  frameRetire(frameOf(mfn));
}

/** A bare domain with a p2m and `count` pages of RAM from gfn 0. */
export function makeDomain(domid: u32, count: u32, maxPages: u32): Domain {
  const dom = changetype<Domain>(heapPages(2));
  dom.domid = domid;
  dom.shutdownReason = <u32>ShutdownReason.NONE;
  dom.maxPages = maxPages;
  dom.curPages = count;
  dom.p2mMaxNodes = 64;
  dom.ramRanges = 1;
  store<u32>(changetype<usize>(dom) + DomainOff.ram, count, 4);
  p2mInit(dom);
  return dom;
}
export function get(dom: Domain, gfn: u64): u32 {
  return p2mGet(dom, gfn);
}
export function resolve(dom: Domain, gfn: u64, access: u32): u32 {
  return p2mResolve(dom, gfn, access);
}
export function set(dom: Domain, gfn: u32, entry: u32): u32 {
  return p2mSet(dom, gfn, entry);
}
export function replace(dom: Domain, gfn: u32, old: u32, entry: u32): u32 {
  return p2mReplace(dom, gfn, old, entry);
}
export function makePod(dom: Domain, gfn: u32): bool {
  return p2mMakePod(dom, gfn);
}
export function destroy(dom: Domain): void {
  p2mDestroy(dom);
}
export function domainSize(): usize {
  return Domain_SIZE;
}
export function freshFrame(): u32 {
  return machine().freshFrame;
}
export function lookup(domid: u32): usize {
  return changetype<usize>(domainOf(domid));
}

/** Adds to a plain word under a lock, and takes and gives frames: what several threads may do at once. */
export function contend(lock: usize, word: usize, rounds: u32): void {
  for (let i: u32 = 0; i < rounds; i++) {
    spinLock(lock);
    store<u32>(word, load<u32>(word) + 1);
    spinUnlock(lock);
    if ((i & 7) == 0) {
      const mfn = frameAlloc(1);
      const page = heapPages(0);
      store<u32>(page, i);
      framePut(mfn);
      heapFreePages(page, 0);
    }
  }
}
