/**
 * The frame table and the frame allocator. Frames come from a free list or, at first, from the fresh end of memory,
 * which grows in steps, so that a machine costs what it touches. A frame is handed out zeroed and with one reference;
 * its last framePut frees it.
 */
import {
  Frame,
  Frame_SIZE,
  FrameFlag,
  FrameOff,
  FrameType,
  Machine,
  MachineOff,
  MACHINE_BASE,
  TraceCode,
} from "../gen/layout";
import { spinLock, spinUnlock } from "../util/atomics";
import { machine, trace } from "../util/host";

/** Step by which memory grows, in wasm pages. */
const GROW_PAGES: u32 = 128;
/** Frames to a wasm page. */
const FRAMES_PER_PAGE: u32 = 16;

@inline
export function frameOf(mfn: u32): Frame {
  return changetype<Frame>(<usize>load<u32>(MACHINE_BASE, MachineOff.frameTable) + <usize>mfn * Frame_SIZE);
}

@inline
export function frameAddress(mfn: u32): usize {
  return (<usize>mfn) << 12;
}

/** Makes sure that memory reaches to the end of frame `end - 1`. Call with the frame lock held. */
function reach(end: u32): bool {
  const have = <u32>memory.size();
  const need = (end + FRAMES_PER_PAGE - 1) / FRAMES_PER_PAGE;
  if (need <= have) return true;
  const last = (machine().totalFrames + FRAMES_PER_PAGE - 1) / FRAMES_PER_PAGE;
  const goal = min(max(need, have + GROW_PAGES), max(last, need));
  if (memory.grow(<i32>(goal - have)) >= 0 || memory.grow(<i32>(need - have)) >= 0) return true;
  machine().totalFrames = min(machine().totalFrames, <u32>memory.size() * FRAMES_PER_PAGE);
  return false;
}

/** `count` frames in a row from the fresh end of memory, or 0. Call with the frame lock held. */
export function takeFresh(m: Machine, count: u32): u32 {
  const first = m.freshFrame;
  if (count > m.totalFrames - first || !reach(first + count)) return 0;
  m.freshFrame = first + count;
  return first;
}

/** The first frame of the free list, or 0. Call with the frame lock held. */
function takeListed(m: Machine): u32 {
  const mfn = m.freeHead;
  if (mfn == 0) return 0;
  m.freeHead = frameOf(mfn).refs;
  m.freeFrames -= 1;
  return mfn;
}

/**
 * `count` free frames in a row, taken out of the free list, or 0: for when the fresh end of memory is used up. Call with
 * the frame lock held.
 */
export function takeRun(m: Machine, count: u32): u32 {
  if (m.freeHead == 0 || count == 1) return takeListed(m);
  let run: u32 = 0;
  for (let mfn = m.firstFrame; mfn < m.freshFrame; mfn++) {
    run = frameOf(mfn).type == <u8>FrameType.FREE ? run + 1 : 0;
    if (run != count) continue;
    const first = mfn + 1 - count;
    unlist(m, first, count);
    return first;
  }
  return 0;
}

/** Takes the frames from `first` on out of the free list. */
function unlist(m: Machine, first: u32, count: u32): void {
  let link = changetype<usize>(m) + MachineOff.freeHead;
  while (load<u32>(link) != 0) {
    const at = load<u32>(link);
    const next = changetype<usize>(frameOf(at)) + FrameOff.refs;
    if (at - first < count) store<u32>(link, load<u32>(next));
    else link = next;
  }
  m.freeFrames -= count;
}

/** A zeroed frame with one reference, or 0 when the machine is full. */
export function frameAlloc(owner: u32): u32 {
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.frameLock;
  spinLock(lock);
  let mfn = takeListed(m);
  const recycled = mfn != 0;
  if (!recycled) mfn = takeFresh(m, 1);
  // With the lock: takeRun looks at the type.
  if (mfn != 0) frameOf(mfn).type = <u8>FrameType.GUEST;
  spinUnlock(lock);
  if (mfn == 0) {
    trace(TraceCode.OUT_OF_FRAMES, owner, m.freeFrames);
    return 0;
  }
  if (recycled) memory.fill(frameAddress(mfn), 0, 4096);
  const f = frameOf(mfn);
  f.owner = <u16>owner;
  f.flags = 0;
  atomic.store<u32>(changetype<usize>(f), 1, FrameOff.refs);
  return mfn;
}

