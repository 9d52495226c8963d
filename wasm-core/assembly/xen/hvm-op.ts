/** HYPERVISOR_hvm_op(cmd, structure), as a guest may use it. [XEN] hvm/hvm_op.h, hvm/params.h */
import { Domain, DomainOff, Errno, Hypercall, HVM_PARAMS, HvmParam, Vcpu, VcpuInfoOff, XenVcpu } from "../gen/layout";
import { flushDomainTlb } from "../mem/shootdown";
import { domainOfVcpu, domainVcpu } from "../mem/domains";
import { copyToGuest } from "../mmu/access";
import { machineTime } from "../util/host";
import { assertUpcall, xenOf } from "./evtchn/upcall";
import { arg, getStruct, isSelf, unknownOp } from "./guest";

const SET_PARAM = 0,
  GET_PARAM = 1,
  FLUSH_TLBS = 5,
  PAGETABLE_DYING = 9,
  GET_TIME = 10,
  SET_UPCALL_VECTOR = 23;
/** Vectors below are exceptions. */
const FIRST_VECTOR: u32 = 16;

@inline
function slot(dom: Domain, index: u32): usize {
  return changetype<usize>(dom) + DomainOff.hvmParams + ((<usize>index) << 3);
}

/** Value of a parameter; index below HVM_PARAMS. */
export function getParam(dom: Domain, index: u32): u64 {
  return load<u64>(slot(dom, index));
}

/** Sets a parameter for whoever may. */
export function setParam(dom: Domain, index: u32, value: u64): void {
  store<u64>(slot(dom, index), value);
  if (index == HvmParam.CALLBACK_IRQ) setCallback(dom, value);
}

/** The new callback is used at once for events that already wait. */
function setCallback(dom: Domain, via: u64): void {
  dom.callbackVia = via;
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (load<u8>(<usize>xenOf(cpu).info, VcpuInfoOff.upcallPending) != 0) assertUpcall(cpu);
  }
}

function guestMaySet(index: u32): bool {
  return index == HvmParam.CALLBACK_IRQ || index == HvmParam.VM86_TSS || index == HvmParam.ACPI_S_STATE;
}

function guestMayGet(index: u32): bool {
  switch (index) {
    case HvmParam.CALLBACK_IRQ:
    case HvmParam.VM86_TSS:
    case HvmParam.ACPI_S_STATE:
    case HvmParam.STORE_PFN:
    case HvmParam.STORE_EVTCHN:
    case HvmParam.CONSOLE_PFN:
    case HvmParam.CONSOLE_EVTCHN:
    case HvmParam.ACPI_IOPORTS_LOCATION:
      return true;
    default:
      return false;
  }
}

export function hvmOp(cpu: Vcpu, x: XenVcpu): i64 {
  const cmd = <u32>arg(x, 0);
  switch (cmd) {
    case SET_PARAM:
    case GET_PARAM:
      return param(cpu, x, cmd);
    case SET_UPCALL_VECTOR:
      return setUpcallVector(cpu, x);
    case FLUSH_TLBS:
      flushDomainTlb(domainOfVcpu(cpu));
      return 0;
    case GET_TIME:
      store<u64>(<usize>x.scratch, machineTime());
      return copyToGuest(cpu, arg(x, 1), <usize>x.scratch, 8) ? 0 : -Errno.EFAULT;
    case PAGETABLE_DYING:
      return -Errno.ENOSYS;
    default:
      unknownOp(cpu, Hypercall.HVM_OP, cmd);
      return -Errno.ENOSYS;
  }
}

/** {domid 0, index 4, value 8}. */
function param(cpu: Vcpu, x: XenVcpu, cmd: u32): i64 {
  const op = getStruct(cpu, x, arg(x, 1), 16);
  if (op == 0) return -Errno.EFAULT;
  if (!isSelf(cpu, load<u16>(op))) return -Errno.EPERM;
  const index = load<u32>(op, 4);
  if (index >= <u32>HVM_PARAMS) return -Errno.EINVAL;
  const dom = domainOfVcpu(cpu);
  if (cmd == SET_PARAM) {
    if (!guestMaySet(index)) return -Errno.EPERM;
    setParam(dom, index, load<u64>(op, 8));
    return 0;
  }
  if (!guestMayGet(index)) return -Errno.EPERM;
  store<u64>(op, getParam(dom, index), 8);
  return copyToGuest(cpu, arg(x, 1), op, 16) ? 0 : -Errno.EFAULT;
}

/** {vcpu u32 0, vector u8 4}. */
function setUpcallVector(cpu: Vcpu, x: XenVcpu): i64 {
  const op = getStruct(cpu, x, arg(x, 1), 8);
  if (op == 0) return -Errno.EFAULT;
  const vector = <u32>load<u8>(op, 4);
  if (vector < FIRST_VECTOR) return -Errno.EINVAL;
  const target = domainVcpu(domainOfVcpu(cpu), load<u32>(op));
  if (changetype<usize>(target) == 0) return -Errno.ENOENT;
  const tx = xenOf(target);
  tx.upcallVector = vector;
  if (load<u8>(<usize>tx.info, VcpuInfoOff.upcallPending) != 0) assertUpcall(target);
  return 0;
}
