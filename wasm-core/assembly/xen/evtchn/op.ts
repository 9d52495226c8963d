/**
 * HYPERVISOR_event_channel_op(cmd, structure). Its structures are the same for 32-bit guests. EVTCHNOP_reset may take many
 * slices: bits 6 and up of cmd are the port to go on with. [XEN] event_channel.h
 */
import { Domid, Errno, EvtchnState, Hypercall, Vcpu, XenVcpu } from "../../gen/layout";
import { domainOfVcpu } from "../../mem/domains";
import { copyToGuest } from "../../mmu/access";
import { arg, CMD_MASK, CMD_SHIFT, getStruct, goOn, isSelf, shouldYield, unknownOp } from "../guest";
import {
  allocUnbound,
  bindInterdomain,
  bindIpi,
  bindVcpu,
  bindVirq,
  closePort,
  leaveFifo,
  sendPort,
  setPriority,
  unmaskPort,
} from "./channel";
import { expandArray, FIFO_LINK_BITS, initControl } from "./fifo";
import { lockPorts, portOf, unlockPorts } from "./port";

const BIND_INTERDOMAIN = 0,
  BIND_VIRQ = 1,
  BIND_PIRQ = 2,
  CLOSE = 3,
  SEND = 4,
  STATUS = 5,
  ALLOC_UNBOUND = 6;
const BIND_IPI = 7,
  BIND_VCPU = 8,
  UNMASK = 9,
  RESET = 10,
  INIT_CONTROL = 11,
  EXPAND_ARRAY = 12,
  SET_PRIORITY = 13;

/** Bytes of a command's structure, 0 for commands that do not exist. */
function sizeOf(cmd: u32): u32 {
  switch (cmd) {
    case BIND_INTERDOMAIN:
      return 12;
    case BIND_VIRQ:
      return 12;
    case CLOSE:
    case SEND:
    case UNMASK:
      return 4;
    case STATUS:
    case INIT_CONTROL:
      return 24;
    case ALLOC_UNBOUND:
    case BIND_IPI:
    case BIND_VCPU:
    case EXPAND_ARRAY:
    case SET_PRIORITY:
      return 8;
    case RESET:
      return 2;
    default:
      return 0;
  }
}

export function eventChannelOp(cpu: Vcpu, x: XenVcpu): i64 {
  const word = <u32>arg(x, 0);
  const cmd = (word & (<u32>CMD_MASK)) == RESET ? <u32>RESET : word;
  const size = sizeOf(cmd);
  if (size == 0) {
    if (cmd != BIND_PIRQ) unknownOp(cpu, Hypercall.EVENT_CHANNEL_OP, cmd);
    return -Errno.ENOSYS;
  }
  const gva = arg(x, 1);
  const op = getStruct(cpu, x, gva, size);
  if (op == 0) return -Errno.EFAULT;
  const dom = domainOfVcpu(cpu);
  switch (cmd) {
    case SEND:
      return sendPort(dom, load<u32>(op));
    case UNMASK:
      return unmaskPort(dom, load<u32>(op));
    case CLOSE:
      return closePort(dom, load<u32>(op));
    case BIND_VCPU:
      return bindVcpu(dom, load<u32>(op), load<u32>(op, 4));
    case SET_PRIORITY:
      return setPriority(dom, load<u32>(op), load<u32>(op, 4));
    case EXPAND_ARRAY:
      return expandArray(dom, load<u64>(op));
    case RESET:
      if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
      return reset(cpu, x, word >> (<u32>CMD_SHIFT));
    default:
      return answering(cpu, cmd, gva, op, size);
  }
}

/** Closes the ports from `first` on, and then leaves the FIFO ABI. */
function reset(cpu: Vcpu, x: XenVcpu, first: u32): i64 {
  const dom = domainOfVcpu(cpu);
  for (let port = max<u32>(first, 1); port < dom.evtPorts; port++) {
    const done = port - first;
    if (shouldYield(cpu, done)) return goOn(cpu, x, port, done);
    closePort(dom, port);
  }
  leaveFifo(dom);
  return 0;
}

/** Commands that write something back. */
function answering(cpu: Vcpu, cmd: u32, gva: u64, op: usize, size: u32): i64 {
  const dom = domainOfVcpu(cpu);
  let result: i32 = 0;
  if (cmd == BIND_VIRQ) result = putPort(op, 8, bindVirq(dom, load<u32>(op), load<u32>(op, 4)));
  else if (cmd == BIND_IPI) result = putPort(op, 4, bindIpi(dom, load<u32>(op)));
  else if (cmd == ALLOC_UNBOUND) result = allocFor(cpu, op);
  else if (cmd == BIND_INTERDOMAIN) result = bindTo(cpu, op);
  else if (cmd == STATUS) result = status(cpu, op);
  else {
    result = initControl(dom, load<u64>(op), load<u32>(op, 8), load<u32>(op, 12));
    store<u8>(op, <u8>FIFO_LINK_BITS, 16);
  }
  if (result < 0) return result;
  return copyToGuest(cpu, gva, op, size) ? 0 : -Errno.EFAULT;
}

function putPort(op: usize, at: usize, port: i32): i32 {
  if (port >= 0) store<u32>(op + at, port);
  return port < 0 ? port : 0;
}

function allocFor(cpu: Vcpu, op: usize): i32 {
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const remote = <u32>load<u16>(op, 2);
  return putPort(op, 4, allocUnbound(domainOfVcpu(cpu), remote == Domid.SELF ? domainOfVcpu(cpu).domid : remote));
}

function bindTo(cpu: Vcpu, op: usize): i32 {
  const remote = <u32>load<u16>(op);
  const domid = remote == Domid.SELF ? domainOfVcpu(cpu).domid : remote;
  return putPort(op, 8, bindInterdomain(domainOfVcpu(cpu), domid, load<u32>(op, 4)));
}

/** status: dom 0, port 4, status 8, vcpu 12, then by status: remote domid 16 and port 20, or the VIRQ 16. */
function status(cpu: Vcpu, op: usize): i32 {
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const dom = domainOfVcpu(cpu);
  lockPorts(dom);
  const e = portOf(dom, load<u32>(op, 4));
  const known = changetype<usize>(e) != 0;
  if (known) {
    const state = e.state == EvtchnState.RESERVED ? <u8>EvtchnState.FREE : e.state;
    store<u32>(op, state, 8);
    store<u32>(op, e.notifyVcpu, 12);
    store<u64>(op, 0, 16);
    if (state == EvtchnState.UNBOUND || state == EvtchnState.INTERDOMAIN) store<u16>(op, e.remoteDomid, 16);
    if (state == EvtchnState.INTERDOMAIN) store<u32>(op, e.remotePort, 20);
    if (state == EvtchnState.VIRQ) store<u32>(op, e.virq, 16);
  }
  unlockPorts(dom);
  return known ? 0 : -Errno.EINVAL;
}
