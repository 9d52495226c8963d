/**
 * The machine's log: a ring of records that console_io fills and Domain0 reads (`xl dmesg`). Indices are free-running
 * byte counts; the producer moves logTail past records that it is about to overwrite, so a reader that finds its own
 * index below logTail has lost something and goes on there. A record may wrap.
 */
import { LOG_BYTES, LogRecord_SIZE, LogRecordOff, Machine, MachineOff } from "../gen/layout";
import { ring, spinLock, spinUnlock } from "../util/atomics";
import { machine } from "../util/host";

const MASK: u32 = <u32>LOG_BYTES - 1;
const HEADER: u32 = <u32>LogRecord_SIZE;

@inline
function padded(length: u32): u32 {
  return (length + 3) & ~3;
}

function put(base: usize, at: u32, from: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) store<u8>(base + ((at + i) & MASK), load<u8>(from + i));
}

/** Moves the tail until `need` bytes fit behind `prod`. */
function makeRoom(m: Machine, prod: u32, need: u32): void {
  let tail = m.logTail;
  while (prod + need - tail > <u32>LOG_BYTES) {
    const length = load<u32>(<usize>m.logBase + ((tail + <u32>LogRecordOff.length) & MASK));
    tail += HEADER + padded(length);
  }
  atomic.store<u32>(changetype<usize>(m), tail, MachineOff.logTail);
}

/** Appends one record of at most 1 KiB and rings Domain0. */
export function logWrite(domid: u32, kind: u32, from: usize, length: u32): void {
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.logLock;
  spinLock(lock);
  const prod = m.logProd;
  makeRoom(m, prod, HEADER + padded(length));
  const base = <usize>m.logBase;
  // Records are multiples of four bytes, and so is the ring: words do not wrap.
  store<u32>(base + (prod & MASK), domid | (kind << 16));
  store<u32>(base + ((prod + <u32>LogRecordOff.length) & MASK), length);
  put(base, prod + HEADER, from, length);
  atomic.store<u32>(changetype<usize>(m), prod + HEADER + padded(length), MachineOff.logProd);
  spinUnlock(lock);
  ring(changetype<usize>(m) + MachineOff.doorbell);
}
