/**
 * The FIFO event-channel ABI: an array of event words in guest pages, and per vCPU sixteen queues linked through them.
 * The guest may write anything into both: what is followed here are only our own records (tails, array pages), and
 * guest words are changed by compare-and-swap a bounded number of times. [XEN] common/event_fifo.c
 */
import { Domain, DomainOff, Evtchn, EVTCHN_2L_PORTS, EvtchnState, FifoWord, Vcpu, XenVcpuOff } from "../../gen/layout";
import { domainVcpu } from "../../mem/domains";
import { framePut } from "../../mem/frames";
import { p2mMfn } from "../../mem/p2m";
import { pinToWrite } from "../../mmu/monitor";
import { DEFAULT_PRIORITY, lockPorts, portOf, unlockPorts } from "./port";
import { isPending2l } from "./two-level";
import { markEventsPending, wakePollers, xenOf } from "./upcall";

const WORDS_PER_PAGE: u32 = 1024;
const MAX_ARRAYS: u32 = 128;
const QUEUES: u32 = 16;
/** ready word, pad, sixteen heads */
const CONTROL_BYTES: u32 = 72;
const HEADS: usize = 8;
const LINK_TRIES: i32 = 4;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
export const FIFO_LINK_BITS: u32 = 17;

/** Machine address of a port's event word, 0 when the guest has not given its page yet. */
export function fifoWord(dom: Domain, port: u32): usize {
  const page = port / WORDS_PER_PAGE;
  if (page >= dom.evtArrayCount) return 0;
  const base = <usize>load<u32>(changetype<usize>(dom) + DomainOff.evtArrays + (page << 2));
  return base == 0 ? 0 : base + ((port % WORDS_PER_PAGE) << 2);
}

@inline
function tailSlot(cpu: Vcpu, priority: u32): usize {
  return <usize>cpu.xen + XenVcpuOff.fifoTail + (priority << 2);
}

/** Puts `port` into the LINK field of the queue's tail, if the guest has not consumed that yet. */
function linkBehind(word: usize, port: u32): bool {
  for (let i = 0; i < LINK_TRIES; i++) {
    const w = atomic.load<u32>(word);
    if ((w & (<u32>FifoWord.LINKED)) == 0) return false;
    const next = (w & ~((<u32>FifoWord.BUSY) | FifoWord.LINK_MASK)) | port;
    if (atomic.cmpxchg<u32>(word, w, next) == w) return true;
  }
  // The guest keeps changing the word: with BUSY set it must not clear LINKED. What it loses now is its own event.
  atomic.or<u32>(word, <u32>FifoWord.BUSY);
  for (let i = 0; i < LINK_TRIES; i++) {
    const w = atomic.load<u32>(word);
    if ((w & (<u32>FifoWord.LINKED)) == 0) {
      atomic.and<u32>(word, ~(<u32>FifoWord.BUSY));
      return false;
    }
    const next = (w & ~((<u32>FifoWord.BUSY) | FifoWord.LINK_MASK)) | port;
    if (atomic.cmpxchg<u32>(word, w, next) == w) return true;
  }
  return true;
}

/** Appends the event to its queue unless it stands in one. */
function enqueueEvent(dom: Domain, port: u32, e: Evtchn, word: usize): void {
  const cpu = domainVcpu(dom, e.notifyVcpu);
  if (changetype<usize>(cpu) == 0) return;
  const control = <usize>xenOf(cpu).fifoControl;
  if (control == 0) return;
  if ((atomic.or<u32>(word, <u32>FifoWord.LINKED) & (<u32>FifoWord.LINKED)) != 0) return;
  const oldCpu = domainVcpu(dom, e.lastVcpu);
  if (changetype<usize>(oldCpu) != 0) {
    const old = tailSlot(oldCpu, e.lastPriority);
    if (load<u32>(old) == port) store<u32>(old, 0);
  }
  e.lastVcpu = e.notifyVcpu;
  e.lastPriority = e.priority;
  const priority = <u32>e.priority;
  const slot = tailSlot(cpu, priority);
  const tail = load<u32>(slot);
  const tailWord = tail != 0 ? fifoWord(dom, tail) : 0;
  const linked = tailWord != 0 && linkBehind(tailWord, port);
  if (!linked) atomic.store<u32>(control + HEADS + (priority << 2), port);
  store<u32>(slot, port);
  const ready = (<u32>1) << priority;
  if (!linked && (atomic.or<u32>(control, ready) & ready) == 0) markEventsPending(cpu);
}

export function raiseFifo(dom: Domain, port: u32, e: Evtchn): void {
  const word = fifoWord(dom, port);
  if (word == 0) {
    e.pending = 1;
    return;
  }
  const before = atomic.or<u32>(word, <u32>FifoWord.PENDING);
  if ((before & (<u32>(FifoWord.MASKED | FifoWord.LINKED))) == 0) enqueueEvent(dom, port, e, word);
  if ((before & (<u32>FifoWord.PENDING)) == 0) wakePollers(dom, port);
}

