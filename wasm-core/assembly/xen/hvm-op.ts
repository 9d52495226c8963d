/** HYPERVISOR_hvm_op(cmd, structure), as a guest may use it. [XEN] hvm/hvm_op.h, hvm/params.h */
import {
  Domain,
  DomainOff,
  Errno,
  Hypercall,
  HVM_PARAMS,
  HvmParam,
  IOAPIC_PINS,
  PlatformFlag,
  Vcpu,
  VcpuInfoOff,
  XenVcpu,
} from "../gen/layout";
import { flushDomainTlb } from "../mem/shootdown";
import { domainOfVcpu, domainVcpu } from "../mem/domains";
import { copyToGuest } from "../mmu/access";
import { machineTime } from "../util/host";
import { assertUpcall, xenOf } from "./evtchn/upcall";
import { arg, getStruct, isSelf, unknownOp } from "./guest";
import { latchInfoLayout } from "./time";

const SET_PARAM = 0,
  GET_PARAM = 1,
  FLUSH_TLBS = 5,
  PAGETABLE_DYING = 9,
  GET_TIME = 10,
  SET_UPCALL_VECTOR = 23;
const CALLBACK_TYPE_SHIFT: u64 = 56;
const CALLBACK_PCI_INTX: u64 = 1;
const CALLBACK_VECTOR: u64 = 2;
/** hvm_pci_intx_gsi: the GSIs of PCI lines begin behind those of ISA. */
const FIRST_PCI_GSI: u32 = 16;
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

/** The I/O APIC pin that a callback of type 0 (a GSI) or 1 (device 15:11, INTx 1:0) means, 0 when it has none. */
function pinOf(via: u64): u32 {
  let gsi = <u32>(via & 0xff);
  if (via >> CALLBACK_TYPE_SHIFT == CALLBACK_PCI_INTX) {
    const device = (<u32>(via >> 11)) & 31;
    gsi = ((device * 4 + (device >> 3) + (gsi & 3)) & 31) + FIRST_PCI_GSI;
  }
  return gsi < <u32>IOAPIC_PINS ? gsi : 0;
}

/**
 * The new callback is used at once for events that already wait. Without an I/O APIC anything but a vector changes
 * nothing: the callback that was in force stays so, as in Xen.
 */
function setCallback(dom: Domain, via: u64): void {
  const type = via >> CALLBACK_TYPE_SHIFT;
  if (type != CALLBACK_VECTOR && (dom.platform & PlatformFlag.IOAPIC) == 0) return;
  dom.callbackPin = type <= CALLBACK_PCI_INTX ? pinOf(via) : 0;
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
    if (index == HvmParam.CALLBACK_IRQ) latchInfoLayout(dom, x.wide == 0);
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
