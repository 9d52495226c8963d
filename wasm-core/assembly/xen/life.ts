/**
 * The life of a domain: creation with all its structures, pause and unpause, destruction. Destruction frees everything
 * it owns but for frames that other domains still hold through grants: their references keep those.
 */
import {
  DEFAULT_WEIGHT,
  Domain,
  Domain_SIZE,
  DomainOff,
  DomainState,
  Domid,
  Errno,
  FrameType,
  JUMP_CACHE_BYTES,
  MachineOff,
  MAX_DOMAINS,
  MAX_VCPUS,
  PlatformState_SIZE,
  Priority,
  RunState,
  SharedInfoOff,
  ShutdownReason,
  TLB_BYTES,
  Vcpu,
  Vcpu_SIZE,
  VcpuInfo_SIZE,
  XenVcpu,
  XenVcpuOff,
} from "../gen/layout";
import { platformReset } from "../bus";
import { vcpuReset } from "../cpu/reset";
import { lapicReset } from "../irq/lapic";
import { domainVcpu, stopVcpus } from "../mem/domains";
import { frameAddress, frameAlloc, frameOf, framePut } from "../mem/frames";
import { heapFreePages, heapPages } from "../mem/heap";
import { p2mDestroy, p2mInit } from "../mem/p2m";
import { tlbReset } from "../mmu/tlb";
import { resetAffinity } from "../sched/affinity";
import { lockSched, unlockSched } from "../sched/queue";
import { isQuiescent, unqueueDomain, wakeDomain } from "../sched/wake";
import { spinLock, spinUnlock } from "../util/atomics";
import { machine, machineTime, NEVER } from "../util/host";
import { resetPorts } from "./evtchn/channel";
import { freePorts, initPorts, lockPorts, unlockPorts } from "./evtchn/port";
import { xenOf } from "./evtchn/upcall";
import { freeGrants } from "./gnttab/destroy";
import { initGrants } from "./gnttab/table";
import { updateTime, updateWallClock } from "./time";
import { initWatchdogs } from "./watchdog";

const DEFAULT_MAX_PORTS: u32 = 16384;
const P2M_BASE_NODES: u32 = 1024;
/** vcpu_infos in shared_info. */
const LEGACY_VCPUS: u32 = 32;
/** Pages of a vCPU's block: two of Vcpu, one each of XenVcpu, local APIC, hypercall scratch, two of TLB writers, one of room. */
const VCPU_ORDER: u32 = 3;
const XEN_AT: usize = 0x2000;
const LAPIC_AT: usize = 0x3000;
const SCRATCH_AT: usize = 0x4000;
const WRITERS_AT: usize = 0x5000;

/** Order of the block that holds `bytes`. */
function orderOf(bytes: usize): u32 {
  return bytes <= 4096 ? 0 : 32 - clz(<u32>((bytes - 1) >> 12));
}

/** Creates a paused domain without memory. 0 or a negative errno. */
export function createDomain(domid: u32, maxVcpus: u32, maxPages: u32): i32 {
  if (domid >= Domid.FIRST_RESERVED || maxVcpus > <u32>MAX_VCPUS || (maxVcpus == 0) != (domid == 0))
    return -Errno.EINVAL;
  if (Vcpu_SIZE > XEN_AT) return -Errno.EINVAL;
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.domainLock;
  spinLock(lock);
  const slot = <usize>m.domainTable + ((<usize>domid) << 2);
  let result: i32 = load<u32>(slot) != 0 ? -Errno.EEXIST : m.domainCount >= <u32>MAX_DOMAINS ? -Errno.ENOSPC : 0;
  if (result == 0) {
    const dom = newStruct();
    if (changetype<usize>(dom) == 0) result = -Errno.ENOMEM;
    else result = buildDomain(dom, domid, maxVcpus, maxPages);
    if (result == 0) publish(dom, slot);
    else if (changetype<usize>(dom) != 0) retire(dom);
  }
  spinUnlock(lock);
  return result;
}

/** A zeroed Domain struct. With the domain lock held. */
function newStruct(): Domain {
  const m = machine();
  const spare = changetype<Domain>(<usize>m.domainSpare);
  if (changetype<usize>(spare) == 0) return changetype<Domain>(heapPages(orderOf(Domain_SIZE)));
  m.domainSpare = spare.next;
  clearStruct(changetype<usize>(spare));
  return spare;
}

