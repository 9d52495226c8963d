/**
 * Event channels between domains: allocate, bind, send, close. Domain0 has no vCPUs; its pending ports are bits in the
 * Machine struct and its doorbell takes the place of the upcall. [XEN] common/event_channel.c
 */
import { Domain, DomainStat, Errno, Evtchn, EvtchnState, MachineOff, Virq, XenVcpuOff } from "../../gen/layout";
import { count, domainOf, domainVcpu, isLive } from "../../mem/domains";
import { ring, spinLockPair, spinUnlockPair } from "../../util/atomics";
import { machine } from "../../util/host";
import { clearFifo, dropFifo, isPendingFifo, raiseFifo, unmaskFifo } from "./fifo";
import { allocPort, evtLock, lockPorts, portOf, releasePort, unlockPorts } from "./port";
import { clear2l, isPending2l, raise2l, unmask2l } from "./two-level";

const FIFO_PRIORITIES: u32 = 16;

@inline
function isNull(e: Evtchn): bool {
  return changetype<usize>(e) == 0;
}

/** Sets a port of `dom` pending. With its lock held. */
export function raisePort(dom: Domain, port: u32, e: Evtchn): void {
  if (dom.domid == 0) {
    pendDomain0(port);
    ringDomain0();
  } else if (dom.evtFifo) raiseFifo(dom, port, e);
  else raise2l(dom, port, e.notifyVcpu);
}

function pendDomain0(port: u32): void {
  const m = changetype<usize>(machine());
  const word = (<usize>port) >> 6;
  atomic.or<u64>(m + MachineOff.dom0Pending + (word << 3), (<u64>1) << (port & 63));
  atomic.or<u64>(m + MachineOff.dom0Selector + ((word >> 6) << 3), (<u64>1) << (word & 63));
}

function ringDomain0(): void {
  ring(changetype<usize>(machine()) + MachineOff.doorbell);
}

/** The next pending port of Domain0, cleared; -1 when there is none. */
export function takeDomain0(): i32 {
  const m = changetype<usize>(machine());
  for (let s: usize = 0; s < 4; s++) {
    const selector = m + MachineOff.dom0Selector + (s << 3);
    while (true) {
      const sel = atomic.load<u64>(selector);
      if (sel == 0) break;
      const bit = <u64>ctz(sel);
      const word = (s << 6) + <usize>bit;
      const slot = m + MachineOff.dom0Pending + (word << 3);
      const pending = atomic.load<u64>(slot);
      if (pending == 0) {
        atomic.and<u64>(selector, ~((<u64>1) << bit));
        // A port that was raised between the two is not lost: its raiser set the selector after the word.
        if (atomic.load<u64>(slot) != 0) atomic.or<u64>(selector, (<u64>1) << bit);
        continue;
      }
      const low = ctz(pending);
      atomic.and<u64>(slot, ~((<u64>1) << low));
      return <i32>((word << 6) + <usize>low);
    }
  }
  return -1;
}

/** Whether the port of a guest is pending. With its lock held. */
export function isPortPending(dom: Domain, port: u32): bool {
  return dom.evtFifo ? isPendingFifo(dom, port) : isPending2l(dom, port);
}

function clearPort(dom: Domain, port: u32, e: Evtchn): void {
  if (dom.domid == 0) {
    const slot = changetype<usize>(machine()) + MachineOff.dom0Pending + ((port >> 6) << 3);
    atomic.and<u64>(slot, ~((<u64>1) << (port & 63)));
    return;
  }
  if (dom.evtFifo) clearFifo(dom, port, e);
  // Also what was pending when the guest changed to the FIFO ABI: after a reset it may be back here.
  clear2l(dom, port);
}

/** A new port of `dom` that `remote` may bind. Port or negative errno. */
export function allocUnbound(dom: Domain, remote: u32): i32 {
  lockPorts(dom);
  const port = allocPort(dom);
  if (port >= 0) {
    const e = portOf(dom, port);
    e.state = <u8>EvtchnState.UNBOUND;
    e.remoteDomid = <u16>remote;
  }
  unlockPorts(dom);
  return port;
}

/** Binds a new port of `dom` to `remotePort` of `remoteDomid`, which must be waiting for `dom`. */
export function bindInterdomain(dom: Domain, remoteDomid: u32, remotePort: u32): i32 {
  const remote = domainOf(remoteDomid);
  if (changetype<usize>(remote) == 0) return -Errno.ESRCH;
  spinLockPair(evtLock(dom), evtLock(remote));
  const port = bindLocked(dom, remote, remoteDomid, remotePort);
  spinUnlockPair(evtLock(dom), evtLock(remote));
  return port;
}

