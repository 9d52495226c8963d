/**
 * What Domain0 and the pCPU workers call: CoreExports of abi/core-api.ts. Domain0 is trusted but its numbers are checked
 * all the same; unknown domains answer -ESRCH.
 */
import {
  Access,
  Domain,
  DomainOff,
  Errno,
  EventBit,
  GrantStatus,
  HVM_PARAMS,
  MAX_E820,
  MAX_RAM_RANGES,
  P2m,
  P2mKind,
  ShutdownReason,
  VcpuTrigger,
} from "../gen/layout";
import { platformSerialNotify } from "../bus";
import { vcpuStartPvh as startPvh } from "../cpu/reset";
import { domainOf, domainShutdown as shutDown, domainVcpu } from "../mem/domains";
import { frameAddress, framePut, frameOf, frameRetire, freeFrames } from "../mem/frames";
import { layoutMachine, machineReady } from "../mem/machine";
import { p2mGet, p2mHasFrame, p2mHold, p2mKind, p2mMfn, p2mResolve } from "../mem/p2m";
import { pinToWrite } from "../mmu/monitor";
import { tlbReset } from "../mmu/tlb";
import { isQuiescent, setAffinity, vcpuKick } from "../sched/wake";
import { spinLock, spinUnlock } from "../util/atomics";
import { machine, machineTime } from "../util/host";
import { allocUnbound, bindInterdomain, closePort, raiseVirq, sendPort, takeDomain0 } from "./evtchn/channel";
import { acquireGrant, grantInUse, releaseGrant } from "./gnttab/acquire";
import { getParam, setParam } from "./hvm-op";
import { createDomain, destroyDomain, pauseDomain, resumeDomain, unpauseDomain } from "./life";

const ESRCH: i32 = -Errno.ESRCH;
const EINVAL: i32 = -Errno.EINVAL;

@inline
function isNull(dom: Domain): bool {
  return changetype<usize>(dom) == 0;
}

export function machineInit(maxFrames: u32, pcpus: u32, deterministic: u32, seedLo: u32, seedHi: u32): i32 {
  const result = layoutMachine(maxFrames, pcpus, deterministic != 0, ((<u64>seedHi) << 32) | (<u64>seedLo));
  if (result < 0) return result;
  const made = createDomain(0, 0, 0);
  if (made < 0) return made;
  machineReady();
  return 0;
}

export function machineFreeFrames(): u32 {
  return freeFrames();
}

export function machineTotalFrames(): u32 {
  return machine().totalFrames;
}

export function machineNow(): f64 {
  return <f64>machineTime();
}

export function domainCreate(domid: u32, maxVcpus: u32, maxPages: u32): i32 {
  return createDomain(domid, maxVcpus, maxPages);
}

export function domainDestroy(domid: u32): i32 {
  const dom = domainOf(domid);
  return isNull(dom) ? ESRCH : destroyDomain(dom);
}

export function domainAddress(domid: u32): u32 {
  return <u32>changetype<usize>(domainOf(domid));
}

export function vcpuAddress(domid: u32, vcpu: u32): u32 {
  const dom = domainOf(domid);
  return isNull(dom) ? 0 : <u32>changetype<usize>(domainVcpu(dom, vcpu));
}

export function domainAddRam(domid: u32, startGfn: u32, pages: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  if (pages == 0 || startGfn >= <u32>P2m.GFN_LIMIT || pages > <u32>P2m.GFN_LIMIT - startGfn) return EINVAL;
  const lock = changetype<usize>(dom) + DomainOff.p2mLock;
  spinLock(lock);
  const result = addRange(dom, startGfn, pages);
  spinUnlock(lock);
  return result;
}

function addRange(dom: Domain, start: u32, pages: u32): i32 {
  const n = dom.ramRanges;
  if (n >= <u32>MAX_RAM_RANGES) return -Errno.ENOSPC;
  if (pages > dom.maxPages - dom.curPages) return -Errno.ENOMEM;
  const ranges = changetype<usize>(dom) + DomainOff.ram;
  for (let i: u32 = 0; i < n; i++) {
    const first = load<u32>(ranges + (i << 3));
    const count = load<u32>(ranges + (i << 3), 4);
    if (start < first + count && first < start + pages) return -Errno.EEXIST;
  }
  store<u32>(ranges + (n << 3), start);
  store<u32>(ranges + (n << 3), pages, 4);
  dom.ramRanges = n + 1;
  dom.curPages += pages;
  if (start + pages - 1 > dom.maxGfn) dom.maxGfn = start + pages - 1;
  return 0;
}

export function domainAddMapEntry(domid: u32, addrLo: u32, addrHi: u32, sizeLo: u32, sizeHi: u32, type: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  const n = dom.e820Count;
  if (n >= <u32>MAX_E820) return -Errno.ENOSPC;
  const at = changetype<usize>(dom) + DomainOff.e820 + n * 20;
  store<u32>(at, addrLo);
  store<u32>(at, addrHi, 4);
  store<u32>(at, sizeLo, 8);
  store<u32>(at, sizeHi, 12);
  store<u32>(at, type, 16);
  dom.e820Count = n + 1;
  return 0;
}

/** For Domain0's writes: what was decoded from the page is forgotten. */
export function domainPage(domid: u32, gfn: u32): u32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return 0;
  const entry = p2mResolve(dom, gfn, Access.WRITE);
  if (p2mKind(entry) != P2mKind.RAM) return 0;
  frameRetire(frameOf(p2mMfn(entry)));
  return <u32>frameAddress(p2mMfn(entry));
}

export function domainPeek(domid: u32, gfn: u32): u32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return 0;
  const entry = p2mGet(dom, gfn);
  return p2mHasFrame(entry) ? <u32>frameAddress(p2mMfn(entry)) : 0;
}