/** Takes a reference. Only for a frame that cannot be freed meanwhile: another reference or a lock keeps it. */
@inline
export function frameGet(mfn: u32): void {
  atomic.add<u32>(changetype<usize>(frameOf(mfn)), 1, FrameOff.refs);
}

@inline
function strandedAt(m: Machine, f: Frame): usize {
  return <usize>m.stranded + ((<usize>f.owner) << 2);
}

/**
 * The owner of a frame is about to drop its reference: where others have some as well, the frame is still charged to it until
 * they let go, or two guests could have more than either may.
 */
export function frameStrand(mfn: u32): void {
  const f = frameOf(mfn);
  if (atomic.load<u32>(changetype<usize>(f), FrameOff.refs) == 1) return;
  atomic.or<u8>(changetype<usize>(f), <u8>FrameFlag.STRANDED, FrameOff.flags);
  atomic.add<u32>(strandedAt(machine(), f), 1);
}

/** Frames that domain `domid` gave back while others had them, and still have. */
@inline
export function strandedFrames(domid: u32): u32 {
  return atomic.load<u32>(<usize>machine().stranded + ((<usize>domid) << 2));
}

/** Drops a reference; the last one frees the frame. Returns true then. */
export function framePut(mfn: u32): bool {
  const f = frameOf(mfn);
  if (atomic.sub<u32>(changetype<usize>(f), 1, FrameOff.refs) != 1) return false;
  frameRetire(f);
  const m = machine();
  if (f.flags & (<u8>FrameFlag.STRANDED)) atomic.sub<u32>(strandedAt(m, f), 1);
  const lock = changetype<usize>(m) + MachineOff.frameLock;
  spinLock(lock);
  f.type = <u8>FrameType.FREE;
  f.refs = m.freeHead;
  m.freeHead = mfn;
  m.freeFrames += 1;
  spinUnlock(lock);
  return true;
}

/**
 * Forgets the code that was decoded from a frame; false when there was none. The map is cleared and the generation
 * counted up in one step, so that whoever marks bytes learns with the old map which generation it belongs to. What the
 * caller has written before is seen by whoever marks bytes afterwards.
 */
export function frameRetire(f: Frame): bool {
  const at = changetype<usize>(f) + FrameOff.codeMap;
  // An addition of nothing is a barrier too, which a load is not.
  let old = atomic.add<u64>(at, 0);
  while (<u32>old != 0) {
    const seen = atomic.cmpxchg<u64>(at, old, ((old >> 32) + 1) << 32);
    if (seen == old) return true;
    old = seen;
  }
  return false;
}

/** Marks chunks of a frame as decoded: what codeMap (low half) and codeGen (high half) were when that was done. */
@inline
export function frameMark(f: Frame, bits: u32): u64 {
  return atomic.or<u64>(changetype<usize>(f) + FrameOff.codeMap, <u64>bits);
}

@inline
export function codeMapOf(f: Frame): u32 {
  return atomic.load<u32>(changetype<usize>(f) + FrameOff.codeMap);
}

/** Whether code that was decoded from the frame has been overwritten: what was made of it may still run. */
@inline
export function codeWasHere(f: Frame): bool {
  return f.codeGen != 0;
}

/** Whether the frame has a line that MONITOR armed. */
@inline
export function isMonitored(f: Frame): bool {
  return (atomic.load<u8>(changetype<usize>(f) + FrameOff.flags) & (<u8>FrameFlag.MONITORED)) != 0;
}

/** Whether a write to the frame must be seen: it holds decoded code or an armed line. */
@inline
export function isWatched(f: Frame): bool {
  return codeMapOf(f) != 0 || isMonitored(f);
}

/** Frames that can still be had. */
export function freeFrames(): u32 {
  const m = machine();
  return m.freeFrames + (m.totalFrames - m.freshFrame);
}
