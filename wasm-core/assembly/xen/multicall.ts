/** HYPERVISOR_multicall(entries, count): several hypercalls in one. Entries: op 0, result 8, args[6] 16. [XEN] xen.h */
import { Errno, Vcpu, XenVcpu, XenVcpuOff } from "../gen/layout";
import { copyFromGuest, copyToGuest } from "../mmu/access";
import { arg, chargeItems, CONTINUE, setArg, shouldYield } from "./guest";

const ENTRY_BYTES: u32 = 64;
const ENTRY_AT: usize = 3584;

/** Runs hypercall `nr` on the arguments in XenVcpu.args. */
type Dispatch = (cpu: Vcpu, x: XenVcpu, nr: u32) => i64;

export function multicall(cpu: Vcpu, x: XenVcpu, dispatch: Dispatch): i64 {
  if (!x.wide || x.multicall) return -Errno.ENOSYS;
  let gva = arg(x, 0);
  const n = <u32>arg(x, 1);
  if (<i32>n < 0) return -Errno.EINVAL;
  const entry = <usize>x.scratch + ENTRY_AT;
  const args = changetype<usize>(x) + XenVcpuOff.args;
  for (let i: u32 = 0; i < n; i++, gva += ENTRY_BYTES) {
    if (shouldYield(cpu, i)) return later(cpu, x, gva, n - i, i);
    if (!copyFromGuest(cpu, entry, gva, ENTRY_BYTES)) return -Errno.EFAULT;
    memory.copy(args, entry + 16, 48);
    x.multicall = 1;
    const result = dispatch(cpu, x, load<u32>(entry));
    x.multicall = 0;
    if (result == CONTINUE) {
      // What is left of the entry goes back to the guest's copy; the multicall goes on with it.
      if (!copyToGuest(cpu, gva + 16, args, 48)) return -Errno.EFAULT;
      return later(cpu, x, gva, n - i, i + 1);
    }
    store<i64>(entry, result, 8);
    if (!copyToGuest(cpu, gva + 8, entry + 8, 8)) return -Errno.EFAULT;
  }
  return 0;
}

function later(cpu: Vcpu, x: XenVcpu, gva: u64, left: u32, done: u32): i64 {
  setArg(x, 0, gva);
  setArg(x, 1, left);
  chargeItems(cpu, done);
  return CONTINUE;
}
