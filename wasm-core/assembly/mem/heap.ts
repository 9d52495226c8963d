/**
 * Memory for the hypervisor's own structures: blocks of 2^n frames, and objects of 64 to 2048 bytes cut from frames.
 * Blocks come back to a list of their order. They are taken from there, from the fresh end of memory, and when that is used
 * up from frames in a row that guests have given back; when plain frames run out nothing is taken from those lists, because what
 * is freed here (vCPUs, code caches) is asked for again in the same sizes.
 */
import { Domid, FrameType, HEAP_ORDERS, MachineOff } from "../gen/layout";
import { spinLock, spinUnlock } from "../util/atomics";
import { machine } from "../util/host";
import { frameAddress, frameOf, takeFresh, takeRun } from "./frames";

const SLAB_MIN_SHIFT: u32 = 6;
const SLAB_MAX: u32 = 2048;

/** Address of 2^order zeroed frames in a row, or 0. */
export function heapPages(order: u32): usize {
  if (order >= <u32>HEAP_ORDERS) return 0;
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.frameLock;
  const slot = changetype<usize>(m) + MachineOff.heapOrders + ((<usize>order) << 2);
  const bytes = (<usize>4096) << order;
  spinLock(lock);
  const block = <usize>load<u32>(slot);
  if (block != 0) {
    store<u32>(slot, load<u32>(block));
    m.freeFrames -= 1 << order;
    spinUnlock(lock);
    memory.fill(block, 0, bytes);
    return block;
  }
  const count: u32 = 1 << order;
  let mfn = takeFresh(m, count);
  const recycled = mfn == 0;
  if (recycled) mfn = takeRun(m, count);
  for (let i: u32 = 0; mfn != 0 && i < count; i++) claim(mfn + i);
  spinUnlock(lock);
  if (mfn != 0 && recycled) memory.fill(frameAddress(mfn), 0, bytes);
  return frameAddress(mfn);
}

function claim(mfn: u32): void {
  const f = frameOf(mfn);
  f.owner = <u16>Domid.XEN;
  f.type = <u8>FrameType.HEAP;
  f.refs = 1;
}

/** Smallest order of heapPages that holds `bytes`. */
export function orderOf(bytes: u32): u32 {
  let order: u32 = 0;
  while ((<u32>4096) << order < bytes) order++;
  return order;
}

/** Gives back what heapPages returned. */
export function heapFreePages(block: usize, order: u32): void {
  if (block == 0) return;
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.frameLock;
  const slot = changetype<usize>(m) + MachineOff.heapOrders + ((<usize>order) << 2);
  spinLock(lock);
  store<u32>(block, load<u32>(slot));
  store<u32>(slot, <u32>block);
  m.freeFrames += 1 << order;
  spinUnlock(lock);
}

@inline
function slabClass(size: u32): u32 {
  return size <= 64 ? 0 : 32 - clz(size - 1) - SLAB_MIN_SHIFT;
}

/** A zeroed object of at most 2048 bytes, or 0. */
export function heapAlloc(size: u32): usize {
  if (size > SLAB_MAX) return 0;
  const m = machine();
  const cls = slabClass(size);
  const lock = changetype<usize>(m) + MachineOff.heapLock;
  const slot = changetype<usize>(m) + MachineOff.heapSlabs + ((<usize>cls) << 2);
  const bytes = (<usize>1) << (cls + SLAB_MIN_SHIFT);
  spinLock(lock);
  if (load<u32>(slot) == 0) refill(slot, bytes);
  const object = <usize>load<u32>(slot);
  if (object != 0) store<u32>(slot, load<u32>(object));
  spinUnlock(lock);
  if (object != 0) memory.fill(object, 0, bytes);
  return object;
}

function refill(slot: usize, bytes: usize): void {
  const page = heapPages(0);
  if (page == 0) return;
  let next: usize = 0;
  for (let at: usize = 0; at < 4096; at += bytes) {
    store<u32>(page + at, <u32>next);
    next = page + at;
  }
  store<u32>(slot, <u32>next);
}

/** Gives back an object of heapAlloc(size). */
export function heapFree(object: usize, size: u32): void {
  if (object == 0) return;
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.heapLock;
  const slot = changetype<usize>(m) + MachineOff.heapSlabs + ((<usize>slabClass(size)) << 2);
  spinLock(lock);
  store<u32>(object, load<u32>(slot));
  store<u32>(slot, <u32>object);
  spinUnlock(lock);
}
