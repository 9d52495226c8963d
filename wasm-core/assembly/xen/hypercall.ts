/**
 * The hypercall entry: VMCALL and VMMCALL. RAX is the number; arguments are in RDI, RSI, RDX, R10, R8, in 32-bit code in
 * EBX, ECX, EDX, ESI, EDI. A continuation leaves its arguments in those registers and runs the instruction again, as
 * Xen does. Whatever does not exist answers -ENOSYS and is counted. [XEN] arch-x86/xen-x86_64.h
 */
import { DomainOff, DomainStat, Errno, Hypercall, Status, TraceCode, Vcpu, VcpuOff, XenVcpu } from "../gen/layout";
import { is64 } from "../cpu/modes";
import { getReg, setReg } from "../cpu/regs";
import { count, domainOfVcpu } from "../mem/domains";
import { trace } from "../util/host";
import { eventChannelOp } from "./evtchn/op";
import { xenOf } from "./evtchn/upcall";
import { grantTableOp } from "./gnttab/op";
import { arg, CONTINUE, setArg } from "./guest";
import { hvmOp } from "./hvm-op";
import { memoryOp } from "./memory-op";
import { consoleIo, setTimerOp, vmAssist } from "./misc-op";
import { multicall } from "./multicall";
import { writeRunstate } from "./runstate";
import { schedOp } from "./sched-op";
import { vcpuOp } from "./vcpu-op";
import { xenVersion } from "./version-op";

/** Register offsets of the arguments, in order. */
const WIDE_ARGS = memory.data<u8>([7 * 8, 6 * 8, 2 * 8, 10 * 8, 8 * 8]);
const NARROW_ARGS = memory.data<u8>([3 * 8, 1 * 8, 2 * 8, 6 * 8, 7 * 8]);
const ARGS: u32 = 5;
const RAX: usize = 0;

/** Runs hypercall `nr` on the arguments in XenVcpu.args. */
export function dispatch(cpu: Vcpu, x: XenVcpu, nr: u32): i64 {
  switch (nr) {
    case Hypercall.EVENT_CHANNEL_OP:
      return eventChannelOp(cpu, x);
    case Hypercall.VCPU_OP:
      return vcpuOp(cpu, x);
    case Hypercall.SCHED_OP:
      return schedOp(cpu, x);
    case Hypercall.GRANT_TABLE_OP:
      return grantTableOp(cpu, x);
    case Hypercall.MEMORY_OP:
      return memoryOp(cpu, x);
    case Hypercall.HVM_OP:
      return hvmOp(cpu, x);
    case Hypercall.XEN_VERSION:
      return xenVersion(cpu, x);
    case Hypercall.CONSOLE_IO:
      return consoleIo(cpu, x);
    case Hypercall.SET_TIMER_OP:
      return setTimerOp(cpu, x);
    case Hypercall.VM_ASSIST:
      return vmAssist(cpu, x);
    case Hypercall.MULTICALL:
      return multicall(cpu, x, dispatch);
    case Hypercall.PLATFORM_OP:
    case Hypercall.SYSCTL:
    case Hypercall.DOMCTL:
    case Hypercall.DM_OP:
    case Hypercall.HYPFS_OP:
      return -Errno.EPERM;
    case Hypercall.XENPMU_OP:
      return -Errno.EOPNOTSUPP;
    default:
      return absent(cpu, nr);
  }
}

/** Counts, traces at growing intervals, and refuses. */
function absent(cpu: Vcpu, nr: u32): i64 {
  const dom = domainOfVcpu(cpu);
  count(dom, DomainStat.UNKNOWN_HYPERCALLS);
  const n = load<u64>(changetype<usize>(dom) + DomainOff.stats + (DomainStat.UNKNOWN_HYPERCALLS << 3));
  if ((n & (n - 1)) == 0) trace(TraceCode.UNKNOWN_HYPERCALL, dom.domid, nr);
  return -Errno.ENOSYS;
}

/** The instruction. Status.END when done, Status.RESTART when it is to run again after a look at events. */
export function hypercall(cpu: Vcpu): i32 {
  const wide = is64(cpu);
  if (cpu.cpl != 0) {
    setResult(cpu, wide, -Errno.EPERM);
    return Status.END;
  }
  const x = xenOf(cpu);
  count(domainOfVcpu(cpu), DomainStat.HYPERCALLS);
  x.wide = wide ? 1 : 0;
  const table = wide ? WIDE_ARGS : NARROW_ARGS;
  for (let i: u32 = 0; i < ARGS; i++) {
    const reg = <usize>load<u8>(table + i);
    setArg(x, i, wide ? getReg<u64>(cpu, reg) : <u64>getReg<u32>(cpu, reg));
  }
  // A shootdown does not wait for a vCPU in here: it runs no guest instruction before it looks at its events.
  atomic.store<u32>(changetype<usize>(cpu), 1, VcpuOff.inHypervisor);
  const result = dispatch(cpu, x, getReg<u32>(cpu, RAX));
  if (x.runstateStale && x.runstateSet) writeRunstate(cpu);
  atomic.store<u32>(changetype<usize>(cpu), 0, VcpuOff.inHypervisor);
  if (result != CONTINUE) {
    setResult(cpu, wide, result);
    return Status.END;
  }
  for (let i: u32 = 0; i < ARGS; i++) {
    const reg = <usize>load<u8>(table + i);
    if (wide) setReg<u64>(cpu, reg, arg(x, i));
    else setReg<u32>(cpu, reg, <u32>arg(x, i));
  }
  return Status.RESTART;
}

function setResult(cpu: Vcpu, wide: bool, result: i64): void {
  if (wide) setReg<u64>(cpu, RAX, <u64>result);
  else setReg<u32>(cpu, RAX, <u32>result);
}
