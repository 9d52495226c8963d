/** HYPERVISOR_vcpu_op(cmd, vcpu, structure). [XEN] vcpu.h */
import { Domain, Errno, EventBit, Hypercall, Vcpu, VcpuInfo_SIZE, VcpuInfoOff, XenVcpu } from "../gen/layout";
import { domainOfVcpu, domainVcpu, goneDown } from "../mem/domains";
import { frameAddress, framePut } from "../mem/frames";
import { p2mMfn } from "../mem/p2m";
import { pinToWrite } from "../mmu/monitor";
import { copyToGuest } from "../mmu/access";
import { vcpuKick, vcpuWake } from "../sched/wake";
import { machineTime, NEVER } from "../util/host";
import { lockPorts, unlockPorts } from "./evtchn/port";
import { selectAll } from "./evtchn/two-level";
import { assertUpcall, xenOf } from "./evtchn/upcall";
import { arg, getStruct, unknownOp } from "./guest";
import { fillRunstate, narrowRunstate, runstateBytes, writeRunstate } from "./runstate";
import { updateTime } from "./time";
import { setPeriodic, setSingleshot } from "./timers";

const INITIALISE = 0,
  UP = 1,
  DOWN = 2,
  IS_UP = 3,
  GET_RUNSTATE = 4,
  REGISTER_RUNSTATE = 5,
  SET_PERIODIC = 6;
const STOP_PERIODIC = 7,
  SET_SINGLESHOT = 8,
  STOP_SINGLESHOT = 9,
  REGISTER_INFO = 10,
  SEND_NMI = 11,
  GET_PHYSID = 12;
const REGISTER_TIME = 13;
const MIN_PERIOD: u64 = 1_000_000;
/** VCPU_SSHOTTMR_future: refuse a deadline that has passed. */
const ONLY_FUTURE: u32 = 1;

export function vcpuOp(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  const target = domainVcpu(domainOfVcpu(cpu), <u32>arg(x, 1));
  if (changetype<usize>(target) == 0) return -Errno.ENOENT;
  switch (cmd) {
    case IS_UP:
      return target.online;
    case UP:
      return up(target);
    case DOWN:
      return down(domainOfVcpu(cpu), target);
    case GET_RUNSTATE:
      return getRunstate(cpu, x, target);
    case REGISTER_RUNSTATE:
      return registerRunstate(cpu, x, target);
    case REGISTER_TIME:
      return registerTime(cpu, x, target);
    case REGISTER_INFO:
      return registerInfo(cpu, x, target);
    case SEND_NMI:
      vcpuKick(target, EventBit.NMI);
      return 0;
    case SET_PERIODIC:
    case STOP_PERIODIC:
    case SET_SINGLESHOT:
    case STOP_SINGLESHOT:
      return target === cpu ? timer(cpu, x, cmd) : -Errno.EINVAL;
    case INITIALISE:
    case GET_PHYSID:
      return -Errno.ENOSYS;
    default:
      unknownOp(cpu, Hypercall.VCPU_OP, cmd);
      return -Errno.ENOSYS;
  }
}

/** Brings back a vCPU that went down; one that never started needs INIT and SIPI. */
function up(target: Vcpu): i64 {
  if (target.online) return 0;
  if (target.icount == 0) return -Errno.EINVAL;
  target.online = 1;
  target.waitForSipi = 0;
  vcpuWake(target);
  return 0;
}

function down(dom: Domain, target: Vcpu): i64 {
  if (goneDown(dom, target)) return 0;
  target.waitForSipi = 1;
  vcpuKick(target, EventBit.STOP);
  return 0;
}

function timer(cpu: Vcpu, x: XenVcpu, cmd: u32): i64 {
  if (cmd == STOP_PERIODIC) {
    setPeriodic(cpu, 0);
    return 0;
  }
  if (cmd == STOP_SINGLESHOT) {
    setSingleshot(cpu, NEVER);
    return 0;
  }
  const op = getStruct(cpu, x, arg(x, 2), cmd == SET_PERIODIC ? 8 : 12);
  if (op == 0) return -Errno.EFAULT;
  const ns = load<u64>(op);
  if (cmd == SET_PERIODIC) {
    if (ns < MIN_PERIOD || ns > <u64>i64.MAX_VALUE) return -Errno.EINVAL;
    setPeriodic(cpu, ns);
    return 0;
  }
  if ((load<u32>(op, 8) & ONLY_FUTURE) != 0 && ns < machineTime()) return -Errno.ETIME;
  setSingleshot(cpu, ns);
  return 0;
}

function getRunstate(cpu: Vcpu, x: XenVcpu, target: Vcpu): i64 {
  const at = <usize>x.scratch;
  const narrow = x.wide == 0;
  fillRunstate(target, at);
  if (narrow) narrowRunstate(at);
  return copyToGuest(cpu, arg(x, 2), at, runstateBytes(narrow)) ? 0 : -Errno.EFAULT;
}

function registerRunstate(cpu: Vcpu, x: XenVcpu, target: Vcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 2), x.wide ? 8 : 4);
  if (op == 0) return -Errno.EFAULT;
  const tx = xenOf(target);
  tx.runstateGva = x.wide ? load<u64>(op) : <u64>load<u32>(op);
  tx.runstateNarrow = x.wide ? 0 : 1;
  tx.runstateSet = 1;
  tx.runstateStale = 1;
  if (target === cpu) writeRunstate(cpu);
  return 0;
}

function registerTime(cpu: Vcpu, x: XenVcpu, target: Vcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 2), x.wide ? 8 : 4);
  if (op == 0) return -Errno.EFAULT;
  const tx = xenOf(target);
  tx.timeGva = x.wide ? load<u64>(op) : <u64>load<u32>(op);
  tx.timeSet = tx.timeGva != 0 ? 1 : 0;
  updateTime(target, cpu);
  return 0;
}

/** {gfn u64 0, offset u32 8}: moves vcpu_info into the guest's own memory, once. */
function registerInfo(cpu: Vcpu, x: XenVcpu, target: Vcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 2), 16);
  if (op == 0) return -Errno.EFAULT;
  const offset = load<u32>(op, 8);
  if ((offset & 7) != 0 || offset > 4096 - <u32>VcpuInfo_SIZE) return -Errno.EINVAL;
  const dom = domainOfVcpu(cpu);
  const entry = pinToWrite(dom, load<u64>(op));
  if (entry == 0) return -Errno.EINVAL;
  const mfn = p2mMfn(entry);
  if (!moveInfo(dom, target, mfn, offset)) {
    framePut(mfn);
    return -Errno.EINVAL;
  }
  updateTime(target, cpu);
  const tx = xenOf(target);
  if (tx.upcallVector != 0 || dom.callbackVia != 0) assertUpcall(target);
  return 0;
}

/** Everything is marked pending in the new place, so that no event is lost on the way. */
function moveInfo(dom: Domain, target: Vcpu, mfn: u32, offset: u32): bool {
  const tx = xenOf(target);
  lockPorts(dom);
  const first = tx.infoMfn == 0;
  if (first) {
    const at = frameAddress(mfn) + offset;
    memory.copy(at, <usize>tx.info, VcpuInfo_SIZE);
    tx.info = <u32>at;
    tx.infoMfn = mfn;
    selectAll(dom, at);
    atomic.store<u8>(at, 1, VcpuInfoOff.upcallPending);
  }
  unlockPorts(dom);
  return first;
}