function bindLocked(dom: Domain, remote: Domain, remoteDomid: u32, remotePort: u32): i32 {
  if (!isLive(remote, remoteDomid)) return -Errno.ESRCH;
  const r = portOf(remote, remotePort);
  if (isNull(r) || r.state != EvtchnState.UNBOUND || r.remoteDomid != <u16>dom.domid) return -Errno.EINVAL;
  const port = allocPort(dom);
  if (port < 0) return port;
  const e = portOf(dom, port);
  if (e === r) return -Errno.EINVAL;
  e.state = <u8>EvtchnState.INTERDOMAIN;
  e.remoteDomid = <u16>remoteDomid;
  e.remotePort = remotePort;
  r.state = <u8>EvtchnState.INTERDOMAIN;
  r.remotePort = port;
  // Notifications sent to the unbound port were lost: make up for them.
  raisePort(dom, port, e);
  return port;
}

export function bindVirq(dom: Domain, virq: u32, vcpu: u32): i32 {
  if (virq >= <u32>Virq.COUNT) return -Errno.EINVAL;
  if (vcpu != 0 && !isPerVcpu(virq)) return -Errno.EINVAL;
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) == 0) return -Errno.ENOENT;
  const slot = <usize>cpu.xen + XenVcpuOff.virq + (virq << 2);
  lockPorts(dom);
  let port = load<u32>(slot) != 0 ? -Errno.EEXIST : allocPort(dom);
  if (port >= 0) {
    const e = portOf(dom, port);
    e.state = <u8>EvtchnState.VIRQ;
    e.notifyVcpu = <u16>vcpu;
    e.virq = <u16>virq;
    store<u32>(slot, port);
  }
  unlockPorts(dom);
  return port;
}

function isPerVcpu(virq: u32): bool {
  return virq == Virq.TIMER || virq == Virq.DEBUG || virq == Virq.XENOPROF || virq == Virq.XENPMU;
}

export function bindIpi(dom: Domain, vcpu: u32): i32 {
  if (changetype<usize>(domainVcpu(dom, vcpu)) == 0) return -Errno.ENOENT;
  lockPorts(dom);
  const port = allocPort(dom);
  if (port >= 0) {
    const e = portOf(dom, port);
    e.state = <u8>EvtchnState.IPI;
    e.notifyVcpu = <u16>vcpu;
  }
  unlockPorts(dom);
  return port;
}

/** EVTCHNOP_send: raises the other end. */
export function sendPort(dom: Domain, port: u32): i32 {
  lockPorts(dom);
  const e = portOf(dom, port);
  const state = isNull(e) ? <u8>EvtchnState.FREE : e.state;
  const remoteDomid = isNull(e) ? 0 : <u32>e.remoteDomid;
  const remotePort = isNull(e) ? 0 : e.remotePort;
  if (state == EvtchnState.IPI) raisePort(dom, port, e);
  unlockPorts(dom);
  count(dom, DomainStat.EVTCHN_SENDS);
  if (state == EvtchnState.IPI || state == EvtchnState.UNBOUND) return 0;
  if (state != EvtchnState.INTERDOMAIN) return -Errno.EINVAL;
  raiseRemote(dom, port, remoteDomid, remotePort);
  return 0;
}

/** Raises `remotePort` if it still is the other end of `port`: its own record says so, under its own lock. */
function raiseRemote(dom: Domain, port: u32, remoteDomid: u32, remotePort: u32): void {
  const remote = domainOf(remoteDomid);
  if (changetype<usize>(remote) == 0) return;
  lockPorts(remote);
  const r = isLive(remote, remoteDomid) ? portOf(remote, remotePort) : changetype<Evtchn>(0);
  const isOurs =
    !isNull(r) && r.state == EvtchnState.INTERDOMAIN && r.remoteDomid == <u16>dom.domid && r.remotePort == port;
  if (isOurs && remoteDomid == 0) pendDomain0(remotePort);
  else if (isOurs) raisePort(remote, remotePort, r);
  unlockPorts(remote);
  // Waking a thread takes as long as many sends, and Domain0, awake, wants the same lock to answer.
  if (isOurs && remoteDomid == 0) ringDomain0();
}

/** Raises a VIRQ on one vCPU; nothing happens when it is not bound. */
export function raiseVirq(dom: Domain, vcpu: u32, virq: u32): i32 {
  if (virq >= <u32>Virq.COUNT) return -Errno.EINVAL;
  lockPorts(dom);
  const cpu = domainVcpu(dom, isPerVcpu(virq) ? vcpu : 0);
  const port = changetype<usize>(cpu) != 0 ? load<u32>(<usize>cpu.xen + XenVcpuOff.virq + (virq << 2)) : 0;
  const e = portOf(dom, port);
  if (port != 0 && !isNull(e) && e.state == EvtchnState.VIRQ) raisePort(dom, port, e);
  unlockPorts(dom);
  return port != 0 ? 0 : -Errno.ENOENT;
}