/** Zeroes a spare struct but for its locks: somebody late may hold one, or take and release it at this moment. */
function clearStruct(dom: usize): void {
  let from = clearBetween(dom, 0, DomainOff.lock);
  from = clearBetween(dom, from, DomainOff.p2mLock);
  from = clearBetween(dom, from, DomainOff.evtLock);
  from = clearBetween(dom, from, DomainOff.gntLock);
  from = clearBetween(dom, from, DomainOff.mapLock);
  from = clearBetween(dom, from, DomainOff.ioLock);
  from = clearBetween(dom, from, DomainOff.monitorLock);
  memory.fill(dom + from, 0, Domain_SIZE - from);
}

/** Zeroes what lies between `from` and a lock; the offset behind that. */
function clearBetween(dom: usize, from: usize, lock: usize): usize {
  memory.fill(dom + from, 0, lock - from);
  return lock + 4;
}

function publish(dom: Domain, slot: usize): void {
  const m = lockSched();
  dom.next = m.domainList;
  m.domainList = <u32>changetype<usize>(dom);
  m.domainCount += 1;
  dom.state = DomainState.LIVE;
  unlockSched(m);
  atomic.store<u32>(slot, <u32>changetype<usize>(dom));
}

function buildDomain(dom: Domain, domid: u32, maxVcpus: u32, maxPages: u32): i32 {
  dom.domid = domid;
  dom.pauseCount = domid == 0 ? 0 : 1;
  dom.shutdownReason = <u32>ShutdownReason.NONE;
  dom.exitStatus = 0xffffffff;
  dom.maxPages = maxPages;
  dom.weight = DEFAULT_WEIGHT;
  dom.p2mMaxNodes = P2M_BASE_NODES + maxPages / 512;
  dom.evtMaxPorts = DEFAULT_MAX_PORTS;
  if (!initPorts(dom)) return -Errno.ENOMEM;
  if (domid == 0) return 0;
  const shared = frameAlloc(domid);
  if (shared == 0) return -Errno.ENOMEM;
  frameOf(shared).type = <u8>FrameType.XEN_SHARED;
  dom.sharedInfo = <u32>frameAddress(shared);
  dom.platformState = <u32>heapPages(orderOf(PlatformState_SIZE));
  if (dom.platformState == 0 || !p2mInit(dom) || !initGrants(dom)) return -Errno.ENOMEM;
  memory.fill(<usize>dom.sharedInfo + SharedInfoOff.evtchnMask, 0xff, 512);
  updateWallClock(dom);
  initWatchdogs(dom);
  platformReset(dom);
  for (let i: u32 = 0; i < maxVcpus; i++) {
    if (!createVcpu(dom, i)) return -Errno.ENOMEM;
    dom.maxVcpus = i + 1;
  }
  return 0;
}

function createVcpu(dom: Domain, id: u32): bool {
  const block = heapPages(VCPU_ORDER);
  const tlb = heapPages(orderOf(TLB_BYTES));
  const jumps = heapPages(orderOf(JUMP_CACHE_BYTES));
  if (block == 0 || tlb == 0 || jumps == 0) {
    heapFreePages(block, VCPU_ORDER);
    heapFreePages(tlb, orderOf(TLB_BYTES));
    heapFreePages(jumps, orderOf(JUMP_CACHE_BYTES));
    return false;
  }
  const cpu = changetype<Vcpu>(block);
  memory.fill(tlb, 0xff, TLB_BYTES);
  cpu.tlbBase = <u32>tlb;
  cpu.tlbWriters = <u32>(block + WRITERS_AT);
  cpu.jumpCache = <u32>jumps;
  cpu.xen = <u32>(block + XEN_AT);
  cpu.lapic = <u32>(block + LAPIC_AT);
  cpu.id = id;
  cpu.apicId = 2 * id;
  cpu.domain = <u32>changetype<usize>(dom);
  cpu.pcpu = 0xffffffff;
  cpu.wakeTime = NEVER;
  cpu.priority = Priority.UNDER;
  resetAffinity(cpu);
  initXenVcpu(dom, id, changetype<XenVcpu>(block + XEN_AT), block + SCRATCH_AT);
  vcpuReset(cpu);
  tlbReset(cpu);
  lapicReset(cpu);
  cpu.online = id == 0 ? 1 : 0;
  cpu.waitForSipi = id == 0 ? 0 : 1;
  updateTime(cpu, cpu);
  store<u32>(changetype<usize>(dom) + DomainOff.vcpus + ((<usize>id) << 2), <u32>block);
  return true;
}

