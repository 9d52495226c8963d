/** The table of a domain's event-channel ports. All with Domain.evtLock held. [XEN] common/event_channel.c */
import {
  Domain,
  DomainOff,
  DOM0_PORTS,
  Evtchn,
  Evtchn_SIZE,
  EVTCHN_2L_PORTS,
  EVTCHN_2L_PORTS_32,
  EVTCHN_PER_PAGE,
  EvtchnState,
} from "../../gen/layout";
import { heapFreePages, heapPages } from "../../mem/heap";
import { spinLock, spinUnlock } from "../../util/atomics";

const ENOSPC: i32 = 28;
const ENOMEM: i32 = 12;
/** EVTCHN_FIFO_PRIORITY_DEFAULT */
export const DEFAULT_PRIORITY: u32 = 7;

@inline
export function evtLock(dom: Domain): usize {
  return changetype<usize>(dom) + DomainOff.evtLock;
}

export function lockPorts(dom: Domain): void {
  spinLock(evtLock(dom));
}

export function unlockPorts(dom: Domain): void {
  spinUnlock(evtLock(dom));
}

/** The record of a port; a null pointer for numbers that were never allocated. */
export function portOf(dom: Domain, port: u32): Evtchn {
  if (port >= dom.evtPorts) return changetype<Evtchn>(0);
  const page = <usize>load<u32>(changetype<usize>(dom) + DomainOff.evtBuckets + ((port >> 7) << 2));
  return changetype<Evtchn>(page + <usize>(port & 127) * Evtchn_SIZE);
}

/** Ports that the layout of shared_info has bits for. */
export function ports2l(dom: Domain): u32 {
  return dom.narrowInfo ? <u32>EVTCHN_2L_PORTS_32 : <u32>EVTCHN_2L_PORTS;
}

/** Ports that the domain may have under its present ABI. */
export function portLimit(dom: Domain): u32 {
  const most = min(dom.evtMaxPorts, <u32>DOM0_PORTS);
  return dom.evtFifo || dom.domid == 0 ? most : min(most, ports2l(dom));
}

/** A free port, its record still to be filled in; a negative errno when there is none. */
export function allocPort(dom: Domain): i32 {
  const limit = portLimit(dom);
  for (let port = dom.evtFree; port < limit; port++) {
    if (port >= dom.evtPorts && !addPage(dom)) return -ENOMEM;
    const e = portOf(dom, port);
    if (e.state != EvtchnState.FREE) continue;
    dom.evtFree = port + 1;
    e.priority = <u8>DEFAULT_PRIORITY;
    e.pending = 0;
    return <i32>port;
  }
  return -ENOSPC;
}

function addPage(dom: Domain): bool {
  const page = heapPages(0);
  if (page == 0) return false;
  store<u32>(changetype<usize>(dom) + DomainOff.evtBuckets + ((dom.evtPorts >> 7) << 2), <u32>page);
  dom.evtPorts += <u32>EVTCHN_PER_PAGE;
  return true;
}

/** Makes port 0 unusable, as in Xen: 0 stands for "no port". */
export function initPorts(dom: Domain): bool {
  if (!addPage(dom)) return false;
  portOf(dom, 0).state = <u8>EvtchnState.RESERVED;
  dom.evtFree = 1;
  return true;
}

export function releasePort(dom: Domain, port: u32, e: Evtchn): void {
  e.state = <u8>EvtchnState.FREE;
  e.notifyVcpu = 0;
  e.remoteDomid = 0;
  e.remotePort = 0;
  e.virq = 0;
  e.pending = 0;
  if (port < dom.evtFree) dom.evtFree = port;
}

/** Frees the table. Every port is closed. */
export function freePorts(dom: Domain): void {
  for (let at: u32 = 0; at < dom.evtPorts; at += <u32>EVTCHN_PER_PAGE) {
    const slot = changetype<usize>(dom) + DomainOff.evtBuckets + ((at >> 7) << 2);
    heapFreePages(<usize>load<u32>(slot), 0);
    store<u32>(slot, 0);
  }
  dom.evtPorts = 0;
}
