/**
 * The 2-level event-channel ABI: pending and mask bits in shared_info. The words of a 32-bit guest are half as long: its
 * bitmaps are read as the same bytes, but its masks lie elsewhere and its selector counts 32 ports to a bit.
 * [XEN] common/event_2l.c
 */
import { Domain, SharedInfo32Off, SharedInfoOff, VcpuInfo32Off, VcpuInfoOff } from "../../gen/layout";
import { domainVcpu } from "../../mem/domains";
import { ports2l } from "./port";
import { markEventsPending, wakePollers, xenOf } from "./upcall";

@inline
function wordAt(dom: Domain, table: usize, port: u32): usize {
  return <usize>dom.sharedInfo + table + ((port >> 6) << 3);
}

@inline
function maskAt(dom: Domain, port: u32): usize {
  return wordAt(dom, dom.narrowInfo ? SharedInfo32Off.evtchnMask : SharedInfoOff.evtchnMask, port);
}

@inline
function bitOf(port: u32): u64 {
  return (<u64>1) << (port & 63);
}

/** Sets the selector bit of a port: true when it was clear. */
function select(dom: Domain, info: usize, port: u32): bool {
  if (dom.narrowInfo) {
    const bit: u32 = 1 << (port >> 5);
    return (atomic.or<u32>(info, bit, VcpuInfo32Off.pendingSel) & bit) == 0;
  }
  const bit = (<u64>1) << (port >> 6);
  return (atomic.or<u64>(info, bit, VcpuInfoOff.pendingSel) & bit) == 0;
}

/** Sets every selector bit of a vcpu_info. */
export function selectAll(dom: Domain, info: usize): void {
  if (dom.narrowInfo) atomic.store<u32>(info, 0xffffffff, VcpuInfo32Off.pendingSel);
  else atomic.store<u64>(info, u64.MAX_VALUE, VcpuInfoOff.pendingSel);
}

/** Marks the selector of the vCPU and tells it. */
function announce(dom: Domain, port: u32, vcpu: u32): void {
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) != 0 && select(dom, <usize>xenOf(cpu).info, port)) markEventsPending(cpu);
}

export function raise2l(dom: Domain, port: u32, vcpu: u32): void {
  if (port >= ports2l(dom)) return;
  const bit = bitOf(port);
  if ((atomic.or<u64>(wordAt(dom, SharedInfoOff.evtchnPending, port), bit) & bit) != 0) return;
  if ((atomic.load<u64>(maskAt(dom, port)) & bit) == 0) announce(dom, port, vcpu);
  wakePollers(dom, port);
}

export function unmask2l(dom: Domain, port: u32, vcpu: u32): void {
  if (port >= ports2l(dom)) return;
  const bit = bitOf(port);
  if ((atomic.and<u64>(maskAt(dom, port), ~bit) & bit) == 0) return;
  if (isPending2l(dom, port)) announce(dom, port, vcpu);
}

export function isPending2l(dom: Domain, port: u32): bool {
  return port < ports2l(dom) && (atomic.load<u64>(wordAt(dom, SharedInfoOff.evtchnPending, port)) & bitOf(port)) != 0;
}

export function clear2l(dom: Domain, port: u32): void {
  if (port < ports2l(dom)) atomic.and<u64>(wordAt(dom, SharedInfoOff.evtchnPending, port), ~bitOf(port));
}
