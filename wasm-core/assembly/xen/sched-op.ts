/** HYPERVISOR_sched_op(cmd, structure). Giving up the processor is done when the run loop is left. [XEN] sched.h */
import { BlockMode, Errno, EventBit, EvtchnState, Hypercall, Vcpu, VcpuInfoOff, VcpuOff, XenVcpu } from "../gen/layout";
import { domainOfVcpu, domainShutdown } from "../mem/domains";
import { copyFromGuest } from "../mmu/access";
import { NEVER } from "../util/host";
import { isPortPending } from "./evtchn/channel";
import { lockPorts, portOf, unlockPorts } from "./evtchn/port";
import { POLL_MANY } from "./evtchn/upcall";
import { arg, getStruct, SCRATCH_ARRAY, unknownOp } from "./guest";
import { beginPoll, endPoll } from "./timers";
import { setWatchdog } from "./watchdog";

const YIELD = 0,
  BLOCK = 1,
  SHUTDOWN = 2,
  POLL = 3,
  REMOTE_SHUTDOWN = 4,
  SHUTDOWN_CODE = 5,
  WATCHDOG = 6,
  PIN_OVERRIDE = 7;
const MAX_REASON: u32 = 5;
const MAX_POLL_PORTS: u32 = 128;

/** Makes the vCPU leave the run loop after this hypercall. */
function leave(cpu: Vcpu): void {
  atomic.or<u32>(changetype<usize>(cpu), EventBit.STOP, VcpuOff.events);
}

export function schedOp(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  switch (cmd) {
    case YIELD:
      x.yielded = 1;
      leave(cpu);
      return 0;
    case BLOCK:
      return block(cpu, x);
    case SHUTDOWN:
      return shutdown(cpu, x);
    case POLL:
      return poll(cpu, x);
    case SHUTDOWN_CODE:
      return getStruct(cpu, x, arg(x, 1), 4) != 0 ? 0 : -Errno.EFAULT;
    case REMOTE_SHUTDOWN:
    case PIN_OVERRIDE:
      return -Errno.EPERM;
    case WATCHDOG:
      return watchdog(cpu, x);
    default:
      unknownOp(cpu, Hypercall.SCHED_OP, cmd);
      return -Errno.ENOSYS;
  }
}

/** {id 0, timeout in seconds 4}. */
function watchdog(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), 8);
  return op == 0 ? -Errno.EFAULT : setWatchdog(cpu, load<u32>(op), load<u32>(op, 4));
}

function block(cpu: Vcpu, x: XenVcpu): i64 {
  if (load<u8>(<usize>x.info, VcpuInfoOff.upcallPending) != 0) return 0;
  x.block = BlockMode.BLOCK;
  leave(cpu);
  return 0;
}

function shutdown(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), 4);
  if (op == 0) return -Errno.EFAULT;
  const reason = load<u32>(op);
  if (reason > MAX_REASON) return -Errno.EINVAL;
  domainShutdown(domainOfVcpu(cpu), reason);
  return 0;
}

/** {ports pointer 0, nr 8, timeout 16}; in 32-bit guests 0, 4, 8. Blocks until a port is pending or the time has come. */
function poll(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), x.wide ? 24 : 16);
  if (op == 0) return -Errno.EFAULT;
  const list = x.wide ? load<u64>(op) : <u64>load<u32>(op);
  const n = x.wide ? load<u32>(op, 8) : load<u32>(op, 4);
  const timeout = x.wide ? load<u64>(op, 16) : load<u64>(op, 8);
  if (n > MAX_POLL_PORTS) return -Errno.EINVAL;
  const ports = op + SCRATCH_ARRAY;
  if (!copyFromGuest(cpu, ports, list, n * 4)) return -Errno.EFAULT;
  beginPoll(cpu, n == 1 ? load<u32>(ports) : n == 0 ? 0 : POLL_MANY, timeout == 0 ? NEVER : timeout);
  const result = anyPending(cpu, ports, n);
  if (result != 0) {
    endPoll(cpu);
    return result < 0 ? result : 0;
  }
  leave(cpu);
  return 0;
}

/** 1 when one of the ports is pending, 0 when none is, negative for a port that does not exist. */
function anyPending(cpu: Vcpu, ports: usize, n: u32): i32 {
  const dom = domainOfVcpu(cpu);
  let result = 0;
  lockPorts(dom);
  for (let i: u32 = 0; i < n && result == 0; i++) {
    const port = load<u32>(ports + (i << 2));
    const e = portOf(dom, port);
    if (changetype<usize>(e) == 0 || e.state == EvtchnState.FREE) result = -Errno.EINVAL;
    else if (isPortPending(dom, port)) result = 1;
  }
  unlockPorts(dom);
  return result;
}