export function unmaskFifo(dom: Domain, port: u32, e: Evtchn): void {
  const word = fifoWord(dom, port);
  if (word == 0) return;
  atomic.and<u32>(word, ~(<u32>FifoWord.MASKED));
  if ((atomic.load<u32>(word) & (<u32>FifoWord.PENDING)) != 0) enqueueEvent(dom, port, e, word);
}

export function isPendingFifo(dom: Domain, port: u32): bool {
  const word = fifoWord(dom, port);
  return word != 0 && (atomic.load<u32>(word) & (<u32>FifoWord.PENDING)) != 0;
}

export function clearFifo(dom: Domain, port: u32, e: Evtchn): void {
  e.pending = 0;
  const word = fifoWord(dom, port);
  if (word != 0) atomic.and<u32>(word, ~(<u32>FifoWord.PENDING));
}

/** EVTCHNOP_init_control: gives a vCPU its control block; the first one switches the domain to this ABI. */
export function initControl(dom: Domain, gfn: u64, offset: u32, vcpu: u32): i32 {
  const cpu = domainVcpu(dom, vcpu);
  if (changetype<usize>(cpu) == 0) return -2;
  if ((offset & 7) != 0 || offset > 4096 - CONTROL_BYTES) return -EINVAL;
  if (xenOf(cpu).fifoControl != 0) return -EINVAL;
  const entry = pinToWrite(dom, gfn);
  if (entry == 0) return -EINVAL;
  const mfn = p2mMfn(entry);
  lockPorts(dom);
  const x = xenOf(cpu);
  if (x.fifoControl != 0) {
    unlockPorts(dom);
    framePut(mfn);
    return -EINVAL;
  }
  if (!dom.evtFifo) switchToFifo(dom);
  memory.fill(changetype<usize>(x) + XenVcpuOff.fifoTail, 0, QUEUES * 4);
  x.fifoMfn = mfn;
  x.fifoControl = (mfn << 12) + offset;
  memory.fill(<usize>x.fifoControl, 0, CONTROL_BYTES);
  unlockPorts(dom);
  return 0;
}

/** Events pending in shared_info are remembered until their words exist. */
function switchToFifo(dom: Domain): void {
  const n = min(dom.evtPorts, <u32>EVTCHN_2L_PORTS);
  for (let port: u32 = 1; port < n; port++) {
    const e = portOf(dom, port);
    if (e.state == EvtchnState.FREE) continue;
    e.priority = <u8>DEFAULT_PRIORITY;
    if (isPending2l(dom, port)) e.pending = 1;
  }
  dom.evtFifo = 1;
}

/** EVTCHNOP_expand_array: one more page of event words, all masked. */
export function expandArray(dom: Domain, gfn: u64): i32 {
  if (!dom.evtFifo) return -EINVAL;
  const entry = pinToWrite(dom, gfn);
  if (entry == 0) return -EINVAL;
  const base = p2mMfn(entry) << 12;
  lockPorts(dom);
  const page = dom.evtArrayCount;
  if (page >= MAX_ARRAYS || !dom.evtFifo) {
    unlockPorts(dom);
    framePut(p2mMfn(entry));
    return -ENOSPC;
  }
  for (let i: u32 = 0; i < WORDS_PER_PAGE; i++) store<u32>(<usize>base + (i << 2), <u32>FifoWord.MASKED);
  store<u32>(changetype<usize>(dom) + DomainOff.evtArrays + (page << 2), base);
  dom.evtArrayCount = page + 1;
  const end = min(dom.evtPorts, (page + 1) * WORDS_PER_PAGE);
  for (let port = page * WORDS_PER_PAGE; port < end; port++) {
    const e = portOf(dom, port);
    if (e.pending) {
      e.pending = 0;
      atomic.or<u32>(fifoWord(dom, port), <u32>FifoWord.PENDING);
    }
  }
  unlockPorts(dom);
  return 0;
}

/** Back to the 2-level ABI; gives the guest's pages back. With the port lock held. */
export function dropFifo(dom: Domain): void {
  for (let i: u32 = 0; i < dom.maxVcpus; i++) {
    const cpu = domainVcpu(dom, i);
    if (changetype<usize>(cpu) == 0) continue;
    const x = xenOf(cpu);
    if (x.fifoControl != 0) framePut(x.fifoMfn);
    x.fifoControl = 0;
    x.fifoMfn = 0;
  }
  for (let i: u32 = 0; i < dom.evtArrayCount; i++) {
    framePut(load<u32>(changetype<usize>(dom) + DomainOff.evtArrays + (i << 2)) >> 12);
  }
  dom.evtArrayCount = 0;
  dom.evtFifo = 0;
}
