/**
 * By which entries of its TLBs a vCPU may write a frame. Who begins to watch a frame takes the write right from all vCPUs,
 * and would look through some thousands of entries of each: so each has, for the frames of one hash, the only entry that
 * may let them be written, or that there are several. What is written down may be of the past; no entry is missing.
 */
import { Domain, TLB_BYTES, TLB_WRITERS, TlbEntry, TlbEntry_SIZE, Vcpu } from "../gen/layout";
import { domainOfVcpu, firstVcpu, lockDomains, nextVcpu, unlockDomains } from "../mem/domains";
import { EMPTY_TAG } from "./tlb";

/** Stands for several entries; one has its number and one more. */
const MANY: u32 = 0xffff;

@inline
function placeOf(cpu: Vcpu, host: u32): usize {
  return <usize>cpu.tlbWriters + ((<usize>((host >> 12) & (TLB_WRITERS - 1))) << 1);
}

@inline
function entryAt(cpu: Vcpu, known: u32): TlbEntry {
  return changetype<TlbEntry>(<usize>cpu.tlbBase + (<usize>known - 1) * TlbEntry_SIZE);
}

/** The frame that may be written by the entry, a machine address; 1 when there is none. */
@inline
function writableBy(e: TlbEntry): u32 {
  return e.tagW == EMPTY_TAG ? 1 : e.delta + ((<u32>e.tagW) & ~0xfff);
}

/** Whether the entry lets a frame be written whose place is that of `host`. */
@inline
function isOfPlace(e: TlbEntry, host: u32): bool {
  const frame = writableBy(e);
  return frame != 1 && (((frame ^ host) >> 12) & (TLB_WRITERS - 1)) == 0;
}

/** By the vCPU itself, before it lets frame `host` be written by `e`: who takes that away marks the frame and then looks here. */
export function noteWriter(cpu: Vcpu, e: TlbEntry, host: u32): void {
  const at = placeOf(cpu, host);
  const known = <u32>load<u16>(at);
  const own = <u32>((changetype<usize>(e) - <usize>cpu.tlbBase) / TlbEntry_SIZE) + 1;
  if (known == own || known == MANY) return;
  const isOnly = known == 0 || !isOfPlace(entryAt(cpu, known), host);
  atomic.store<u16>(at, <u16>(isOnly ? own : MANY));
}

@inline
function protect(e: TlbEntry, host: u32): void {
  if (writableBy(e) == host) e.tagW = EMPTY_TAG;
}

/** Takes the write right to frame `host` from `cpu`. If that is the vCPU which does so, it sees anew which entries there are. */
function protectOn(cpu: Vcpu, host: u32, isSelf: bool): void {
  const at = placeOf(cpu, host);
  const known = <u32>atomic.load<u16>(at);
  if (known == 0) return;
  if (known != MANY) {
    protect(entryAt(cpu, known), host);
    return;
  }
  let others: u32 = 0;
  for (let n: u32 = 1; n <= <u32>TLB_BYTES / <u32>TlbEntry_SIZE; n++) {
    const e = entryAt(cpu, n);
    protect(e, host);
    if (isOfPlace(e, host)) others = others == 0 ? n : MANY;
  }
  if (isSelf) store<u16>(at, <u16>others);
}

/**
 * Takes the write right to frame `host` from every vCPU that may have it: those of the domain of `cpu`, or when it is `shared`
 * all. Its writes are seen from now on.
 */
export function tlbProtectEverywhere(cpu: Vcpu, host: u32, shared: bool): void {
  const only = shared ? changetype<Domain>(0) : domainOfVcpu(cpu);
  if (shared) lockDomains();
  for (let each = firstVcpu(only); changetype<usize>(each) != 0; each = nextVcpu(each, only))
    protectOn(each, host, each == cpu);
  if (shared) unlockDomains();
}
