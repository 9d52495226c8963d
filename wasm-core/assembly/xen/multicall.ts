/**
 * HYPERVISOR_multicall(entries, count): several hypercalls in one. Entries: op 0, result 8, args[6] 16; in 32-bit guests
 * op 0, result 4, args[6] 8. [XEN] xen.h
 */
import { Errno, Vcpu, XenVcpu } from "../gen/layout";
import { copyFromGuest, copyToGuest } from "../mmu/access";
import { arg, chargeItems, CONTINUE, setArg, shouldYield } from "./guest";

const ARGS: u32 = 6;
const ENTRY_AT: usize = 3584;

/** Runs hypercall `nr` on the arguments in XenVcpu.args. */
type Dispatch = (cpu: Vcpu, x: XenVcpu, nr: u32) => i64;

export function multicall(cpu: Vcpu, x: XenVcpu, dispatch: Dispatch): i64 {
  if (x.multicall) return -Errno.ENOSYS;
  const wide = x.wide != 0;
  const word: u32 = wide ? 8 : 4;
  const bytes = (ARGS + 2) * word;
  let gva = arg(x, 0);
  const n = <u32>arg(x, 1);
  if (<i32>n < 0) return -Errno.EINVAL;
  const entry = <usize>x.scratch + ENTRY_AT;
  for (let i: u32 = 0; i < n; i++, gva += bytes) {
    if (shouldYield(cpu, i)) return later(cpu, x, gva, n - i, i);
    if (!copyFromGuest(cpu, entry, gva, bytes)) return -Errno.EFAULT;
    readArgs(x, entry + 2 * word, wide);
    x.multicall = 1;
    const result = dispatch(cpu, x, load<u32>(entry));
    x.multicall = 0;
    if (result == CONTINUE) {
      // What is left of the entry goes back to the guest's copy; the multicall goes on with it.
      writeArgs(x, entry, wide);
      if (!copyToGuest(cpu, gva + 2 * word, entry, ARGS * word)) return -Errno.EFAULT;
      return later(cpu, x, gva, n - i, i + 1);
    }
    store<i64>(entry, result);
    if (!copyToGuest(cpu, gva + word, entry, word)) return -Errno.EFAULT;
  }
  return 0;
}

function readArgs(x: XenVcpu, from: usize, wide: bool): void {
  for (let i: u32 = 0; i < ARGS; i++) setArg(x, i, wide ? load<u64>(from + (i << 3)) : <u64>load<u32>(from + (i << 2)));
}

function writeArgs(x: XenVcpu, to: usize, wide: bool): void {
  for (let i: u32 = 0; i < ARGS; i++) {
    if (wide) store<u64>(to + (i << 3), arg(x, i));
    else store<u32>(to + (i << 2), <u32>arg(x, i));
  }
}

function later(cpu: Vcpu, x: XenVcpu, gva: u64, left: u32, done: u32): i64 {
  setArg(x, 0, gva);
  setArg(x, 1, left);
  chargeItems(cpu, done);
  return CONTINUE;
}