export function domainPin(domid: u32, gfn: u32): u32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return 0;
  const entry = pinToWrite(dom, gfn);
  return entry == 0 ? 0 : <u32>frameAddress(p2mMfn(entry));
}

export function domainHold(domid: u32, gfn: u32): u32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return 0;
  const entry = p2mHold(dom, gfn);
  return entry == 0 ? 0 : <u32>frameAddress(p2mMfn(entry));
}

export function domainUnpin(address: u32): void {
  const mfn = address >> 12;
  const m = machine();
  if (mfn < m.firstFrame || mfn >= m.freshFrame) return;
  frameRetire(frameOf(mfn));
  framePut(mfn);
}

export function vcpuStartPvh(domid: u32, vcpu: u32, eip: u32, ebx: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) == 0) return -Errno.ENOENT;
  if (!isQuiescent(dom)) return -Errno.EBUSY;
  startPvh(cpu, eip, ebx);
  tlbReset(cpu);
  return 0;
}

export function domainPause(domid: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom) || domid == 0) return ESRCH;
  pauseDomain(dom);
  return 0;
}

export function domainUnpause(domid: u32): i32 {
  const dom = domainOf(domid);
  return isNull(dom) || domid == 0 ? ESRCH : unpauseDomain(dom);
}

export function domainQuiescent(domid: u32): u32 {
  const dom = domainOf(domid);
  return isNull(dom) || isQuiescent(dom) ? 1 : 0;
}

export function domainShutdown(domid: u32, reason: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom) || domid == 0) return ESRCH;
  if (reason > ShutdownReason.SOFT_RESET) return EINVAL;
  shutDown(dom, reason);
  return 0;
}

export function domainResume(domid: u32): i32 {
  const dom = domainOf(domid);
  return isNull(dom) || domid == 0 ? ESRCH : resumeDomain(dom);
}

export function hvmParamSet(domid: u32, index: u32, lo: u32, hi: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  if (index >= <u32>HVM_PARAMS) return EINVAL;
  setParam(dom, index, (<u64>lo) | ((<u64>hi) << 32));
  return 0;
}

export function hvmParamGet(domid: u32, index: u32): f64 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  return index >= <u32>HVM_PARAMS ? EINVAL : <f64>getParam(dom, index);
}

export function domainSetPlatform(domid: u32, flags: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom) || domid == 0) return ESRCH;
  dom.platform = flags;
  return 0;
}

export function serialNotify(domid: u32): void {
  const dom = domainOf(domid);
  if (!isNull(dom) && domid != 0) platformSerialNotify(dom);
}

export function vcpuTrigger(domid: u32, vcpu: u32, trigger: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) == 0) return -Errno.ENOENT;
  const bits = triggerBits(trigger);
  if (bits == TRIGGER_UNKNOWN) return EINVAL;
  vcpuKick(cpu, bits);
  return 0;
}

/** The set of pCPUs is given as four words, pCPU 0 the lowest bit of the first. */
export function vcpuSetAffinity(domid: u32, vcpu: u32, soft: u32, w0: u32, w1: u32, w2: u32, w3: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return ESRCH;
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) == 0) return -Errno.ENOENT;
  return setAffinity(cpu, soft != 0, w0, w1, w2, w3) ? 0 : EINVAL;
}

const TRIGGER_UNKNOWN: u32 = 0xffffffff;

function triggerBits(trigger: u32): u32 {
  switch (trigger) {
    case VcpuTrigger.NMI:
      return EventBit.NMI;
    case VcpuTrigger.INIT:
      return EventBit.INIT;
    case VcpuTrigger.SIPI:
      return EventBit.SIPI;
    case VcpuTrigger.MCE:
      return EventBit.MCE;
    case VcpuTrigger.WAKE:
      return EventBit.INTERRUPT;
    default:
      return TRIGGER_UNKNOWN;
  }
}

export function evtchnAllocUnbound(domid: u32, remote: u32): i32 {
  const dom = domainOf(domid);
  return isNull(dom) ? ESRCH : allocUnbound(dom, remote);
}

export function evtchnBind(remote: u32, remotePort: u32): i32 {
  return bindInterdomain(domainOf(0), remote, remotePort);
}

export function evtchnNotify(port: u32): i32 {
  return sendPort(domainOf(0), port);
}

export function evtchnClose(domid: u32, port: u32): i32 {
  const dom = domainOf(domid);
  return isNull(dom) ? ESRCH : closePort(dom, port);
}

export function virqRaise(domid: u32, vcpu: u32, virq: u32): i32 {
  const dom = domainOf(domid);
  return isNull(dom) ? ESRCH : raiseVirq(dom, vcpu, virq);
}

export function evtchnTake(): i32 {
  return takeDomain0();
}

export function grantMap(domid: u32, ref: u32, readonly: u32): u32 {
  const dom = domainOf(domid);
  if (isNull(dom) || dom.gntFrames == 0) return <u32>GrantStatus.BAD_DOMAIN;
  const mfn = acquireGrant(dom, domid, ref, 0, readonly != 0, false);
  return mfn < 0 ? <u32>mfn : <u32>frameAddress(mfn);
}

export function grantUnmap(domid: u32, ref: u32, readonly: u32): i32 {
  const dom = domainOf(domid);
  if (isNull(dom)) return GrantStatus.BAD_DOMAIN;
  const mfn = grantInUse(dom, ref, 0, readonly != 0);
  if (mfn == 0 || !releaseGrant(domid, ref, mfn, 0, readonly != 0)) return GrantStatus.BAD_HANDLE;
  framePut(mfn);
  return 0;
}
