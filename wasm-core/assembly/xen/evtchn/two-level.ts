/** The 2-level event-channel ABI: pending and mask bits in shared_info. [XEN] common/event_2l.c */
import { Domain, SharedInfoOff, VcpuInfoOff } from "../../gen/layout";
import { domainVcpu } from "../../mem/domains";
import { markEventsPending, wakePollers, xenOf } from "./upcall";

@inline
function wordAt(dom: Domain, table: usize, port: u32): usize {
  return <usize>dom.sharedInfo + table + ((port >> 6) << 3);
}

@inline
function bitOf(port: u32): u64 {
  return (<u64>1) << (port & 63);
}

/** Marks the selector of the vCPU and tells it. */
function announce(dom: Domain, port: u32, vcpu: u32): void {
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) == 0) return;
  const bit = (<u64>1) << (port >> 6);
  if ((atomic.or<u64>(<usize>xenOf(cpu).info, bit, VcpuInfoOff.pendingSel) & bit) == 0) markEventsPending(cpu);
}

export function raise2l(dom: Domain, port: u32, vcpu: u32): void {
  const bit = bitOf(port);
  if ((atomic.or<u64>(wordAt(dom, SharedInfoOff.evtchnPending, port), bit) & bit) != 0) return;
  if ((atomic.load<u64>(wordAt(dom, SharedInfoOff.evtchnMask, port)) & bit) == 0) announce(dom, port, vcpu);
  wakePollers(dom, port);
}

export function unmask2l(dom: Domain, port: u32, vcpu: u32): void {
  const bit = bitOf(port);
  if ((atomic.and<u64>(wordAt(dom, SharedInfoOff.evtchnMask, port), ~bit) & bit) == 0) return;
  if (isPending2l(dom, port)) announce(dom, port, vcpu);
}

export function isPending2l(dom: Domain, port: u32): bool {
  return (atomic.load<u64>(wordAt(dom, SharedInfoOff.evtchnPending, port)) & bitOf(port)) != 0;
}

export function clear2l(dom: Domain, port: u32): void {
  atomic.and<u64>(wordAt(dom, SharedInfoOff.evtchnPending, port), ~bitOf(port));
}
