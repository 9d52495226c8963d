/**
 * Hypercall arguments and structures. Arguments lie in XenVcpu.args, so that an operation that is not finished leaves
 * the arguments of its continuation there and returns CONTINUE; structures are copied to the vCPU's scratch page.
 */
import { DomainOff, DomainStat, Domid, EventBit, TraceCode, Vcpu, VcpuOff, XenVcpu, XenVcpuOff } from "../gen/layout";
import { count, domainOfVcpu } from "../mem/domains";
import { copyFromGuest } from "../mmu/access";
import { trace } from "../util/host";

/** Not a result: the vCPU is to look at its events and run the hypercall again. */
export const CONTINUE: i64 = i64.MIN_VALUE;
/** Where handlers may keep arrays in the scratch page, behind the structure. */
export const SCRATCH_ARRAY: usize = 1024;
/** Items after which a long operation looks up. */
const SLICE: u32 = 256;
/** Instructions that an item of a long operation counts for. */
const ITEM_COST: i32 = 20;

@inline
export function arg(x: XenVcpu, n: u32): u64 {
  return load<u64>(changetype<usize>(x) + XenVcpuOff.args + ((<usize>n) << 3));
}

@inline
export function setArg(x: XenVcpu, n: u32, v: u64): void {
  store<u64>(changetype<usize>(x) + XenVcpuOff.args + ((<usize>n) << 3), v);
}

/** Copies a structure into the scratch page: its address, 0 when the guest's pointer is bad. */
export function getStruct(cpu: Vcpu, x: XenVcpu, gva: u64, bytes: u32): usize {
  const at = <usize>x.scratch;
  return copyFromGuest(cpu, at, gva, bytes) ? at : 0;
}

/** True when a domid argument means the caller itself. */
export function isSelf(cpu: Vcpu, domid: u32): bool {
  return domid == Domid.SELF || domid == domainOfVcpu(cpu).domid;
}

/** True when a long operation that has done `done` items should give way. */
export function shouldYield(cpu: Vcpu, done: u32): bool {
  if ((done & 31) != 0 || done == 0) return false;
  if (done >= SLICE) return true;
  // EventBit.SETTLE asks nothing of a vCPU that is in here.
  return (atomic.load<u32>(changetype<usize>(cpu), VcpuOff.events) & ~(<u32>EventBit.SETTLE)) != 0;
}

/** Books a continuation on the vCPU's slice. */
export function chargeItems(cpu: Vcpu, done: u32): void {
  cpu.budget -= <i32>done * ITEM_COST;
}

/** Bits of a command in argument 0; above them a continuation keeps the item that it begins with. [XEN] memory.h */
export const CMD_SHIFT: u64 = 6;
export const CMD_MASK: u64 = (1 << CMD_SHIFT) - 1;

/** The continuation of a command that has `done` items behind it in this slice and begins with item `next`. */
export function goOn(cpu: Vcpu, x: XenVcpu, next: u64, done: u32): i64 {
  setArg(x, 0, (next << CMD_SHIFT) | (arg(x, 0) & CMD_MASK));
  chargeItems(cpu, done);
  return CONTINUE;
}

/** Counts a hypercall or sub-operation that does not exist, and traces it at growing intervals. */
export function unknownOp(cpu: Vcpu, hypercall: u32, sub: u32): void {
  const dom = domainOfVcpu(cpu);
  count(dom, DomainStat.UNKNOWN_HYPERCALLS);
  const n = load<u64>(changetype<usize>(dom) + DomainOff.stats + (DomainStat.UNKNOWN_HYPERCALLS << 3));
  if ((n & (n - 1)) == 0) trace(TraceCode.UNKNOWN_SUBOP, (dom.domid << 16) | (hypercall & 0xffff), sub);
}
