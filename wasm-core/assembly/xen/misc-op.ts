/** The small hypercalls: console_io, set_timer_op, vm_assist, multicall's neighbours. [XEN] xen.h */
import { DomainStat, Errno, Hypercall, LogKind, Vcpu, XenVcpu } from "../gen/layout";
import { count, domainOfVcpu } from "../mem/domains";
import { copyFromGuest } from "../mmu/access";
import { NEVER } from "../util/host";
import { arg, chargeItems, CONTINUE, setArg, unknownOp } from "./guest";
import { logWrite } from "./log";
import { setSingleshot } from "./timers";

const CONSOLE_WRITE = 0,
  CONSOLE_READ = 1;
/** Bytes to a log record. */
const CONSOLE_CHUNK: u32 = 512;
/** Bytes to a slice of one console_io. */
const CONSOLE_SLICE: u32 = 4096;
const ASSIST_ENABLE = 0,
  ASSIST_DISABLE = 1;
/** VMASST_TYPE_runstate_update_flag */
export const ASSIST_RUNSTATE: u32 = 5;

/** console_io(cmd, count, buffer): writes go to the machine's log. There is no input. */
export function consoleIo(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  if (cmd == CONSOLE_READ) return 0;
  if (cmd != CONSOLE_WRITE) {
    unknownOp(cpu, Hypercall.CONSOLE_IO, cmd);
    return -Errno.ENOSYS;
  }
  const dom = domainOfVcpu(cpu);
  let left = <u32>arg(x, 1);
  if (<i32>left < 0) return -Errno.EINVAL;
  let gva = arg(x, 2);
  for (let done: u32 = 0; left != 0;) {
    const n = min(left, CONSOLE_CHUNK);
    if (!copyFromGuest(cpu, <usize>x.scratch, gva, n)) return -Errno.EFAULT;
    logWrite(dom.domid, LogKind.CONSOLE, <usize>x.scratch, n);
    count(dom, DomainStat.CONSOLE_BYTES, n);
    left -= n;
    gva += n;
    done += n;
    if (left != 0 && done >= CONSOLE_SLICE) {
      setArg(x, 1, left);
      setArg(x, 2, gva);
      chargeItems(cpu, done);
      return CONTINUE;
    }
  }
  return 0;
}

/** set_timer_op(deadline): 0 stops. A 32-bit guest gives the deadline in two arguments. */
export function setTimerOp(cpu: Vcpu, x: XenVcpu): i64 {
  const at = x.wide ? arg(x, 0) : (<u64>(<u32>arg(x, 0))) | (arg(x, 1) << 32);
  setSingleshot(cpu, at == 0 ? NEVER : at);
  return 0;
}

/** vm_assist(cmd, type): HVM guests have one kind. */
export function vmAssist(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  if (<u32>arg(x, 1) != ASSIST_RUNSTATE) return -Errno.EINVAL;
  const dom = domainOfVcpu(cpu);
  if (cmd == ASSIST_ENABLE) dom.vmAssist |= 1 << ASSIST_RUNSTATE;
  else if (cmd == ASSIST_DISABLE) dom.vmAssist &= ~((<u32>1) << ASSIST_RUNSTATE);
  else return -Errno.ENOSYS;
  return 0;
}