/** Closes a port; its other end becomes unbound. */
export function closePort(dom: Domain, port: u32): i32 {
  while (true) {
    lockPorts(dom);
    const e = portOf(dom, port);
    if (isNull(e) || e.state == EvtchnState.FREE || e.state == EvtchnState.RESERVED) {
      unlockPorts(dom);
      return -Errno.EINVAL;
    }
    if (e.state != EvtchnState.INTERDOMAIN) {
      closeLocked(dom, port, e);
      unlockPorts(dom);
      return 0;
    }
    const remoteDomid = <u32>e.remoteDomid;
    unlockPorts(dom);
    if (closePair(dom, port, remoteDomid)) return 0;
  }
}

function closePair(dom: Domain, port: u32, remoteDomid: u32): bool {
  const remote = domainOf(remoteDomid);
  const other = changetype<usize>(remote) == 0 ? dom : remote;
  spinLockPair(evtLock(dom), evtLock(other));
  const e = portOf(dom, port);
  const same = e.state == EvtchnState.INTERDOMAIN && e.remoteDomid == <u16>remoteDomid;
  if (same) {
    const r = isLive(other, remoteDomid) ? portOf(other, e.remotePort) : changetype<Evtchn>(0);
    if (!isNull(r) && r.state == EvtchnState.INTERDOMAIN && r.remoteDomid == <u16>dom.domid && r.remotePort == port) {
      r.state = <u8>EvtchnState.UNBOUND;
      r.remotePort = 0;
    }
    closeLocked(dom, port, e);
  }
  spinUnlockPair(evtLock(dom), evtLock(other));
  return same;
}

function closeLocked(dom: Domain, port: u32, e: Evtchn): void {
  if (e.state == EvtchnState.VIRQ) {
    // A global VIRQ may notify another vCPU by now, but its binding is kept with vCPU 0.
    const cpu = domainVcpu(dom, isPerVcpu(e.virq) ? e.notifyVcpu : 0);
    if (changetype<usize>(cpu) != 0) store<u32>(<usize>cpu.xen + XenVcpuOff.virq + ((<usize>e.virq) << 2), 0);
  }
  clearPort(dom, port, e);
  releasePort(dom, port, e);
}

/** EVTCHNOP_bind_vcpu: the vCPU that a port notifies. */
export function bindVcpu(dom: Domain, port: u32, vcpu: u32): i32 {
  if (changetype<usize>(domainVcpu(dom, vcpu)) == 0) return -Errno.ENOENT;
  lockPorts(dom);
  const e = portOf(dom, port);
  let result: i32 = -Errno.EINVAL;
  if (!isNull(e)) {
    const state = e.state;
    if (state == EvtchnState.UNBOUND || state == EvtchnState.INTERDOMAIN) result = 0;
    if (state == EvtchnState.VIRQ && !isPerVcpu(e.virq)) result = 0;
    if (result == 0) e.notifyVcpu = <u16>vcpu;
  }
  unlockPorts(dom);
  return result;
}

export function unmaskPort(dom: Domain, port: u32): i32 {
  lockPorts(dom);
  const e = portOf(dom, port);
  const known = !isNull(e) && e.state != EvtchnState.FREE && e.state != EvtchnState.RESERVED;
  if (known && dom.evtFifo) unmaskFifo(dom, port, e);
  else if (known) unmask2l(dom, port, e.notifyVcpu);
  unlockPorts(dom);
  return known ? 0 : -Errno.EINVAL;
}

export function setPriority(dom: Domain, port: u32, priority: u32): i32 {
  if (!dom.evtFifo) return -Errno.ENOSYS;
  if (priority >= FIFO_PRIORITIES) return -Errno.EINVAL;
  lockPorts(dom);
  const e = portOf(dom, port);
  const known = !isNull(e) && e.state != EvtchnState.FREE && e.state != EvtchnState.RESERVED;
  if (known) e.priority = <u8>priority;
  unlockPorts(dom);
  return known ? 0 : -Errno.EINVAL;
}

/** Closes every port and leaves the FIFO ABI. */
export function resetPorts(dom: Domain): void {
  for (let port: u32 = 1; port < dom.evtPorts; port++) closePort(dom, port);
  leaveFifo(dom);
}

/** Back to the 2-level ABI. The domain's ports are closed. */
export function leaveFifo(dom: Domain): void {
  lockPorts(dom);
  if (dom.evtFifo) dropFifo(dom);
  unlockPorts(dom);
}