function initXenVcpu(dom: Domain, id: u32, x: XenVcpu, scratch: usize): void {
  x.scratch = <u32>scratch;
  x.info =
    id < LEGACY_VCPUS
      ? dom.sharedInfo + <u32>SharedInfoOff.vcpuInfo + id * <u32>VcpuInfo_SIZE
      : <u32>(changetype<usize>(x) + XenVcpuOff.dummyInfo);
  x.singleshot = NEVER;
  x.pollDeadline = NEVER;
  x.runstate = id == 0 ? RunState.BLOCKED : RunState.OFFLINE;
  x.runstateEntry = machineTime();
}

/** One more reason not to run. */
export function pauseDomain(dom: Domain): void {
  atomic.add<i32>(changetype<usize>(dom) + DomainOff.pauseCount, 1);
  stopVcpus(dom);
  unqueueDomain(dom);
}

/** One reason less. -EINVAL when there was none. */
export function unpauseDomain(dom: Domain): i32 {
  const at = changetype<usize>(dom) + DomainOff.pauseCount;
  while (true) {
    const n = atomic.load<i32>(at);
    if (n <= 0) return -Errno.EINVAL;
    if (atomic.cmpxchg<i32>(at, n, n - 1) == n) break;
  }
  wakeDomain(dom);
  return 0;
}

/** A domain that shut down to suspend goes on. */
export function resumeDomain(dom: Domain): i32 {
  if (dom.shutdown == 0 || dom.shutdownReason != ShutdownReason.SUSPEND) return -Errno.EINVAL;
  atomic.store<u32>(changetype<usize>(dom), 0, DomainOff.shutdown);
  atomic.store<u32>(changetype<usize>(dom), <u32>ShutdownReason.NONE, DomainOff.shutdownReason);
  wakeDomain(dom);
  return 0;
}

/** Destroys a domain; -EBUSY, to be repeated, while a pCPU is still inside one of its vCPUs. */
export function destroyDomain(dom: Domain): i32 {
  if (dom.domid == 0) return -Errno.EINVAL;
  const m = machine();
  const lock = changetype<usize>(m) + MachineOff.domainLock;
  spinLock(lock);
  lockPorts(dom);
  dom.state = DomainState.DYING;
  dom.dying = 1;
  unlockPorts(dom);
  stopVcpus(dom);
  unqueueDomain(dom);
  const busy = !isQuiescent(dom);
  if (!busy) {
    unpublish(dom);
    retire(dom);
  }
  spinUnlock(lock);
  return busy ? -Errno.EBUSY : 0;
}

function unpublish(dom: Domain): void {
  const m = lockSched();
  let at = changetype<usize>(m) + MachineOff.domainList;
  while (load<u32>(at) != 0 && load<u32>(at) != <u32>changetype<usize>(dom)) at = <usize>load<u32>(at) + DomainOff.next;
  if (load<u32>(at) != 0) {
    store<u32>(at, dom.next);
    m.domainCount -= 1;
  }
  unlockSched(m);
  const slot = <usize>machine().domainTable + ((<usize>dom.domid) << 2);
  if (load<u32>(slot) == <u32>changetype<usize>(dom)) atomic.store<u32>(slot, 0);
}

/** Frees what a domain has, finished or half built, and keeps the struct as a spare. */
function retire(dom: Domain): void {
  resetPorts(dom);
  freeGrants(dom);
  lockPorts(dom);
  freePorts(dom);
  for (let i: u32 = 0; i < dom.maxVcpus; i++) freeVcpu(domainVcpu(dom, i));
  dom.maxVcpus = 0;
  dom.domid = Domid.INVALID;
  dom.state = DomainState.SPARE;
  unlockPorts(dom);
  p2mDestroy(dom);
  if (dom.sharedInfo != 0) framePut(dom.sharedInfo >> 12);
  dom.sharedInfo = 0;
  heapFreePages(<usize>dom.platformState, orderOf(PlatformState_SIZE));
  dom.platformState = 0;
  const m = machine();
  dom.next = m.domainSpare;
  m.domainSpare = <u32>changetype<usize>(dom);
}

function freeVcpu(cpu: Vcpu): void {
  if (changetype<usize>(cpu) == 0) return;
  const x = xenOf(cpu);
  if (x.infoMfn != 0) framePut(x.infoMfn);
  heapFreePages(<usize>cpu.tlbBase, orderOf(TLB_BYTES));
  heapFreePages(<usize>cpu.jumpCache, orderOf(JUMP_CACHE_BYTES));
  heapFreePages(changetype<usize>(cpu), VCPU_ORDER);
}
